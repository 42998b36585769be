"""Slips that run with a warning, and errors with their place."""

import pytest
from hypothesis import given, strategies as st

from pipelines.domain.oca import OcaSyntaxError, parse
from pipelines.domain.oca.tree import And, Compare, Keyword, Literal
from tests.pipelines.domain.oca.helpers import condition


def warnings(text):
    return [str(warning) for warning in parse(text).warnings]


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


def test_an_error_quotes_the_beginning_of_a_long_token_only():
    with pytest.raises(OcaSyntaxError) as caught:
        parse("x" * 1000)
    assert str(caught.value).endswith(f", found '{'x' * 60}…'")


@pytest.mark.parametrize("opening", ["(", "not ", "- ", "1 + "])
def test_an_expression_too_deep_for_python_is_an_error_not_a_crash(opening):
    text = f"if {opening * 5000}A==1 then {{ C=1; }}"
    with pytest.raises(OcaSyntaxError, match="nested at most 40 deep"):
        parse(text)


def test_a_chain_of_any_length_is_fine():
    chain = " and ".join(["A==1"] * 5000)
    assert condition(chain) == And((Compare("==", Keyword("A"), Literal(1)),) * 5000)


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


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a*)*b", "(a|aa)+$", "(a?){40}b", "((ab?)c)*", "(?:a{2,})+", "a*a*a*a*a*b"],
)
def test_a_regular_expression_that_could_take_for_ever_is_refused(pattern):
    with pytest.raises(OcaSyntaxError, match="1:13: expected a regular expression without repeats"):
        parse(f'if A regexp "{pattern}" then {{ B=1; }}')


@pytest.mark.parametrize(
    "pattern",
    ["MUSE_[wn]fm_cal_illum", "^(BIAS|DARK)$", r"(\(+)?", "[(+)]+", r"^X.*_[0-9]{2}\\.fits$"],
)
def test_other_regular_expressions_are_read(pattern):
    assert parse(f'if A regexp "{pattern}" then {{ B=1; }}').classification
