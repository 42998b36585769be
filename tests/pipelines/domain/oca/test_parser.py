"""Statements and conditions of both dialects."""

from typing import Any

import pytest

from pipelines.domain.oca import PoolName, parse
from pipelines.domain.oca.tree import (
    Action,
    And,
    Arithmetic,
    Assignment,
    Between,
    ClassRule,
    Compare,
    FileSelect,
    Is,
    Keyword,
    Like,
    Literal,
    Not,
    Or,
    ProductRule,
    RecipeRule,
    Regexp,
    Select,
    Signed,
)
from tests.pipelines.domain.oca.helpers import condition

A, B, C = (Compare("==", Keyword(name), Literal(1)) for name in "ABC")


# --- classification


@pytest.mark.parametrize(
    "text",
    [
        'if A==1 then { X="x"; Y=PRO.CATG; }',
        'if(A==1)then{X="x";;Y=PRO.CATG;;};',
        '// first\nif A==1 /* why */ then\n{\n X = "x" ;\n Y = PRO.CATG ;\n}',
    ],
)
def test_a_class_rule_is_free_in_its_white_space(text):
    x = Assignment("X", Literal("x"))
    y = Assignment("Y", Keyword("PRO.CATG"))
    assert parse(text).classification == (ClassRule(A, (x, y)),)


def test_a_class_rule_may_go_without_braces():
    assert parse('if A==1 then C="D";').classification[0].assignments == (
        Assignment("C", Literal("D")),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("T", Literal(True)),
        ("F", Literal(False)),
        ('"T"', Literal("T")),
        ("0", Literal(0)),
        ("-1.5", Signed("-", Literal(1.5))),
        ('NAME like "Blue%"', Like(Keyword("NAME"), Literal("Blue%"))),
        ('LOG + "["', Arithmetic("+", Keyword("LOG"), Literal("["))),
    ],
)
def test_any_value_can_be_assigned(text, value):
    [rule] = parse(f"if (T) then {{ X = {text}; }}").classification
    assert rule.assignments == (Assignment("X", value),)


# --- conditions


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("A==1 and B==1 or C==1", Or((And((A, B)), C))),
        ("A==1 or B==1 and C==1", Or((A, And((B, C))))),
        ("(A==1 or B==1) and C==1", And((Or((A, B)), C))),
        ("A==1 and (B==1 and C==1)", And((A, And((B, C))))),
        ('not A like "%x%"', Not(Like(Keyword("A"), Literal("%x%")))),
        ("not not A==1 and B==1", And((Not(Not(A)), B))),
        ("not (A==1 or B==1)", Not(Or((A, B)))),
        ("A is undefined", Is(Keyword("A"), "undefined")),
        ("A is string", Is(Keyword("A"), "string")),
        ('A regexp "X_[wn]fm"', Regexp(Keyword("A"), "X_[wn]fm")),
        ("inputFile.A?=A", Compare("?=", Keyword("A", of_reference=True), Keyword("A"))),
        ("A==T", Compare("==", Keyword("A"), Literal(True))),
        (
            "A - 1 - B",
            Arithmetic("-", Arithmetic("-", Keyword("A"), Literal(1)), Keyword("B")),
        ),
        (
            "A + B * 2",
            Arithmetic("+", Keyword("A"), Arithmetic("*", Keyword("B"), Literal(2))),
        ),
        ("A > -0.5", Compare(">", Keyword("A"), Signed("-", Literal(0.5)))),
        (
            "A between B - 1 and C and A==1",
            And(
                (
                    Between(Keyword("A"), Arithmetic("-", Keyword("B"), Literal(1)), Keyword("C")),
                    A,
                )
            ),
        ),
        (
            "A tryBetween 1 and 2",
            Between(Keyword("A"), Literal(1), Literal(2), is_preference=True),
        ),
    ],
)
def test_operators_bind_as_documented(text, tree):
    assert condition(text) == tree


def test_glued_words_and_differences_parse_as_the_engines_read_them():
    bin_test = Compare("==", Keyword("K"), Keyword("DET.BIN"))
    difference = Arithmetic("-", Keyword("MJD-OBS", of_reference=True), Keyword("MJD-OBS"))
    like_a = Like(Keyword("K"), Literal("%a%"))
    is_15 = Compare("==", Keyword("K"), Literal(15.0))
    text = 'K==DET.BINand inputFile.MJD-OBS-MJD-OBS<0.5 or K like "%a%"and K==15.'
    expected = Or((And((bin_test, Compare("<", difference, Literal(0.5)))), And((like_a, is_15))))
    assert condition(text) == expected


# --- organisation


