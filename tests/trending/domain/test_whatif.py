"""What another rule would have said."""

import time

import numpy as np
import pytest
from hypothesis import given, strategies as st

from trending.domain.baseline import Baseline
from trending.domain.batch import score_series
from trending.domain.dated import DatedRule, score_dated
from trending.domain.judgements import Judgements
from trending.domain.limits import LimitsError, parse_limits
from trending.domain.scoring import GreyReason, Rule
from trending.domain.simulated import SeriesKind, simulate
from trending.domain.whatif import Alarms, compare


def judged(results):
    """Return judgements with these results: 0, 1, or -1 for grey."""
    grey = Judgements.grey(len(results), GreyReason.MISSING)
    grey.result[:] = results
    return grey


states = st.lists(
    st.tuples(st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 0, 1]), st.booleans())
)


def test_every_way_a_score_can_turn():
    pairs = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    found = compare(judged([a for a, _ in pairs]), judged([b for _, b in pairs]), np.arange(9.0))
    turned = [found.turned_red, found.turned_green, found.turned_grey]
    assert [[pairs[n] for n in places] for places in turned] == [
        [(-1, 1), (0, 1)],
        [(-1, 0), (1, 0)],
        [(0, -1), (1, -1)],
    ]
    assert found.n_changed == 6
    assert (found.old, found.new) == (Alarms(6, 3), Alarms(6, 3))
    assert found.false_alarm_rate == 0.5
    assert found.is_within_budget is False
    assert found.alarms_per_month == pytest.approx(30 * 3 / 8)


def test_a_bad_value_is_no_false_alarm_and_a_miss_if_it_is_green():
    old, new = judged([1, 1, 0, 0]), judged([1, 0, 0, -1])
    found = compare(old, new, np.arange(4.0), known_bad=[True, True, False, True])
    assert (found.new.n_red, found.new.n_judged) == (0, 1)
    assert (found.new.n_found, found.new.n_bad) == (1, 2)
    assert found.missed.tolist() == [1]
    assert found.is_within_budget is True


@pytest.mark.parametrize(("n_red", "within"), [(0, True), (2, True), (3, False)])
def test_the_budget_is_a_share_of_what_was_judged(n_red, within):
    results = [1] * n_red + [0] * (100 - n_red) + [-1] * 50
    found = compare(judged(results), judged(results), np.arange(150.0), budget=0.02)
    assert found.false_alarm_rate == n_red / 100
    assert found.is_within_budget is within


def test_of_nothing_judged_nothing_is_known():
    found = compare(judged([-1]), judged([-1]), np.array([1.0]))
    assert (found.false_alarm_rate, found.is_within_budget, found.alarms_per_month) == (None,) * 3
    empty = compare(judged([]), judged([]), np.array([]))
    assert empty.n_changed == 0


def test_judgements_of_other_values_are_not_compared():
    with pytest.raises(ValueError, match="not of the same values"):
        compare(judged([0]), judged([0, 1]), np.array([1.0]))


@given(states)
def test_turning_back_is_the_mirror(rows):
    a, b = judged([row[0] for row in rows]), judged([row[1] for row in rows])
    bad, at = [row[2] for row in rows], np.arange(float(len(rows)))
    there, back = compare(a, b, at, known_bad=bad), compare(b, a, at, known_bad=bad)
    assert there.n_changed == back.n_changed
    assert (there.old, there.new) == (back.new, back.old)
    red_now = {n for n, row in enumerate(rows) if row[1] == 1 and row[0] != 1}
    assert set(there.turned_red.tolist()) == red_now


def both(made, old, new):
    which = range(made.times.size)
    before = score_series(made.times, made.values, old, which, cuts=made.cuts)
    after = score_series(made.times, made.values, new, which, cuts=made.cuts)
    return compare(before, after, made.times, known_bad=made.is_outlier)


def test_two_years_of_four_setups_are_judged_by_both_rules_in_a_moment():
    made = [simulate(SeriesKind(memory=0.9), seed) for seed in range(4)]
    old, new = Rule(parse_limits("3SIG")), Rule(parse_limits("2.5SIG"), baseline=Baseline())
    durations = []
    for _ in range(3):
        begin = time.perf_counter()
        found = [both(one, old, new) for one in made]
        durations.append(time.perf_counter() - begin)
    assert min(durations) < 0.3
    together = sum((one.new for one in found), Alarms())
    assert together.within(0.03)
    assert together.n_found > 0.9 * together.n_bad


# --- rules that change with time


def dated(text, begin, end=None):
    return DatedRule(Rule(parse_limits(text)), begin, end)


def test_each_value_is_judged_by_the_rule_of_its_time():
    at = np.array([9.0, 10.0, 19.9, 20.0, 30.0])
    rules = [dated("VAL 0,1", 10, 20), dated("VAL 0,5", 20, 30)]
    found = score_dated(at, np.full(5, 3.0), rules, range(5))
    assert found.result.tolist() == [-1, 1, 1, 0, -1]
    assert found[0].reason is found[4].reason is GreyReason.NO_RULE
    assert found.upper[1:4].tolist() == [1, 1, 5]


def test_of_two_rules_in_force_the_first_is_taken():
    rules = [dated("VAL 0,1", 15), dated("VAL 0,5", 10)]
    at = np.array([10.0, 15.0])
    assert score_dated(at, np.full(2, 3.0), rules, [1, 0]).result.tolist() == [1, 0]


def test_without_rules_or_values_there_is_nothing_to_say():
    assert score_dated(np.array([1.0]), np.array([1.0]), [], [0]).reason.tolist() == [1]
    assert len(score_dated(np.array([1.0]), np.array([1.0]), [dated("VAL 0,1", 0)], [])) == 0


def test_a_rule_in_force_at_no_time_cannot_be_made():
    with pytest.raises(LimitsError, match="valid_until"):
        dated("VAL 0,1", 10, 10)


def test_residuals_are_known_where_something_was_expected():
    at, values = np.arange(8.0), np.array([1.0, 2, 3, 4, 5, 9, np.nan, -999])
    found = score_series(at, values, Rule(parse_limits("3SIG")), range(8))
    residuals = found.residuals(values)
    # Statistics of two values give a scatter already; limits want five.
    assert np.isfinite(residuals).tolist() == [False, False, True, True, True, True, False, False]
    assert residuals[5] == pytest.approx((9 - 3) / np.sqrt(2.5))
