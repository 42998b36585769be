"""Scoring beyond the table of docs/scoring.md: properties and the window."""

import math
from dataclasses import asdict
from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tests.trending.domain.test_limits import methods
from trending.domain.limits import LimitsError, Method, MethodKind, parse_limits
from trending.domain.scoring import (
    Average,
    GreyReason,
    Judgement,
    Rule,
    ScoreResult,
    is_missing,
    score,
    window,
)

values = st.none() | st.floats()
populations = st.lists(st.none() | st.floats(-1e6, 1e6), max_size=20)
rules = st.builds(
    Rule,
    methods,
    average=st.sampled_from(Average),
    min_n=st.integers(1, 8),
    fallback=st.none() | methods,
    clip=st.none() | st.floats(0.5, 10),
    warning=st.none() | methods,
)


@given(values, st.none() | rules, populations)
def test_a_judgement_is_whole(value, rule, population):
    found = score(value, rule, population)
    assert (found.result is None) is (found.reason is not None)
    assert found.lower is None or math.isfinite(found.lower)
    assert found.upper is None or math.isfinite(found.upper)
    if found.lower is not None and found.upper is not None:
        assert found.lower <= found.upper
    if found.warning:
        assert found.result is ScoreResult.OK


@given(values, st.none() | rules, populations)
def test_no_value_no_rule_and_no_limits_are_never_ok(value, rule, population):
    found = score(value, rule, population)
    if rule is None or is_missing(value):
        assert found.result is None
    if found.result is not None:
        assert not (found.lower is None and found.upper is None)


@given(rules, populations, st.floats(-1e7, 1e7), st.floats(0, 1e7))
def test_outside_the_limits_farther_is_never_better(rule, population, value, step):
    near = score(value, rule, population)
    if near.result is not ScoreResult.NOK:
        return
    below = near.lower is not None and value < near.lower
    farther = value - step if below else value + step
    if not is_missing(farther):
        assert score(farther, rule, population).result is ScoreResult.NOK


@given(rules, populations, st.floats(-1e7, 1e7), st.floats(-1e7, 1e7), st.floats(0, 1))
def test_between_two_good_values_all_are_good(rule, population, a, b, share):
    found = [score(value, rule, population).result for value in (a, b)]
    middle = min(max(a + share * (b - a), min(a, b)), max(a, b))
    if found == [ScoreResult.OK] * 2 and not is_missing(middle):
        assert score(middle, rule, population).result is ScoreResult.OK


@given(values, rules, populations, st.randoms(use_true_random=False))
def test_the_order_of_the_population_changes_nothing(value, rule, population, random):
    shuffled = random.sample(population, len(population))
    assert score(value, rule, shuffled) == score(value, rule, population)


@given(st.floats(-1e6, 1e6), populations, st.integers(-10, 10))
def test_statistical_scores_do_not_depend_on_the_unit(value, population, power):
    scale = 2.0**power
    for text in ("5%", "3SIG", "3MAD"):
        rule = Rule(parse_limits(text), sentinels=())
        scaled = [None if x is None else scale * x for x in population]
        assert score(scale * value, rule, scaled).result is score(value, rule, population).result


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, -999.0])
@pytest.mark.parametrize("limits", ["VAL ,1e300", "VAL -1e300,", "1000%", "OFF 1e300"])
def test_a_missing_value_is_grey_however_wide_the_limits(value, limits):
    found = score(value, Rule(parse_limits(limits)), [1.0] * 9)
    assert (found.result, found.reason) == (None, GreyReason.MISSING)


def test_sentinels_belong_to_the_rule():
    rule = Rule(parse_limits("VAL ,0"), sentinels=(-1.0,))
    assert score(-1.0, rule).reason is GreyReason.MISSING
    assert score(-999.0, rule).result is ScoreResult.OK


def test_a_judgement_carries_its_evidence():
    rule = Rule(parse_limits("3SIG"))
    found = score(3.0, rule, [1.0, 2.0, 3.0, 4.0, 5.0])
    expected = Judgement(
        ScoreResult.OK, lower=-1.7434165, upper=7.7434165, average=3.0, sigma=1.5811388, n=5
    )
    assert asdict(found) == pytest.approx(asdict(expected))
    fixed = score(3.0, Rule(parse_limits("VAL 0,4")), [1.0, None, 2.0])
    assert (fixed.average, fixed.n) == (1.5, 2)
    robust = score(3.0, Rule(parse_limits("3MAD")), [1.0, 2.0, 3.0, 4.0, 1000.0])
    assert robust.sigma == 1.4826