def test_a_select_carries_everything_it_says():
    text = """
    minRet=3;
    select execute(muse_bias) from inputFiles
      where A == 1
      group by TPL.START, DET.WIN1.BINX ,ARCFILE as (TPL_A,tpl)
      ;
    """
    assert parse(text).selects == (
        Select(
            "muse_bias",
            PoolName.INPUT,
            A,
            ("TPL.START", "DET.WIN1.BINX", "ARCFILE"),
            ("TPL_A", "tpl"),
            3,
        ),
    )


def test_min_ret_belongs_to_the_next_select_only():
    rules = parse("minRet=6; select execute(a) from inputFiles; select execute(b) from inputFiles;")
    assert [select.min_ret for select in rules.selects] == [6, None]


# --- association


def test_an_action_keeps_its_parts_in_order_however_they_are_mixed():
    text = """
    action FLAT {
        recipe my_flat { "--stack=MEDIAN"; "--nifu=-1 --merge"; };
        product MASTER_FLAT { PRO.CATG="MASTER_FLAT"; PRO.EXT="tpl_0000.fits"; };
        priority = 30;
        minRet = 0;maxRet = 1;

        // an old one
        select file as BIAS from calibFiles where A==1;
        select file as LAMP from rawFiles where B==1;
        maxRet=2000; minRet=2; select file as ALL from inputFiles;
        recipe second;
    }
    """
    [action] = parse(text).action_rules
    assert action == Action(
        "FLAT",
        (
            FileSelect("BIAS", PoolName.CALIB, A, 0, 1),
            FileSelect("LAMP", PoolName.RAW, B),
            FileSelect("ALL", PoolName.INPUT, None, 2, 2000),
        ),
        (
            RecipeRule("my_flat", ("--stack=MEDIAN", "--nifu=-1 --merge")),
            RecipeRule("second"),
        ),
        (
            ProductRule(
                "MASTER_FLAT",
                (
                    Assignment("PRO.CATG", Literal("MASTER_FLAT")),
                    Assignment("PRO.EXT", Literal("tpl_0000.fits")),
                ),
            ),
        ),
        30,
    )


@pytest.mark.parametrize("body", ["", "recipe r;", "recipe r { }", "recipe r {\n};"])
def test_an_action_may_do_next_to_nothing(body):
    [action] = parse(f"action a {{ {body} }}").action_rules
    assert [recipe.parameters for recipe in action.recipes] == [()] * bool(body)


def test_names_may_be_used_before_they_are_defined_and_looked_up_after():
    rules = parse("action a {} select execute(b) from inputFiles; action b {}")
    assert rules.actions["b"] == Action("b")
    assert "c" not in rules.actions


def test_the_later_of_two_actions_of_one_name_counts():
    rules = parse("action a {recipe x;}\naction a {recipe y;}\nselect execute(a) from inputFiles;")
    assert rules.actions["a"].recipes == (RecipeRule("y"),)
    assert [str(warning) for warning in rules.warnings] == [
        "2: action a is defined again; this one counts"
    ]


def test_every_statement_knows_its_line():
    text = """if A==1 then
    { X="x"; }
    select execute(a) from inputFiles;
    action a {
      select file as B from calibFiles
        where B==1;
      recipe r;
      product P { PRO.CATG="P"; }
    }"""
    rules = parse(text)
    [action] = rules.action_rules
    parts: tuple[Any, ...] = (
        rules.classification[0],
        rules.classification[0].assignments[0],
        rules.selects[0],
        action,
        action.files[0],
        action.files[0].condition,
        action.recipes[0],
        action.products[0],
    )
    assert [part.line for part in parts] == [1, 2, 3, 4, 5, 6, 7, 8]


# --- keywords


def test_the_keywords_of_a_file_are_all_that_running_it_can_read():
    text = """
    if DPR.TYPE=="BIAS" and INS.NAME is undefined then { RAW.TYPE = CAT.NAME; }
    select execute(a) from inputFiles
      where SIG.TEMPLATE==1 and LF.DO.CATG=="x" group by DET.BINX;
    action a {
      select file as B from calibFiles where inputFile.DET.CHIP==DET.CHIP1;
      product P { PRO.CATG = OBS.NAME; }
    }
    """
    engine = {"INSTRUME", "MJD-OBS", "EXPTIME", "PRO.CATG", "DPR.CATG"}
    engine |= {"TPL.START", "TPL.EXPNO", "TPL.NEXP"}
    named = {"DPR.TYPE", "INS.NAME", "CAT.NAME", "DO.CATG", "DET.BINX", "DET.CHIP", "DET.CHIP1"}
    assert parse(text).keywords == engine | named | {"OBS.NAME"}
