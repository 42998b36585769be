"""The tricky cases of the specification, part (d), by their numbers there; rule texts are our own."""

import pytest

from pipelines.domain.oca import (
    Candidate,
    Frame,
    cascade,
    classify,
    organise,
    parse,
    print_expression,
)
from tests.pipelines.domain.oca.helpers import (
    calib_where,
    candidate,
    condition,
    frame,
    header,
    ids,
    select_files,
)

FLATS = """
if DPR.TYPE like "%FLAT%" then { CATG="FLAT"; BLUE=INS.FILTER like "Blue%"; }
if DPR.TYPE like "%FLAT%" and (DPR.TYPE like "%SKY%" or DPR.TYPE like "%ILLUM%") then
    { CATG="SKYFLAT"; }
"""
SLITS = """
if DPR.TYPE=="LAMP" and DPR.TECH=="LSS" then { CATG="LAMP_LSS"; }
if DPR.TECH=="LSS" and INS.SLIT.POS==-999.99 then { CATG="MOS_2_LSS"; }
if DPR.TYPE=="STD" and DPR.TECH=="LSS" then { CATG="STD_LSS"; }
"""
BIAS = 'if DPR.TYPE=="BIAS" and TPL.NEXP>3 then { CATG="BIAS"; }'
SCREEN = """
if TPL.ID=="CAM_daycalib" and TPL.NEXP>2 then
    { RAW.TYPE="SCREEN_FLAT_STD"; REFLEX.CATG="SCREEN_FLAT_MOS"; }
"""
EXACT = 'if A like "%s" then { CATG="YES"; }'
OPTI5 = 'if OPTI5 is undefined or OPTI5 like "X" then { CATG="YES"; }'
COPY = 'if PRO.CATG is string and INSTRUME=="X" then { CATG=PRO.CATG; }'
PRODUCTS = """
if PRO.CATG=="WAVE_PARAM" then { DO.CATG="WAVE_PARAM"; REFLEX.CATG="WAVE_PARAM"; }
if PRO.CATG like "%DARK%" then { DO.CATG="DARK"; }
if PRO.CATG like "%P2VM%" then { DO.CATG="P2VM"; }
if PRO.CATG like "%WAVE%" then { DO.CATG="WAVE"; }
"""
MODES = """
if DPR.TECH like "%CHOPNOD%" and DPR.TECH like "%JITTER%" and DPR.TECH like "%BURST%" then
    { CATG="JIT_BURST"; }
if DPR.TECH=="IMAGE,BURST,CHOPNOD" then { CATG="BURST"; }
"""
LSS = {"DPR.TECH": "LSS"}
CLASSIFIED = [
    ("1 blue", FLATS, {"DPR.TYPE": "FLAT,LAMP,ILLUM", "INS.FILTER": "Blue"}, {"CATG": "SKYFLAT", "BLUE": True}),
    ("1 no filter", FLATS, {"DPR.TYPE": "FLAT,LAMP,ILLUM"}, {"CATG": "SKYFLAT", "BLUE": False}),
    ("2 lamp at the sentinel", SLITS, {"DPR.TYPE": "LAMP", "INS.SLIT.POS": -999.99, **LSS}, {"CATG": "MOS_2_LSS"}),
    ("2 lamp elsewhere", SLITS, {"DPR.TYPE": "LAMP", "INS.SLIT.POS": 0.1, **LSS}, {"CATG": "LAMP_LSS"}),
    ("2 star at the sentinel", SLITS, {"DPR.TYPE": "STD", "INS.SLIT.POS": -999.99, **LSS}, {"CATG": "STD_LSS"}),
    ("3 at the bound", BIAS, {"DPR.TYPE": "BIAS", "TPL.NEXP": 3}, {}),
    ("3 beyond it", BIAS, {"DPR.TYPE": "BIAS", "TPL.NEXP": 4.0}, {"CATG": "BIAS"}),
    ("3 absent", BIAS, {"DPR.TYPE": "BIAS"}, {}),
    ("4 enough", SCREEN, {"TPL.ID": "CAM_daycalib", "TPL.NEXP": 3}, {"RAW.TYPE": "SCREEN_FLAT_STD", "REFLEX.CATG": "SCREEN_FLAT_MOS"}),
    ("4 too few", SCREEN, {"TPL.ID": "CAM_daycalib", "TPL.NEXP": 2}, {}),
    ("5 whole value", EXACT % "WAVE", {"A": "WAVE,SC"}, {}),
    ("5 whole value, equal", EXACT % "WAVE", {"A": "WAVE"}, {"CATG": "YES"}),
    ("5 end", EXACT % "%x11", {"A": "5.0x11S"}, {}),
    ("5 end, equal", EXACT % "%x11", {"A": "5.0x11"}, {"CATG": "YES"}),
    ("5 underscore", EXACT % "%a_b%", {"A": "zzaXbzz"}, {}),
    ("5 underscore, itself", EXACT % "%a_b%", {"A": "zza_bzz"}, {"CATG": "YES"}),
    ("5 undefined or like", OPTI5, {}, {"CATG": "YES"}),
    ("7 a product", COPY, {"PRO.CATG": "UTIL_TW", "INSTRUME": "X"}, {"CATG": "UTIL_TW"}),
    ("7 a raw file", COPY, {"INSTRUME": "X"}, {}),
    ("7 another instrument", COPY, {"PRO.CATG": "UTIL_TW", "INSTRUME": "Y"}, {}),
    ("7 a number", COPY, {"PRO.CATG": 7, "INSTRUME": "X"}, {}),
    ("9 two patterns", PRODUCTS, {"PRO.CATG": "DARK_P2VM"}, {"DO.CATG": "P2VM"}),
    ("9 exact, then pattern", PRODUCTS, {"PRO.CATG": "WAVE_PARAM"}, {"DO.CATG": "WAVE", "REFLEX.CATG": "WAVE_PARAM"}),
    ("13 any order", MODES, {"DPR.TECH": "IMAGE,CHOPNOD,JITTER,BURST"}, {"CATG": "JIT_BURST"}),
    ("13 this order", MODES, {"DPR.TECH": "IMAGE,BURST,CHOPNOD"}, {"CATG": "BURST"}),
    ("13 other order", MODES, {"DPR.TECH": "IMAGE,CHOPNOD,BURST"}, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "keywords", "expected"),
    [row[1:] for row in CLASSIFIED],
    ids=[row[0] for row in CLASSIFIED],
)
def test_a_header_is_classified(rules, keywords, expected):
    assert classify(parse(rules), keywords).assigned == expected


