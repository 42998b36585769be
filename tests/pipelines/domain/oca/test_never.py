"""Selects that can never match are told; nothing that might match is."""

from pathlib import Path

import pytest

from pipelines.domain.oca import lint, parse
from tests.pipelines.domain.oca.helpers import calib_where, execute

CLASSES = 'if DPR.TYPE=="BIAS" then { RAW.TYPE="BIAS"; DO.CATG="BIAS "; REFLEX.TARGET="T"; }\n'
COPIED = CLASSES + 'if PRO.CATG is string then { DO.CATG = PRO.CATG; REFLEX.CATG = "A" + "B"; }\n'


def said(text):
    return [w.message for w in lint(parse(text)) if "can never match" in w.message]


def in_select(condition, before=CLASSES):
    return said(before + execute(f"where {condition}") + "action a { }")


def in_action(condition, before=CLASSES, after=""):
    return said(f"{before} action a {{ {calib_where(condition)} {after} }}")


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ('RAW.TYPE=="BAIS"', 'no rule gives RAW.TYPE the value "BAIS"'),
        ('"BAIS" == RAW.TYPE', 'no rule gives RAW.TYPE the value "BAIS"'),
        ('LF.DO.CATG=="FLAT" and X==1', 'no rule gives DO.CATG the value "FLAT"'),
        ('RAW.TYPE=="A" or RAW.TYPE=="B"', 'no rule gives RAW.TYPE the value "A"'),
        ('X==1 and (CATG=="A" or Y==1 and CATG=="B")', 'no rule gives CATG the value "A"'),
        ('X=="a" and (Y==1 and "b"==X)', 'X == "a" and "b" == X exclude each other'),
        ("X<3 and X>5", "X < 3 and X > 5 exclude each other"),
        ("X<3 and 3<=X", "X < 3 and 3 <= X exclude each other"),
        ("X==3 and X>3", "X == 3 and X > 3 exclude each other"),
        ("X==3 and X==T", "X == 3 and X == T exclude each other"),
        ('X is undefined and X=="a"', 'X is undefined and X == "a" exclude each other'),
        ('X like "%" and X is undefined', 'X like "%" and X is undefined exclude each other'),
    ],
)
def test_what_cannot_hold_is_said_of_both_kinds_of_select(condition, reason):
    assert in_select(condition) == [f"select execute(a) can never match: {reason}"]
    assert in_action(condition) == [f"select file as A can never match: {reason}"]


@pytest.mark.parametrize(
    "condition",
    [
        'RAW.TYPE=="BIAS"',
        'DO.CATG=="BIAS" and REFLEX.TARGET=="T"',
        'RAW.TYPE=="BAIS" or X==1',
        'not RAW.TYPE=="BAIS"',
        'RAW.TYPE!="BAIS"',
        'PRO.CATG=="ANY" and OBJECT=="ANY" and inputFile.RAW.TYPE=="ANY"',
        'X=="a" and X=="a "',
        'X=="a" or X=="b"',
        'inputFile.X=="a" and X=="b"',
        'X=="a" and X!="b"',
        "X>=3 and X<=3",
        "X>3 and X!=4 and X<4",
        "X<3 or X>5",
        'X is undefined and (X?="a" and X!="a")',
        'X is undefined or X=="a"',
        "X < Y and X > Y",
        "X is undefined and MJD-OBS tryBetween 1 and 2",
    ],
)
def test_what_might_hold_is_not(condition):
    assert in_select(condition) == []
    assert in_action(condition) == []


@pytest.mark.parametrize("keyword", ["DO.CATG", "REFLEX.CATG"])
def test_a_value_that_is_copied_or_computed_may_be_anything(keyword):
    assert in_select(f'{keyword}=="ANY"', COPIED) == []


def test_products_give_classes_to_calibrations_alone():
    after = 'product P { REFLEX.CATG="MASTER"; }'
    assert in_action('REFLEX.CATG=="MASTER"', after=after) == []
    assert said(
        f'{CLASSES} action a {{ {after} }} {execute("""where REFLEX.CATG=="MASTER" """)}'
    ) == ['select execute(a) can never match: no rule gives REFLEX.CATG the value "MASTER"']


def test_a_select_that_is_switched_off_and_rules_without_classes_are_left_alone():
    never = 'RAW.TYPE=="BAIS"'
    assert said(f"{CLASSES} action a {{ {calib_where(never, 'minRet=0; maxRet=0;')} }}") == []
    assert in_select(never, before="") == []


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[4] / "qcweb/instruments").glob("*/rules.oca")),
    ids=lambda path: path.parent.name,
)
def test_our_own_rules_have_no_such_select(path):
    assert said(path.read_text()) == []
