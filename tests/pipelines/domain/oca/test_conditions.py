"""Conditions on defined and undefined keywords, on values of all kinds."""

import re

import pytest
from hypothesis import given, strategies as st

from pipelines.domain.oca import (
    DEFAULT_SETTINGS,
    OcaSettings,
    compile_condition,
    compile_value,
)
from pipelines.domain.oca.tree import And, Between, Keyword, Literal, Not, Or
from pipelines.domain.oca.values import like_test
from tests.pipelines.domain.oca.helpers import condition, value
from tests.pipelines.domain.oca.strategies import expressions, numbers, values


def holds(text, keywords=None, reference=None, settings=DEFAULT_SETTINGS, **options):
    test = compile_condition(condition(text), settings, **options)
    return test(keywords or {}, reference or {})


def evaluate(text, keywords=None, reference=None):
    return compile_value(value(text))(keywords or {}, reference or {})


BOTH, ONE, OTHER = {"A": 1, "B": 1}, {"A": 1}, {"B": 1}
NONE: dict[str, int] = {}
UNEQUAL = {"A": 1, "B": 2}
TEXT = {"A": "x"}


@pytest.mark.parametrize(
    ("text", "keywords", "expected"),
    [
        ("A == B", BOTH, True),
        ("A == B", UNEQUAL, False),
        ("A == B", ONE, False),
        ("A == B", OTHER, False),
        ("A == B", NONE, False),
        ("A ?= B", BOTH, True),
        ("A ?= B", UNEQUAL, False),
        ("A ?= B", ONE, True),
        ("A ?= B", OTHER, True),
        ("A ?= B", NONE, True),
        ("A != B", BOTH, False),
        ("A != B", UNEQUAL, True),
        ("A != B", ONE, True),
        ("A != B", OTHER, True),
        ("A != B", NONE, False),
        ("A < B", UNEQUAL, True),
        ("A < B", BOTH, False),
        ("A < B", ONE, False),
        ("A < B", NONE, False),
        ("A <= B", BOTH, True),
        ("A <= B", OTHER, False),
        ("A > B", UNEQUAL, False),
        ("A > B", ONE, False),
        ("A >= B", BOTH, True),
        ("A >= B", NONE, False),
        ('A like "%"', TEXT, True),
        ('A like "%"', NONE, False),
        ('A like "%"', ONE, False),
        ('A regexp ""', TEXT, True),
        ('A regexp ""', NONE, False),
        ('A regexp ""', ONE, False),
        ("A is undefined", ONE, False),
        ("A is undefined", NONE, True),
        ("A is string", TEXT, True),
        ("A is string", ONE, False),
        ("A is string", NONE, False),
        ("A + B == 2", BOTH, True),
        ("A + B == 2", ONE, False),
        ("A + B is undefined", ONE, True),
        ("-A is undefined", OTHER, True),
        ("not A == B", NONE, True),
        ("A", NONE, False),
        ("A", ONE, False),
        ("A", {"A": True}, True),
        ("A", {"A": False}, False),
        ("A", {"A": "T"}, False),
        ("T", NONE, True),
        ("F", NONE, False),
        ("A == 1 and B == 1", ONE, False),
        ("A == 1 or B == 1", OTHER, True),
        ("(A is undefined and B is undefined) or A == B", NONE, True),
        ("(A is undefined and B is undefined) or A == B", ONE, False),
    ],
)
def test_undefined_keywords_follow_the_table(text, keywords, expected):
    assert holds(text, keywords) is expected


def test_unequal_to_undefined_can_be_switched_off():
    settings = OcaSettings(undefined_is_unequal=False)
    results = [holds("A != B", keywords, settings=settings) for keywords in (UNEQUAL, ONE, NONE)]
    assert results == [True, False, False]