def groups_of(rules, *headers):
    """Return of each group its action and the names of its files, after classification."""
    tree = parse(rules)
    frames = [
        Frame(name, classify(tree, {"MJD-OBS": 57000.0 + n / 100, **keywords}).keywords)
        for n, (name, keywords) in enumerate(headers)
    ]
    return organise(tree, frames)


def in_short(groups):
    return [(group.action, "".join(str(one.id) for one in group.frames)) for group in groups]


def test_case_4_the_family_groups_and_the_tag_goes_to_the_recipe():
    rules = (
        SCREEN
        + """
    select execute(CAL_MOS) from inputFiles where RAW.TYPE=="SCREEN_FLAT_MOS" group by TPL.START;
    select execute(CAL_STDS) from inputFiles where RAW.TYPE=="SCREEN_FLAT_STD" group by TPL.START;
    """
    )
    flat = header(TPL_ID="CAM_daycalib", TPL_NEXP=3)
    [group] = groups_of(rules, ("a", flat), ("b", flat), ("c", flat))
    assert group.action == "CAL_STDS"
    assert classify(parse(rules), flat).tag == "SCREEN_FLAT_MOS"


SCIENCE = """
if DPR.TYPE=="SKY" then { RAW.TYPE="SCI"; REFLEX.CATG="SKY_RAW"; }
if DPR.TYPE=="OBJECT" then { RAW.TYPE="SCI"; REFLEX.CATG="SCI_RAW"; REFLEX.TARGET="T"; }
if DPR.TYPE=="STD" then { RAW.TYPE="SCI"; REFLEX.CATG="STD_RAW"; REFLEX.TARGET="F"; }
select execute(sci) from inputFiles where RAW.TYPE=="SCI" group by TPL.START;
"""


@pytest.mark.parametrize(
    ("types", "reference", "n_targets"),
    [
        (["SKY", "OBJECT", "OBJECT", "OBJECT"], "SKY_RAW", 3),
        (["SKY"], "SKY_RAW", 0),
        (["STD"], "STD_RAW", 0),
    ],
    ids=["11 sky before the object", "11 sky alone", "13 a standard star is no target"],
)
def test_a_dataset_starts_from_its_targets_alone(types, reference, n_targets):
    headers = [(n, {"DPR.TYPE": one, "TPL.START": "t"}) for n, one in enumerate(types)]
    [group] = groups_of(SCIENCE, *headers)
    assert len(group.frames) == len(types)
    assert group.reference.keywords["REFLEX.CATG"] == reference
    targets = [one for one in group.frames if one.keywords.get("REFLEX.TARGET") == "T"]
    assert len(targets) == n_targets


