"""A series scored at once: to the bit what scoring one by one gives, whatever else is in the batch."""

import struct
import time
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.trending.domain.test_limits import methods
from trending.domain import populations
from trending.domain.batch import score_series
from trending.domain.judgements import Judgements
from trending.domain.limits import parse_limits
from trending.domain.scoring import Average, GreyReason, Rule, score, window

# Few different times and values, so that equal ones and edges of windows are common.
times = st.integers(0, 30).map(float) | st.floats(0, 30)
numbers = st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6) | st.floats()
rows = st.lists(
    st.tuples(times, numbers | st.just(float("nan")) | st.just(-999.0), st.booleans()), max_size=40
)
rules = st.builds(
    Rule,
    methods,
    average=st.sampled_from(Average),
    window_days=st.none() | st.sampled_from([1.0, 5.0, 12.5]),
    window_points=st.none() | st.integers(1, 12),
    min_n=st.integers(1, 6),
    fallback=st.none() | methods,
    clip=st.none() | st.floats(0.5, 10),
    warning=st.none() | methods,
)
cut_lists = st.lists(times, max_size=3)


def series(rows):
    rows = sorted(rows, key=lambda row: row[0])
    columns = np.array(rows, dtype=float).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2].astype(bool)


def bits(judgement):
    """Return a judgement with its floats as bytes: -0.0 is not 0.0 here."""
    return [struct.pack("d", x) if isinstance(x, float) else x for x in astuple(judgement)]


def all_bits(judgements: Judgements):
    return [bits(judgements[n]) for n in range(len(judgements))]


def one_by_one(at, values, rule, excluded, cuts):
    return [
        score(
            values[n],
            rule,
            window(at, values, at[n], rule, own=n, excluded=excluded, cuts=cuts),
        )
        for n in range(at.size)
    ]


@settings(max_examples=300, deadline=None)
@given(rows, rules, cut_lists)
def test_a_series_is_judged_to_the_bit_as_its_values_one_by_one(rows, rule, cuts):
    at, values, excluded = series(rows)
    found = score_series(at, values, rule, range(at.size), excluded=excluded, cuts=cuts)
    expected = one_by_one(at, values, rule, excluded, cuts)
    assert all_bits(found) == [bits(judgement) for judgement in expected]


@settings(deadline=None)
@given(rows, rules, cut_lists, st.randoms(use_true_random=False))
def test_what_else_is_judged_changes_no_bit(rows, rule, cuts, random):
    at, values, excluded = series(rows)
    together = all_bits(
        score_series(at, values, rule, range(at.size), excluded=excluded, cuts=cuts)
    )
    some = random.sample(range(at.size), random.randint(0, at.size))
    found = score_series(at, values, rule, some, excluded=excluded, cuts=cuts)
    assert all_bits(found) == [together[n] for n in some]


@pytest.mark.parametrize("limits", ["3SIG", "3MAD", "5%"])
def test_alone_or_among_ten_thousand_the_bits_are_the_same(limits, monkeypatch):
    random = np.random.default_rng(3)
    at = np.sort(random.uniform(0, 3000, 10_000))
    values = random.normal(1000, 1, at.size)
    rule = Rule(parse_limits(limits), Average.MEAN)
    together = score_series(at, values, rule, range(at.size))
    for n in random.integers(0, at.size, 60):
        assert bits(score_series(at, values, rule, [n])[0]) == bits(together[n])
    monkeypatch.setattr(populations, "_CELLS", 5000)
    assert all_bits(score_series(at, values, rule, range(at.size))) == all_bits(together)


@settings(deadline=None)
@given(rows, rules, cut_lists, st.randoms(use_true_random=False))
def test_rows_of_one_instant_may_stand_in_any_order(rows, rule, cuts, random):
    at, values, excluded = series(rows)
    shuffled = np.array(random.sample(range(at.size), at.size), dtype=int)
    order = shuffled[np.argsort(at[shuffled], kind="stable")]
    found = score_series(at, values, rule, range(at.size), excluded=excluded, cuts=cuts)
    moved = score_series(
        at[order], values[order], rule, range(at.size), excluded=excluded[order], cuts=cuts
    )
    assert all_bits(moved) == [bits(found[int(n)]) for n in order]


@settings(deadline=None)
@given(rows, rules, cut_lists, times)
def test_later_rows_change_nothing(rows, rule, cuts, now):
    at, values, excluded = series(rows)
    kept = int(np.searchsorted(at, now, side="right"))
    full = score_series(at, values, rule, range(kept), excluded=excluded, cuts=cuts)
    cut_off = score_series(
        at[:kept], values[:kept], rule, range(kept), excluded=excluded[:kept], cuts=cuts
    )
    assert all_bits(full) == all_bits(cut_off)


@settings(deadline=None)
@given(rows, cut_lists, st.sampled_from(["3SIG", "3MAD", "5%"]), st.integers(-10, 10))
def test_scaling_values_and_limits_together_changes_no_result(rows, cuts, limits, power):
    rule = Rule(parse_limits(limits), window_days=10, sentinels=())
    at, values, _ = series(rows)
    values = np.where(np.abs(values) < 1e100, values, np.nan).round(6)
    found = score_series(at, values, rule, range(at.size), cuts=cuts)
    scaled = score_series(at, values * 2.0**power, rule, range(at.size), cuts=cuts)
    assert scaled.result.tolist() == found.result.tolist()
    assert scaled.reason.tolist() == found.reason.tolist()


def test_an_excluded_value_is_judged_and_counts_for_nobody():
    at, values = np.arange(7.0), np.array([1.0, 2, 1, 2, 1, 99, 2])
    rule = Rule(parse_limits("3SIG"))
    found = score_series(at, values, rule, [5, 6], excluded=at == 5)
    assert found.result.tolist() == [1, 0]
    assert found.n.tolist() == [5, 5]


def test_no_window_reaches_over_a_cut():
    at, values = np.arange(10.0), np.array([1.0] * 5 + [2.0] * 5)
    rule = Rule(parse_limits("OFF 0.1"), min_n=1)
    assert score_series(at, values, rule, [5, 6]).result.tolist() == [1, 1]
    found = score_series(at, values, rule, [4, 5, 6], cuts=[5.0])
    assert found.n.tolist() == [4, 0, 1]
    assert [judgement.reason for judgement in (found[0], found[1], found[2])] == [
        None,
        GreyReason.TOO_FEW_POINTS,
        None,
    ]


def test_without_a_rule_or_without_rows_there_is_nothing_to_say():
    at = np.arange(3.0)
    assert score_series(at, at, None, [0, 2])[1].reason is GreyReason.NO_RULE
    assert len(score_series(at[:0], at[:0], Rule(parse_limits("3SIG")), [])) == 0
    assert len(score_series(at, at, Rule(parse_limits("3SIG")), [])) == 0


def test_it_is_far_faster_than_a_loop_over_windows():
    random = np.random.default_rng(1)
    made = [(np.sort(random.uniform(0, 250, 100)), random.normal(0, 1, 100)) for _ in range(30)]
    rule = Rule(parse_limits("3SIG"))

    def batch():
        for at, values in made:
            score_series(at, values, rule, range(100))

    def loop():
        for at, values in made:
            for n in range(10, 100):
                earlier = values[np.searchsorted(at, at[n] - 90) : n]
                np.median(earlier), np.std(earlier, ddof=1)

    # Of the best of three, a tenth as a rule.
    assert min(timed(batch) for _ in range(3)) < 0.4 * min(timed(loop) for _ in range(3))


def timed(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