def test_grey_keeps_its_evidence_too():
    found = score(3.0, Rule(parse_limits("3SIG")), [1.0, 3.0])
    assert (found.n, found.average, found.lower) == (2, 2.0, None)


def test_every_reason_has_words_of_its_own():
    words = [reason.words for reason in GreyReason]
    assert len(set(words)) == len(words)
    assert all(len(reason) <= 32 for reason in GreyReason)


@pytest.mark.parametrize(
    "numbers",
    [
        {"min_n": 0},
        {"window_points": 0},
        {"window_days": 0.0},
        {"window_days": math.nan},
        {"clip": 0.0},
    ],
)
def test_a_rule_that_cannot_work_cannot_be_made(numbers):
    with pytest.raises(LimitsError):
        Rule(Method(MethodKind.SIG, amount=3.0), **numbers)


# --- the window

SIGMA = parse_limits("3SIG")


def test_the_window_is_ninety_days_both_ends_included():
    times = [57080.0 - 90.0001, 57080.0 - 90.0, 57079.0, 57080.0, 57080.1]
    assert window(times, [1.0, 2.0, 3.0, 4.0, 5.0], 57080.0, Rule(SIGMA)).tolist() == [2.0, 3.0]


def test_the_row_itself_is_left_out_and_no_other():
    times, found = [57079.0, 57080.0, 57080.0], [1.0, 2.0, 3.0]
    assert window(times, found, 57080.0, Rule(SIGMA), own=1).tolist() == [1.0, 3.0]
    assert window(times, found, 57080.0, Rule(SIGMA)).tolist() == [1.0]


def test_the_newest_points_count_however_old():
    rule = Rule(SIGMA, window_points=2)
    times = [50000.0, 40000.0, 30000.0]
    assert window(times, [3.0, 2.0, 1.0], 57080.0, rule).tolist() == [2.0, 3.0]


def test_points_and_days_both_limit_the_window():
    rule = Rule(SIGMA, window_points=2, window_days=10)
    times = [57079.0, 57050.0, 57078.0, 57077.0]
    assert window(times, [1.0, 2.0, 3.0, 4.0], 57080.0, rule).tolist() == [3.0, 1.0]
    assert window(times[:2], [1.0, 2.0], 57080.0, rule).tolist() == [1.0]


def test_missing_values_take_no_place_among_the_points():
    rule = Rule(SIGMA, window_points=2)
    times = [57075.0, 57076.0, 57077.0, 57078.0, 57079.0]
    found = [1.0, 2.0, None, math.nan, -999.0]
    assert window(times, found, 57080.0, rule).tolist() == [1.0, 2.0]


def test_an_empty_series_gives_an_empty_window():
    assert window([], [], 57080.0, Rule(SIGMA)).tolist() == []


@given(
    st.lists(st.tuples(st.integers(0, 20), st.floats(-5, 5)), max_size=20),
    st.none() | st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_the_window_does_not_depend_on_the_order_of_rows(rows, points, random):
    rule = Rule(SIGMA, window_days=8, window_points=points)

    def selected(rows):
        times = np.array([row[0] for row in rows], dtype=float)
        return window(times, np.array([row[1] for row in rows]), 15.0, rule).tolist()

    assert selected(random.sample(rows, len(rows))) == selected(rows)
    assert len(selected(rows)) <= sum(7 <= time < 15 for time, _ in rows)


def test_every_state_of_the_inputs_gives_a_verdict():
    some = [*product([None, 3.0], ["", "VAL 0,4", "3SIG", "none"], [[], [1.0, 2.0, 3.0, 4.0, 5.0]])]
    for value, limits, population in some:
        rule = Rule(parse_limits(limits)) if limits else None
        found = score(value, rule, population)
        is_ok = value == 3.0 and (limits == "VAL 0,4" or (limits == "3SIG" and population))
        assert (found.result is ScoreResult.OK) is bool(is_ok)