WEAK = " and ".join(f"inputFile.GRIS{n}?=GRIS{n}" for n in range(1, 5)) + " and MJD-OBS>57000."
OPEN = "MJD-OBS>inputFile.MJD-OBS-15. and MJD-OBS<inputFile.MJD-OBS+15."
LAMPS = """(MJD-OBS<=54032 or (MJD-OBS>54032 and inputFile.TPL.START==TPL.START))
    and inputFile.CHK<=CHK+1 and inputFile.CHK>=CHK-1"""
T0 = 57080.0


def fit(text, reference, found, max_ret=99):
    [match] = select_files(calib_where(text, f"maxRet={max_ret};"), reference, found)
    return ids(match)


def test_case_15_weak_equality_lets_closeness_decide():
    reference = frame("r", MJD=T0, GRIS3="G1")
    found = [
        candidate("exact", MJD=T0, GRIS3="G1"),
        candidate("no keys", MJD=T0 + 10),
        candidate("other", MJD=T0 + 0.1, GRIS3="G2"),
        candidate("elsewhere", MJD=T0 + 0.1, GRIS1="G2"),
        candidate("before the epoch", MJD=56999.0, GRIS3="G1"),
    ]
    assert fit(WEAK, reference, found) == ["exact", "elsewhere", "no keys"]
    assert fit(WEAK, reference, found, max_ret=1) == ["exact"]


def test_case_17_an_open_window_leaves_out_its_ends():
    days = (-15.0, -14.5, 0.0, 14.5, 15.0)
    found = [candidate(str(day), MJD=T0 + day) for day in days]
    assert set(fit(OPEN, frame("r", MJD=T0), found)) == {"-14.5", "0.0", "14.5"}


def test_case_19_an_epoch_a_template_and_a_tolerance():
    reference = frame("r", MJD=54040.0, TPL_START="t", CHK=10)
    found = [
        candidate("same", MJD=54040.1, TPL_START="t", CHK=10),
        candidate("other", MJD=54040.0, TPL_START="u", CHK=10),
        candidate("old", MJD=54030.0, TPL_START="u", CHK=10),
        candidate("one off", MJD=54040.2, TPL_START="t", CHK=11),
        candidate("two off", MJD=54040.0, TPL_START="t", CHK=12),
        candidate("none", MJD=54040.0, TPL_START="t"),
    ]
    assert fit(LAMPS, reference, found) == ["same", "one off", "old"]
    assert fit(LAMPS, reference, found, max_ret=1) == ["same"]


@pytest.mark.parametrize(("n_on", "too_small"), [(5, [False, False]), (4, [True, False])])
def test_case_21_a_minimum_is_for_the_next_select_alone(n_on, too_small):
    rules = """
    minRet=6;
    select execute(FLAT) from inputFiles where DPR.TYPE=="FLAT" group by TPL.START;
    select execute(ILLUM) from inputFiles where DPR.TYPE=="FLAT" and LAMP=="ON" group by TPL.START;
    """
    lamps = ["ON"] * n_on + ["OFF"]
    headers = [
        (n, {"DPR.TYPE": "FLAT", "LAMP": lamp, "TPL.START": "t"}) for n, lamp in enumerate(lamps)
    ]
    groups = groups_of(rules, *headers)
    assert [(one.action, len(one.frames)) for one in groups] == [
        ("FLAT", n_on + 1),
        ("ILLUM", n_on),
    ]
    assert [one.is_too_small for one in groups] == too_small


def test_case_23_words_glued_together_are_told_apart():
    text = 'inputFile.DET.BIN==DET.BINand inputFile.MJD-OBS-MJD-OBS<0.5 or K like "%a%"and K==15.'
    assert print_expression(condition(text)) == (
        "inputFile.DET.BIN == DET.BIN and inputFile.MJD-OBS - MJD-OBS < 0.5"
        ' or K like "%a%" and K == 15.0'
    )


ORDERS = """
select execute(S) from inputFiles where DPR.TYPE=="S" group by TPL.START;
select execute(F) from inputFiles where DPR.TYPE=="F" group by TPL.START;
action S { product R { PRO.CATG="REDL"; NTH=1; } product R { PRO.CATG="REDL"; NTH=2; }
           product R { PRO.CATG="REDL"; NTH=3; } }
action F { minRet=3; maxRet=3; select file as REDL from calibFiles where PRO.CATG=="REDL"; }
"""


def cascade_of(rules, *headers, disk=()):
    tree = parse(rules)
    frames = [
        Frame(name, classify(tree, header(**keywords)).keywords) for name, keywords in headers
    ]
    return cascade(tree, organise(tree, frames), disk)