@pytest.mark.parametrize(
    ("text", "keywords", "expected"),
    [
        ("TPL.NEXP==3", {"TPL.NEXP": 3.0}, True),
        ("INS.POS==-999.99", {"INS.POS": -999.99}, True),
        ("INS.POS==-999.99", {"INS.POS": -999.9900001}, False),
        ('A=="3"', {"A": 3}, False),
        ('A!="3"', {"A": 3}, True),
        ('A<"3"', {"A": 2}, False),
        ("A==T", {"A": True}, True),
        ("A==T", {"A": 1}, False),
        ("A==T", {"A": "T"}, False),
        ("A<2", {"A": True}, False),
        ('A=="BIAS"', {"A": "BIAS  "}, True),
        ('A=="IFU_SKY_IDS "', {"A": "IFU_SKY_IDS"}, True),
        ('A==" BIAS"', {"A": "BIAS"}, False),
        ('A=="BIAS"', {"A": "bias"}, False),
        ('"BIAS"==A', {"A": "BIAS "}, True),
        ("A==B", {"A": "x ", "B": "x"}, True),
        ('A<"2015-02-28"', {"A": "2015-02-27T10:46"}, True),
        ("A is string", {"A": ""}, True),
    ],
)
def test_values_compare_by_kind(text, keywords, expected):
    assert holds(text, keywords) is expected


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("WAVE", ["WAVE", "WAVE  "], ["WAVE,SC", "wave", ""]),
        ("%x11", ["5.0x11", "x11", "5.0x11 "], ["5.0x11S"]),
        ("Blue%", ["Blue", "Blue bright"], ["blue", " Blue"]),
        ("%a_b%", ["a_b", "zza_bzz"], ["zzaXbzz"]),
        ("%P2VM%", ["DARK_P2VM", "P2VM\nx"], ["p2vm"]),
        ("%", ["", "anything"], []),
        ("%%", ["", "anything"], []),
        ("a%b", ["ab", "a\nb", "axxb "], ["ab.", "xab"]),
        ("%a%b%", ["ab", "xaxbx"], ["ba"]),
        (".*(+", [".*(+"], ["xx(+"]),
        ("%.%", ["a.b"], ["ab"]),
    ],
)
def test_like_knows_percent_and_nothing_else(pattern, matching, others):
    test = like_test(pattern)
    assert [test(text) for text in matching] == [True] * len(matching)
    assert [test(text) for text in others] == [False] * len(others)


def test_like_takes_a_pattern_from_a_keyword_too():
    keywords = {"A": "WAVE,SC", "B": "WAVE%"}
    assert holds("A like B", keywords)
    assert not holds("A like B", {"A": "WAVE"})
    assert not holds("A like B", {"A": "WAVE", "B": 3})


def test_undefined_or_like_is_how_authors_say_not_otherwise():
    text = 'INS.OPTI5.NAME is undefined or INS.OPTI5.NAME like "%x11"'
    assert holds(text)
    assert holds(text, {"INS.OPTI5.NAME": "5.0x11"})
    assert not holds(text, {"INS.OPTI5.NAME": "5.0x11S"})


def test_a_regular_expression_is_searched_anywhere():
    text = 'TPL.ID regexp "MUSE_[wn]fm_cal"'
    assert holds(text, {"TPL.ID": "MUSE_wfm_cal_illum"})
    assert holds(text, {"TPL.ID": "old MUSE_nfm_cal"})
    assert not holds(text, {"TPL.ID": "MUSE_xfm_cal"})


def test_reference_keywords_come_from_the_reference_file():
    text = "inputFile.A == A and inputFile.B == 2"
    assert holds(text, {"A": 1}, {"A": 1, "B": 2})
    assert not holds(text, {"A": 1, "B": 2}, {"A": 1})


