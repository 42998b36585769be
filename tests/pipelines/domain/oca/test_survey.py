"""What a rule file is about, and what a condition can still be."""

import pytest

from pipelines.domain.oca import can_hold, parse, survey

RULES = """
if DPR.CATG=="CALIB" and DPR.TYPE like "%BIAS%" then { RAW.TYPE="BIAS"; DO.CATG="BIAS_RAW"; }
if DPR.CATG=="CALIB" and DPR.TYPE=="BIAS,TEST" then { RAW.TYPE="BIAS"; DO.CATG="BIAS_TEST"; }
if DPR.CATG=="TEST" then { DO.CATG="NOBODY_WANTS_IT"; }
if DPR.CATG like "%SCIENCE%" and DPR.TYPE=="OBJECT" then { DO.CATG="OBJECT"; }
if DPR.CATG=="SCIENCE" then { DO.CATG="BOTH"; }
if DPR.CATG=="CALIB" and DPR.TYPE=="STD" then { DO.CATG="BOTH"; }
if PRO.CATG=="MASTER_BIAS" then { DO.CATG="MASTER_BIAS"; }
if PRO.CATG=="PIXTABLE" then { DO.CATG="PIXTABLE"; }
if PRO.CATG is string then { DO.CATG=PRO.CATG; }
select execute(bias) from inputFiles where SIG.TEMPLATE==1 and RAW.TYPE=="BIAS"
    group by DET.READ.SPEED,TPL.START;
select execute(object) from inputFiles where SIG.TEMPLATE==1 and LF.DO.CATG=="OBJECT";
select execute(object) from inputFiles where DO.CATG=="BOTH";
select execute(cube) from inputFiles where DO.CATG=="PIXTABLE";
action bias { recipe my_bias; product M { PRO.CATG="MASTER_BIAS"; PRO.EXT="0000.fits"; } }
action object {
    minRet=1; maxRet=1; select file as MASTER_BIAS from calibFiles where DO.CATG=="MASTER_BIAS"
        and inputFile.DET.READ.SPEED==DET.READ.SPEED and inputFile.INSTRUME==INSTRUME
        and inputFile.INS.FILT.NAME?=INS.FILT.NAME;
    minRet=0; maxRet=1; select file as SKY from calibFiles where DO.CATG=="SKY_LINES";
    recipe my_science; }
action cube { recipe my_cube; }
"""


@pytest.fixture(scope="module")
def found():
    return survey(parse(RULES))


def test_only_raw_types_that_a_select_can_process_are_there(found):
    assert [one.name for one in found.raw_types] == ["BIAS", "OBJECT", "BOTH"]


def test_a_raw_type_may_have_several_tags(found):
    assert found.raw_types[0].tags == ("BIAS_RAW", "BIAS_TEST")


def test_science_is_what_only_science_frames_can_be(found):
    said = {one.name: (one.is_science, one.is_mixed) for one in found.raw_types}
    assert said == {"BIAS": (False, False), "OBJECT": (True, False), "BOTH": (False, True)}


def test_the_setup_is_what_groups_and_what_calibrations_must_share(found):
    assert [one.setup for one in found.raw_types] == [
        ("DET.READ.SPEED",),
        ("DET.READ.SPEED", "INS.FILT.NAME"),
        ("DET.READ.SPEED", "INS.FILT.NAME"),
    ]
    assert found.matched == ("DET.READ.SPEED", "INS.FILT.NAME")


def test_recipes_come_with_the_products_beside_them(found):
    assert found.recipes == {"my_bias": ("MASTER_BIAS",), "my_science": (), "my_cube": ()}
    by_type = [one.recipes for one in found.raw_types]
    assert by_type == [("my_bias",), ("my_science",), ("my_science",)]


def test_the_products_the_rules_know_are_no_raw_tags(found):
    assert found.categories == ("MASTER_BIAS", "PIXTABLE", "SKY_LINES")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('A=="1"', True),
        ('A=="2"', False),
        ('A=="1" and B=="x"', True),
        ('A=="2" and B=="x"', False),
        ('A=="2" or B=="x"', True),
        ('A=="2" or U=="x"', False),
        ('not A=="1"', False),
        ('not B=="1"', True),
        ("U is undefined", True),
        ("A is undefined", False),
        ('U!="1"', True),
        ('A like "%1%" and not (B=="x" or A=="1")', False),
    ],
)
def test_a_condition_with_some_keywords_known(condition, expected):
    (rule,) = parse(f'if {condition} then {{ C="D"; }}').classification
    assert can_hold(rule.condition, {"A": "1", "U": None}) is expected


def test_no_condition_always_holds():
    assert can_hold(None, {})