@pytest.mark.parametrize(
    "orders",
    [
        [("near", T0 + 1)],
        [("near", T0 + 1), ("far", T0 - 9)],
        # At one distance, and even at one instant, the products of a block stay together.
        [("near", T0 - 1), ("far", T0 + 1)],
        [("near", T0 + 1), ("other", T0 + 1)],
    ],
    ids=["25 one block", "25 two blocks", "25 as far before as after", "25 at one instant"],
)
def test_three_products_of_one_name_are_those_of_one_block(orders):
    headers = [(name, {"DPR_TYPE": "S", "MJD": mjd, "TPL_START": name}) for name, mjd in orders]
    found = cascade_of(ORDERS, *headers, ("f", {"DPR_TYPE": "F", "MJD": T0}))
    [flat] = [one for one in found.blocks if one.group.action == "F"]
    [match] = flat.matches
    assert [one.candidate.keywords["NTH"] for one in match.chosen] == [1, 2, 3]
    [producer] = flat.producers
    assert found.blocks[producer].group.reference.id == "near"


VIRTUAL = """
if DPR.TYPE=="BIAS" then { RAW.TYPE="BIAS"; REFLEX.CATG="BIAS"; }
select execute(BIAS) from inputFiles where DPR.TYPE=="BIAS" group by TPL.START;
select execute(SCI) from inputFiles where DPR.TYPE=="SCI";
action BIAS { product MASTER_BIAS { PRO.CATG="MASTER_BIAS"; REFLEX.CATG="MASTER_BIAS"; } }
action SCI { minRet=1; maxRet=1;
             select file as B from calibFiles where REFLEX.CATG=="MASTER_BIAS"; }
"""


def test_case_27_a_master_on_disk_lacks_the_class_that_only_products_to_come_have():
    found = cascade_of(
        VIRTUAL,
        ("b", {"DPR_TYPE": "BIAS", "MJD": T0 - 1, "TPL_START": "t"}),
        ("s", {"DPR_TYPE": "SCI", "MJD": T0}),
        disk=[candidate("disk", PRO_CATG="MASTER_BIAS", MJD=T0)],
    )
    assert [one.producers for one in found.blocks] == [(), (0,)]


RESPONSE = """
if PRO.CATG=="STD_RESPONSE" then { CALTYPE="MASTER"; }
select execute(STD) from inputFiles where DPR.TYPE=="STD";
select execute(SCI) from inputFiles where DPR.TYPE=="SCI";
action STD { product STD_RESPONSE { PRO.CATG="STD_RESPONSE"; } }
action SCI {
  minRet=1; maxRet=1;
  select file as STD_RESPONSE_m from calibFiles where PRO.CATG=="STD_RESPONSE"
      and CALTYPE=="MASTER";
  minRet=1; maxRet=1; select file as STD_RESPONSE from calibFiles where PRO.CATG=="STD_RESPONSE";
}
"""


@pytest.mark.parametrize("has_disk", [False, True])
def test_case_29_products_to_come_are_not_classified(has_disk):
    on_disk = classify(parse(RESPONSE), header(PRO_CATG="STD_RESPONSE", MJD=T0 - 50)).keywords
    disk = [Candidate.of(Frame("disk", on_disk))] if has_disk else []
    found = cascade_of(
        RESPONSE,
        ("std", {"DPR_TYPE": "STD", "MJD": T0 - 1}),
        ("sci", {"DPR_TYPE": "SCI", "MJD": T0}),
        disk=disk,
    )
    science = found.blocks[1]
    assert science.reasons == (() if has_disk else ("STD_RESPONSE_m 0 of 1",))
    taken = [ids(match) for match in science.matches]
    assert taken == [["disk"] if has_disk else [], ["virtual 0.0"]]


VISIBILITIES = """
if PRO.CATG=="CAL_VIS" then { RAW.TYPE="VIS"; }
if PRO.CATG=="SCI_VIS" then { RAW.TYPE="VIS"; }
select execute(viscal) from inputFiles where RAW.TYPE=="VIS" group by RES, POLA, PRO.NIGHT.OBS;
"""


def test_case_31_nights_of_products_make_blocks():
    night = {"RES": "HIGH", "POLA": "SPLIT", "PRO.NIGHT.OBS": "2015-02-26"}
    groups = groups_of(
        VISIBILITIES,
        ("a", {"PRO.CATG": "CAL_VIS", **night}),
        ("b", {"PRO.CATG": "SCI_VIS", **night}),
        ("c", {"PRO.CATG": "SCI_VIS", **night}),
        ("d", {"PRO.CATG": "SCI_VIS", **night, "PRO.NIGHT.OBS": "2015-02-27"}),
        ("e", {"PRO.CATG": "SCI_VIS_CALIBRATED", **night}),
    )
    assert in_short(groups) == [("viscal", "abc"), ("viscal", "d")]
