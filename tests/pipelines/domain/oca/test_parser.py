"""Statements of both dialects, slips that run with a warning, and errors with their place."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from pipelines.domain.oca import OcaSyntaxError, PoolName, parse
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

A, B, C = (Compare("==", Keyword(name), Literal(1)) for name in "ABC")


def condition(text):
    [rule] = parse(f'if {text} then {{ X = "x"; }}').classification
    return rule.condition


def warnings(text):
    return [str(warning) for warning in parse(text).warnings]


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


# --- slips that run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "select execute(lost) from inputFiles;",
            ["1: no action is called lost"],
        ),
        ("action idle { }", ["1: action idle is never executed"]),
        (
            "minRet=1;\nif A==1 then { B=1; }",
            ["1: minRet and maxRet stand before no select and are ignored"],
        ),
        ("maxRet=1;", ["1: minRet and maxRet stand before no select and are ignored"]),
        (
            "select execute(a) from inputFiles; action a {\nminRet=1; maxRet=1;\nrecipe r; }",
            ["2: minRet and maxRet stand before no select and are ignored"],
        ),
        (
            "select execute(a) from inputFiles; action a {\nminRet=1;\nproduct p { A=1; } }",
            ["2: minRet and maxRet stand before no select and are ignored"],
        ),
        (
            "select execute(a) from inputFiles; action a { recipe r;\nminRet=1; }",
            ["2: minRet and maxRet stand before no select and are ignored"],
        ),
        (
            "minRet=2 select execute(a) from inputFiles; action a {}",
            ["1: ';' is missing after minRet = 2"],
        ),
        (
            "maxRet=2; select execute(a) from inputFiles; action a {}",
            ["1: maxRet does not limit a group and is ignored"],
        ),
        (
            "select execute(a) from inputFiles;"
            " action a { minRet=3; maxRet=1; select file as B from calibFiles; }",
            ["1: B can never be found: minRet 3 > maxRet 1"],
        ),
        (
            "if inputFile.A==1 then { B=1; }",
            ["1: inputFile.A has a meaning inside actions only; here it is the file itself"],
        ),
        ("if AND==1 then { B=1; }", ["1: AND is read as a keyword; the word is 'and'"]),
    ],
)
def test_a_slip_runs_with_a_warning(text, expected):
    assert warnings(text) == expected


def test_of_a_pair_given_twice_the_later_counts():
    text = """select execute(a) from inputFiles; action a {
    minRet=1; maxRet=1;
    // select file as OLD from calibFiles;
    minRet=0; maxRet=2;
    select file as NEW from calibFiles;
    }"""
    rules = parse(text)
    [select] = rules.action_rules[0].files
    assert (select.min_ret, select.max_ret) == (0, 2)
    assert [str(warning) for warning in rules.warnings] == [
        "4: minRet is given twice; the later one counts",
        "4: maxRet is given twice; the later one counts",
    ]


def test_misspelt_keywords_parse_because_real_files_ship_with_them():
    assert condition("MDJ-OBS < inputFile.MJD-OBS").left == Keyword("MDJ-OBS")
    [select] = parse("select execute(a) from inputFiles group by DET.DET.WIN1.NY;").selects
    assert select.group_by == ("DET.DET.WIN1.NY",)


# --- errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "if A==1 and and B==1 then { C=1; }",
            "1:13: expected a keyword, a string, a number or '(', found 'and'",
        ),
        (
            "if A==1 or (and B==1) then { C=1; }",
            "1:13: expected a keyword, a string, a number or '(', found 'and'",
        ),
        (
            "select execute(2D_action) from inputFiles;",
            "1:16: expected the name of an action, found '2'",
        ),
        ("if A==1 then { C=1 }", "1:20: expected ';', found '}'"),
        ("if A==1 { C=1; }", "1:9: expected 'then', found '{'"),
        ("if A==B==C then { C=1; }", "1:8: expected 'then', found '=='"),
        ("if A is defined then { C=1; }", "1:9: expected 'undefined' or 'string', found 'defined'"),
        ("if A is not string then { C=1; }", "1:9: expected 'undefined' or 'string', found 'not'"),
        (
            "if A regexp B then { C=1; }",
            "1:13: expected a regular expression in quotes, found 'B'",
        ),
        (
            'if A regexp "(" then { C=1; }',
            "1:13: expected a regular expression that can be read (missing ), unterminated"
            " subpattern at position 0), found '\"(\"'",
        ),
        ("if (A==1 then { C=1; }", "1:10: expected ')', found 'then'"),
        ("if A between 1 or 2 then { C=1; }", "1:16: expected 'and', found 'or'"),
        (
            "if A==1 then { T=1; }",
            "1:16: expected a header keyword (T and F are logical values), found 'T'",
        ),
        ("if A==1 then { C=1;", "1:20: expected a header keyword, found the end of the file"),
        (
            "select execute(a) from files;",
            "1:24: expected 'inputFiles', 'calibFiles' or 'rawFiles', found 'files'",
        ),
        ("select file as A from calibFiles;", "1:8: expected 'execute', found 'file'"),
        (
            "select execute(a) from inputFiles group by a;",
            "1:44: expected a header keyword, found 'a'",
        ),
        (
            'select execute(a) from inputFiles as (TPL_A,"tpl");',
            "1:45: expected a prefix for product names, found '\"tpl\"'",
        ),
        ("minRet=many;", "1:8: expected a count for minRet, found 'many'"),
        ("minRet=1.5;", "1:8: expected a count for minRet, found '1.5'"),
        ("minRet=-1;", "1:8: expected a count for minRet, found '-'"),
        (
            "action a { recipe r { 5; } }",
            "1:23: expected a parameter in quotes or '}', found '5'",
        ),
        ("action a { recipe r }", "1:21: expected ';' or '{', found '}'"),
        (
            "action a { if A==1 then { C=1; } }",
            "1:12: expected 'select', 'recipe', 'product', 'minRet', 'maxRet' or '}', found 'if'",
        ),
        (
            "IF A==1 then { C=1; }",
            "1:1: expected 'if', 'select', 'action', 'minRet' or 'maxRet', found 'IF'",
        ),
        (
            "\n\n  recipe r;",
            "3:3: expected 'if', 'select', 'action', 'minRet' or 'maxRet', found 'recipe'",
        ),
    ],
)
def test_an_error_says_where_and_what_was_expected(text, message):
    with pytest.raises(OcaSyntaxError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("opening", ["(", "not ", "- ", "1 + "])
def test_an_expression_too_deep_for_python_is_an_error_not_a_crash(opening):
    text = f"if {opening * 5000}A==1 then {{ C=1; }}"
    with pytest.raises(OcaSyntaxError, match="nested at most 40 deep"):
        parse(text)


def test_a_chain_of_any_length_is_fine():
    chain = " and ".join(["A==1"] * 5000)
    assert condition(chain) == And((A,) * 5000)


WORDS = """
if then select execute file as from where group by action recipe product { } ( ) , ; = == <
and or not like is undefined between A DET.BIN a 1 2.5 "x" minRet maxRet inputFiles T
"""


def outcome(text):
    try:
        return parse(text)
    except OcaSyntaxError as error:
        return error


@given(st.lists(st.sampled_from(WORDS.split()), max_size=30).map(" ".join))
def test_any_run_of_words_parses_or_is_refused_with_a_place(text):
    result = outcome(text)
    if isinstance(result, OcaSyntaxError):
        assert result.line == 1
        assert 1 <= result.column <= len(text) + 1
        assert result.expected
    else:
        assert isinstance(result.keywords, frozenset)