@pytest.mark.parametrize(
    ("text", "keywords", "expected"),
    [
        ("A - 15.", {"A": 57023.5}, 57008.5),
        ("A + 1", {"A": 2}, 3),
        ("A * 2 + 1", {"A": 2}, 5),
        ("A / 2", {"A": 3}, 1.5),
        ("A % 2", {"A": 3}, 1),
        ("-A", {"A": 3}, -3),
        ("+A", {"A": 3}, 3),
        ("-A", {"A": "x"}, None),
        ("+A", {"A": "x"}, None),
        ("-A", {"A": True}, None),
        ("A + 1", {"A": True}, None),
        ("A - 1", {"A": "x"}, None),
        ("A / 0", {"A": 1}, None),
        ("A % 0", {"A": 1}, None),
        ("A * 1e300", {"A": 1e300}, None),
        ("A * 1.5", {"A": 10**400}, None),
        ("A + 1", {"A": 10**400}, None),
        ('LOG + "[" + TPL.EXPNO + "]"', {"LOG": "x", "TPL.EXPNO": 3}, "x[3]"),
        ('"a" + A', {"A": 1.5}, "a1.5"),
        ('"a" + A', {"A": True}, "aT"),
        ('A + "a"', {"A": False}, "Fa"),
        ('"a" + A', {}, None),
        ('A like "Blue%"', {"A": "Blue"}, True),
        ('A like "Blue%"', {}, False),
        ("A", {}, None),
    ],
)
def test_values_are_computed_and_nonsense_is_undefined(text, keywords, expected):
    result = evaluate(text, keywords)
    assert (result, type(result)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("mjd", "is_in"), [(9.9, False), (10, True), (12, True), (14, True), (14.1, False)]
)
def test_between_includes_its_bounds(mjd, is_in):
    assert holds("A between 10 and 14", {"A": mjd}) is is_in


def test_between_can_exclude_its_bounds():
    settings = OcaSettings(between_is_inclusive=False)
    results = [holds("A between 10 and 14", {"A": a}, settings=settings) for a in (10, 12, 14)]
    assert results == [False, True, False]


@pytest.mark.parametrize("keywords", [{"A": 5}, {"A": 12}, {}, {"A": "x"}])
@pytest.mark.parametrize(
    "text",
    [
        "A tryBetween 10 and 14",
        "not not A tryBetween 10 and 14",
        "not A tryBetween 10 and 14",
        "A tryBetween 10 and 14 and T",
        "not (A tryBetween 10 and 14 and T)",
        "F or A tryBetween 10 and 14",
    ],
)
def test_a_preference_never_rejects(text, keywords):
    assert holds(text, keywords)


def test_a_preference_taken_strictly_is_an_ordinary_window():
    text = "A tryBetween 10 and 14"
    assert holds(text, {"A": 12}, is_strict=True)
    assert not holds(text, {"A": 5}, is_strict=True)
    assert not holds(text, {}, is_strict=True)


def test_the_macro_for_closest_only_says_that_both_dates_exist():
    text = "(MJD-OBS < inputFile.MJD-OBS or MJD-OBS >= inputFile.MJD-OBS)"
    assert holds(text, {"MJD-OBS": 2.0}, {"MJD-OBS": 1.0})
    assert holds(text, {"MJD-OBS": 1.0}, {"MJD-OBS": 2.0})
    assert not holds(text, {"MJD-OBS": 1.0}, {})


def test_no_condition_always_holds():
    assert compile_condition(None)({}, {})


headers = st.dictionaries(st.sampled_from(["A", "B", "C.D"]), values, max_size=3)


@given(expressions, headers, headers)
def test_any_condition_gives_a_verdict_on_any_header(expression, keywords, reference):
    assert compile_condition(expression)(keywords, reference) in {True, False}


windows = st.builds(
    Between, st.just(Keyword("A")), numbers.map(Literal), numbers.map(Literal), st.booleans()
)
logic = st.recursive(
    windows,
    lambda smaller: st.one_of(
        st.builds(Not, smaller),
        st.lists(smaller, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(smaller, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
)


@given(logic, st.dictionaries(st.just("A"), numbers))
def test_what_preferences_reject_strict_windows_reject_too(expression, keywords):
    strict = compile_condition(expression, is_strict=True)(keywords, {})
    assert compile_condition(expression)(keywords, {}) or not strict


@given(values, values)
def test_equal_and_unequal_exclude_each_other(a, b):
    keywords = {"A": a, "B": b}
    assert holds("A == B", keywords) is not holds("A != B", keywords)
    assert holds("A == B", keywords) is holds("B == A", keywords)


def test_a_pattern_with_many_wildcards_is_decided_at_once():
    test = compile_condition(condition('A like "%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%ab"'))
    assert not test({"A": "a" * 5000}, {})
    assert test({"A": "a" * 5000 + "b"}, {})


@given(st.text("ab%_", max_size=6), st.text("ab_", max_size=8))
def test_a_pattern_is_what_a_regular_expression_would_make_of_it(pattern, text):
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("%"))), text, re.DOTALL)
    assert like_test(pattern)(text) == (expected is not None)
