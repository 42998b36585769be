"""Near misses, clashes of kind, and keywords that look misspelt."""

import pytest
from hypothesis import given, strategies as st

from pipelines.domain.oca import Pool, lint, near_misses, parse, type_clashes
from pipelines.domain.oca.lint import _resembles, _shapes
from tests.pipelines.domain.oca.helpers import calib_where, candidate, frame, group_of

REFERENCE = frame("flat", BIN=2, CHIP="blue", MJD=57080.0)
CONDITION = 'PRO.CATG=="BIAS" and inputFile.BIN==BIN and (inputFile.CHIP==CHIP or LAMP==T)'


def misses(condition, candidates, **options):
    [select] = parse(f"action a {{ {calib_where(condition)} }}").actions["a"].files
    return near_misses(select, [REFERENCE], Pool(calib=candidates), **options)


def test_near_misses_are_those_that_fail_least_then_the_nearest():
    pool = [
        candidate("both", PRO_CATG="BIAS", BIN=1, CHIP="red", MJD=57080.0),
        candidate("far", PRO_CATG="BIAS", BIN=1, CHIP="blue", MJD=57000.0),
        candidate("near", PRO_CATG="BIAS", BIN=1, CHIP="blue", MJD=57079.0),
        candidate("undated", PRO_CATG="BIAS", BIN=1, CHIP="blue"),
        candidate("other", PRO_CATG="FLAT", BIN=2, CHIP="blue", MJD=57080.0),
        candidate("good", PRO_CATG="BIAS", BIN=2, CHIP="blue", MJD=57080.0),
    ]
    found = misses(CONDITION, pool, limit=4)
    assert [miss.candidate.id for miss in found] == ["near", "far", "undated", "both"]
    assert [miss.candidate.id for miss in misses(CONDITION, pool, limit=1)] == ["near"]


def test_a_near_miss_shows_what_failed_with_the_values_met():
    [miss] = misses(CONDITION, [candidate(1, PRO_CATG="BIAS", CHIP="red")])
    assert miss.failed == (
        "inputFile.BIN == BIN (inputFile.BIN is 2, BIN is undefined)",
        "inputFile.CHIP == CHIP or LAMP == T"
        " (inputFile.CHIP is blue, CHIP is red, LAMP is undefined)",
    )
    assert miss.bare == ("inputFile.BIN == BIN", "inputFile.CHIP == CHIP or LAMP == T")


def test_nested_conditions_are_taken_apart():
    [miss] = misses("A==1 and (B==2 and C==3)", [candidate(1, A=1, B=2)])
    assert miss.failed == ("C == 3 (C is undefined)",)


def test_a_select_without_condition_misses_nothing():
    [select] = parse("action a { select file as B from calibFiles; }").actions["a"].files
    assert near_misses(select, group_of(REFERENCE), Pool(calib=[candidate(1)])) == []


def test_clashes_of_kind_are_named_once_with_their_line():
    rules = parse("""if TPL.NEXP=="3" then { A=1; }
    if LAMP==1 or LAMP==T or LAMP=="T" or GONE=="x" then { A=1; }
    if TPL.NEXP==3.0 then { A=1; }""")
    found = type_clashes(rules, {"TPL.NEXP": 3, "LAMP": True})
    assert [str(warning) for warning in found] == [
        '1: TPL.NEXP == "3" compares a number with a text',
        "2: LAMP == 1 compares a logical value with a number",
        '2: LAMP == "T" compares a logical value with a text',
    ]
    assert type_clashes(rules, {}) == []


def test_lint_finds_exchanged_letters_and_lost_parts_of_names():
    rules = parse("""if MJD-OBS>1 and MJD-OBS<2 then { RAW.TYPE="X"; RAW.TYPE="X"; }
    if MDJ-OBS<3 and DET.WIN1.NY==1 and DET.WIN1.NY==2 then { RAW.TYPE="Y"; }
    select execute(a) from inputFiles
        group by DET.DET.WIN1.NY,DET.WIN1.BINX,WIN1.BINX;
    select execute(a) from inputFiles group by DET.WIN1.BINX;
    action a { }""")
    assert [str(warning) for warning in lint(rules)] == [
        "2: MDJ-OBS is used once; is MJD-OBS meant?",
        "3: DET.DET.WIN1.NY is used once; is DET.WIN1.NY meant?",
        "3: WIN1.BINX is used once; is DET.WIN1.BINX meant?",
    ]


@pytest.mark.parametrize(
    "slip", ["INSTRUM", "INSTRUMEE", "INSTRME", "ISNTRUME", "INSTRAME", "DPR.TIPE", "DPR.TYP"]
)
def test_lint_finds_a_letter_that_is_lacking_wrong_or_too_many(slip):
    known = 'if INSTRUME=="X" and INSTRUME=="Y" or DPR.TYPE=="A" and DPR.TYPE=="B" then { A=1; }'
    meant = "DPR.TYPE" if "." in slip else "INSTRUME"
    found = lint(parse(f'{known}\nif {slip}=="X" then {{ A=2; }}'))
    assert f"2: {slip} is used once; is {meant} meant?" in map(str, found)


def test_lint_leaves_names_alone_that_merely_look_alike():
    rules = parse("""if DET.NDIT>1 and DET.DIT==1 and DET.DIT==2 then { A=1; }
    if BINX==1 and DET.BINX==2 and DET.BINX==3 and DET.BINY==1 then { A=1; }
    if INS.FILT1==1 and INS.FILT2==1 and INS.FILT2==2 and DET.WIN.NX==1 and DET.WIN.NX==2
        and DET.WIN.NY==3 then { A=1; }
    if AB==1 and BC==1 and BC==2 then { A=1; }""")
    assert lint(rules) == []


def test_lint_repeats_the_warnings_of_the_parser_in_order_of_lines():
    rules = parse(
        "action idle { }\nif MJD-OBS>1 and MJD-OBS>2 and MDJ-OBS>3 then { A=1; }\nminRet=1;"
    )
    assert [warning.line for warning in lint(rules)] == [1, 2, 3]


names_alike = st.text("AB.", min_size=6, max_size=9)


@given(names_alike, names_alike)
def test_names_that_resemble_each_other_have_a_shape_in_common(name, other):
    if _resembles(name, other):
        assert not _shapes(name).isdisjoint(_shapes(other))
