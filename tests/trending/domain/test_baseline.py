"""Limits that follow a series: what is expected when, what a jump, a pause and a copy do."""

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.trending.domain.test_batch import all_bits, bits, cut_lists, series
from tests.trending.domain.test_scoring_table import table
from trending.domain import expectation as module
from trending.domain.baseline import Baseline, BaselineKind, parse_baseline
from trending.domain.batch import score_series
from trending.domain.expectation import STEP_RUN, expect
from trending.domain.limits import LimitsError, parse_limits
from trending.domain.scoring import GreyReason, Rule, ScoreResult, score
from trending.domain.simulated import YEAR, SeriesKind, simulate

ROLLING = Rule(parse_limits("2.5SIG"), baseline=Baseline())
EPOCH = Rule(parse_limits("2.5SIG"), baseline=Baseline(BaselineKind.EPOCH))
# Others than those that the constants of the baseline were chosen on.
SEEDS = range(1000, 1100)

times = st.integers(0, 30).map(float) | st.floats(0, 30)
numbers = st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6) | st.floats()
rows = st.lists(
    st.tuples(times, numbers | st.just(math.nan), st.integers(0, 9).map(lambda n: n == 0)),
    min_size=10,
    max_size=60,
)
rules = st.builds(
    Rule,
    st.sampled_from(["2.5SIG", "3MAD", "5%", "OFF 2"]).map(parse_limits),
    window_days=st.none() | st.sampled_from([5.0, 12.5]),
    window_points=st.none() | st.integers(3, 12),
    min_n=st.integers(1, 6),
    fallback=st.none() | st.just(parse_limits("VAL -2,2")),
    clip=st.none() | st.just(2.0),
    baseline=st.builds(
        Baseline,
        st.sampled_from(BaselineKind),
        min_effect=st.sampled_from([0.0, 0.5]),
        gap_days=st.sampled_from([None, 1.5, 5.0]),
        points=st.integers(3, 15),
        drop_repeats=st.booleans(),
    ),
)


def judged(at, values, rule, which=None, **kwargs):
    return score_series(at, values, rule, range(at.size) if which is None else which, **kwargs)


# --- in step with time


@settings(max_examples=200, deadline=None)
@given(rows, rules, cut_lists, times)
def test_later_rows_change_nothing(rows, rule, cuts, now):
    at, values, excluded = series(rows)
    kept = int(np.searchsorted(at, now, side="right"))
    full = judged(at, values, rule, range(kept), excluded=excluded, cuts=cuts)
    until_now = judged(at[:kept], values[:kept], rule, excluded=excluded[:kept], cuts=cuts)
    assert all_bits(full) == all_bits(until_now)


@settings(deadline=None)
@given(rows, rules, cut_lists, st.randoms(use_true_random=False))
def test_what_else_is_judged_changes_no_bit(rows, rule, cuts, random):
    at, values, excluded = series(rows)
    together = all_bits(judged(at, values, rule, excluded=excluded, cuts=cuts))
    some = random.sample(range(at.size), random.randint(0, at.size))
    found = judged(at, values, rule, some, excluded=excluded, cuts=cuts)
    assert all_bits(found) == [together[n] for n in some]


@settings(deadline=None)
@given(rows, rules, st.randoms(use_true_random=False))
def test_rows_of_one_instant_may_stand_in_any_order(rows, rule, random):
    at, values, _ = series(rows)
    # Which of two equal values of one instant is the copy cannot be told, nor need it be.
    shuffled = np.array(random.sample(range(at.size), at.size), dtype=int)
    order = shuffled[np.argsort(at[shuffled], kind="stable")]
    found = judged(at, values, rule)
    moved = judged(at[order], values[order], rule)
    same = [bits(replace(found[int(n)], repeated=False)) for n in order]
    assert [
        bits(replace(one, repeated=False)) for one in (moved[n] for n in range(at.size))
    ] == same


@settings(deadline=None)
@given(rows, rules, times)
def test_what_came_before_a_cut_changes_nothing(rows, rule, cut):
    at, values, _ = series(rows)
    after = at >= cut
    full = judged(at, values, rule, np.flatnonzero(after), cuts=[cut])
    alone = judged(at[after], values[after], rule)
    plain = [bits(replace(full[n], repeated=False)) for n in range(len(full))]
    known = np.flatnonzero(np.isfinite(values))
    known = known[np.lexsort((values[known], at[known]))]
    copies = known[module.repeats(values[known])]
    # A copy of a value is one also over a cut.
    if not set(known[after[known]][:1]) & set(copies):
        assert [bits(replace(alone[n], repeated=False)) for n in range(len(alone))] == plain


@settings(deadline=None)
@given(rows, rules, st.integers(-8, 8))
def test_scaling_values_and_limits_together_changes_no_result(rows, rule, power):
    at, values, _ = series(rows)
    values = np.where(np.abs(values) < 1e100, values, np.nan).round(6)
    scale = 2.0**power
    assert rule.baseline is not None
    scaled_rule = replace(
        rule,
        method=parse_limits(f"OFF {2 * scale!r}") if rule.method.kind == "OFF" else rule.method,
        fallback=rule.fallback and parse_limits(f"VAL {-2 * scale!r},{2 * scale!r}"),
        baseline=replace(rule.baseline, min_effect=rule.baseline.min_effect * scale),
        sentinels=(),
    )
    found = judged(at, values, replace(rule, sentinels=()))
    scaled = judged(at, values * scale, scaled_rule)
    assert scaled.result.tolist() == found.result.tolist()
    assert scaled.warning.tolist() == found.warning.tolist()


@pytest.mark.parametrize("rule", [ROLLING, EPOCH], ids=["rolling", "epoch"])
def test_how_many_points_are_gone_through_at_once_changes_no_bit(rule, monkeypatch):
    made = simulate(SeriesKind(nights=300, events=3), seed=5)
    whole = all_bits(judged(made.times, made.values, rule))
    monkeypatch.setattr(module, "_LOT", 7)
    assert all_bits(judged(made.times, made.values, rule)) == whole


def test_the_rolling_window_alone_decides_where_nothing_jumped():
    made = simulate(SeriesKind(events=0, gaps=0, outliers=0.0, memory=0.0), seed=2)
    late = made.times > made.times[-1] - 90 - 90
    rule = replace(ROLLING, window_days=60.0)
    full = judged(made.times, made.values, rule, [made.times.size - 1])
    near = judged(made.times[late], made.values[late], rule, [int(late.sum()) - 1])
    assert bits(full[0]) == bits(near[0])


# --- what a series may do


def quiet(n, seed=1):
    """Return a time and a little scatter for each night."""
    return np.arange(float(n)), np.random.default_rng(seed).normal(0, 1, n)


def test_an_epoch_begins_grey_or_with_the_fallback():
    at, values = quiet(30)
    found = judged(at, values, ROLLING)
    grey = [judgement.reason is GreyReason.TOO_FEW_POINTS for judgement in found_list(found)]
    # Three points make the first level, five residuals the first scatter.
    assert grey == [True] * 8 + [False] * 22
    with_fallback = judged(at, values, replace(ROLLING, fallback=parse_limits("VAL -9,9")))
    assert with_fallback.used_fallback.tolist() == grey
    assert with_fallback.result.min() == 0


def found_list(found):
    return [found[n] for n in range(len(found))]


def test_a_drift_is_followed_and_a_single_outlier_on_it_found():
    at, values = quiet(400)
    values = values + at * 0.05
    values[300] += 6
    found = judged(at, values, ROLLING)
    assert found[300].result is ScoreResult.NOK
    assert found[300].average == pytest.approx(300 * 0.05, abs=2)
    assert (found.result == 1).sum() <= 10


@pytest.mark.parametrize("rule", [ROLLING, EPOCH], ids=["rolling", "epoch"])
def test_a_lasting_jump_is_red_five_times_and_then_the_new_level_with_a_warning(rule):
    at, values = quiet(300)
    values[200:] += 12
    found = judged(at, values, rule)
    assert found.result[200:205].tolist() == [1] * STEP_RUN
    assert found.average[206:220] == pytest.approx(12, abs=2)
    after = found_list(found)[205:280]
    assert {judgement.since for judgement in after} == {200.0}
    assert all(one.warning for one in after if one.result is ScoreResult.OK)
    assert sum(one.result is ScoreResult.NOK for one in after) <= 4
    assert found[199].since is None


def test_the_warning_of_a_jump_ends_when_it_has_left_the_window():
    at, values = quiet(300)
    values[150:] += 12
    found = judged(at, values, ROLLING)
    assert (found[240].since, found[241].since) == (150.0, None)
    assert not found.warning[241:].any()


def test_a_declared_jump_is_no_alarm():
    at, values = quiet(300)
    values[200:] += 12
    found = judged(at, values, ROLLING, cuts=[199.5])
    assert found.result[200:208].tolist() == [-1] * 8
    assert (found.result[208:] == 1).sum() <= 3
    assert np.isnan(found.since).all()


def test_there_and_back_are_two_jumps():
    at, values = quiet(300)
    values[100:200] += 12
    for rule in (ROLLING, EPOCH):
        found = judged(at, values, rule)
        assert found[120].since == 100.0
        assert found[220].since == 200.0
        assert found.result[200:205].tolist() == [1] * STEP_RUN


def test_a_few_outliers_in_a_row_are_no_jump():
    at, values = quiet(300)
    values[200:204] += 12
    found = judged(at, values, ROLLING)
    assert found.result[200:204].tolist() == [1] * 4
    assert np.isnan(found.since).all()
    assert found.average[206] == pytest.approx(0, abs=1.5)


def test_after_a_pause_the_level_is_new_and_the_scatter_known():
    at, values = quiet(200)
    at[150:] += 40
    values[150:] += 30
    found = judged(at, values, ROLLING)
    assert found.result[150:153].tolist() == [-1] * 3
    assert (found.result[153:] == 1).sum() <= 3
    without = replace(ROLLING, baseline=Baseline(gap_days=None))
    assert judged(at, values, without).result[150:155].tolist() == [1] * STEP_RUN


def test_a_value_carried_over_is_judged_and_counts_once():
    at, values = quiet(60)
    values[40] = 50.0
    values[41:50] = values[40]
    found = judged(at, values, ROLLING)
    # Ten reds in a row, and no new level: it is one measurement.
    assert found.result[40:50].tolist() == [1] * 10
    assert found.repeated[40:51].tolist() == [False] + [True] * 9 + [False]
    assert found.n[50] == found.n[40] + 1
    assert np.isnan(found.since).all()
    counts = replace(ROLLING, baseline=Baseline(drop_repeats=False))
    assert judged(at, values, counts)[46].since == 40.0


def test_limits_are_never_tighter_than_what_matters():
    at, values = quiet(100)
    values *= 1e-3
    rule = replace(ROLLING, baseline=Baseline(min_effect=0.5))
    values[[80, 90]] = [0.49, 0.52]
    found = judged(at, values, rule)
    assert found.result[[80, 90]].tolist() == [0, 1]
    assert found.upper[80] - found.average[80] == 0.5


def test_fixed_limits_stay_and_get_an_expected_value():
    at, values = quiet(100)
    rule = replace(ROLLING, method=parse_limits("VAL -9,9"))
    found = judged(at, values + at / 10, rule)[90]
    assert (found.lower, found.upper) == (-9.0, 9.0)
    assert found.average == pytest.approx(8.5, abs=1)


def test_an_excluded_value_is_judged_and_changes_no_other():
    at, values = quiet(100)
    changed = values.copy()
    changed[50] = 1e6
    found = judged(at, values, ROLLING, excluded=at == 50)
    other = judged(at, changed, ROLLING, excluded=at == 50)
    assert other[50].result is ScoreResult.NOK
    assert all_bits(found)[51:] == all_bits(other)[51:]


def test_nothing_is_expected_of_nothing():
    nothing = np.array([])
    assert expect(nothing, nothing, nothing, Baseline()).since.size == 0
    some = expect(nothing, nothing, np.array([1.0]), Baseline(BaselineKind.EPOCH))
    assert math.isnan(some.populations.median[0])


def test_a_rule_with_a_baseline_judges_no_single_value():
    with pytest.raises(LimitsError, match="judges series"):
        score(1.0, ROLLING, [1.0] * 9)


@pytest.mark.parametrize(
    "numbers",
    [
        {"min_effect": -1.0},
        {"min_effect": math.inf},
        {"gap_days": 0.0},
        {"gap_days": math.nan},
        {"points": 2},
        {"points": 10_000},
    ],
)
def test_a_baseline_that_cannot_work_cannot_be_made(numbers):
    with pytest.raises(LimitsError):
        Baseline(**numbers)


@pytest.mark.parametrize("row", table("baselines"))
def test_a_baseline_is_read_as_documented(row):
    written, expected = row["written"].removeprefix("`").removesuffix("`"), row["read as"]
    if expected.startswith("error: "):
        with pytest.raises(LimitsError, match=re.escape(expected.removeprefix("error: "))):
            parse_baseline(written)
    else:
        assert str(parse_baseline(written)) == expected
        assert parse_baseline(expected) == parse_baseline(written)


# --- measured on simulated series, as docs/scoring.md says


def measured(kind, rule, *, declared):
    """Return the share of good values that are red, of outliers found, and of grey values."""
    counts = np.zeros(6)
    for seed in SEEDS:
        made = simulate(kind, seed)
        cuts = made.cuts if declared else ()
        found = judged(made.times, made.values, rule, cuts=cuts)
        red, has_result, good = found.result == 1, found.result >= 0, ~made.is_outlier
        wrong = made.is_outlier & ~made.is_repeat & has_result
        counts += [
            *((red & good).sum(), (has_result & good).sum()),
            *((red & wrong).sum(), wrong.sum()),
            *((~has_result).sum(), has_result.size),
        ]
    return counts[::2] / counts[1::2]


def naive(kind):
    """Return the share of good values after the first year beyond three sigma of that year."""
    red = all_ = 0
    for seed in SEEDS:
        made = simulate(kind, seed)
        first = made.times < made.times[0] + YEAR
        centre, sigma = made.values[first].mean(), made.values[first].std(ddof=1)
        later = ~first & ~made.is_outlier
        red += int((np.abs(made.values - centre) > 3 * sigma)[later].sum())
        all_ += int(later.sum())
    return red / all_


def percent(text):
    return float(text.removesuffix("%")) / 100


@pytest.mark.parametrize("row", table("simulated"))
def test_limits_do_on_simulated_series_what_is_documented(row):
    given_ = dict(part.strip().split("=") for part in row["with"].split(";") if part.strip())
    declared = given_.pop("declared", "yes") == "yes"
    numbers: dict[str, Any] = {
        name: int(text) if name in {"events", "gaps"} else float(text)
        for name, text in given_.items()
    }
    kind = SeriesKind(**numbers)
    rule = {"rolling": ROLLING, "epoch": EPOCH}[row["baseline"]]
    false_red, found, grey = measured(kind, rule, declared=declared)
    # Rounded as printed; random streams of another numpy may differ a little.
    assert false_red == pytest.approx(percent(row["false red"]), abs=0.002)
    assert found == pytest.approx(percent(row["outliers found"]), abs=0.006)
    assert grey == pytest.approx(percent(row["grey"]), abs=0.006)
    assert naive(kind) == pytest.approx(percent(row["false red, 3σ of year one"]), abs=0.02)
    if row["baseline"] == "rolling" and declared and kind.outlier_size == 5:
        assert false_red <= 0.02
        assert found >= (0.945 if kind.repeated > 0.2 else 0.935 if kind.outliers > 0.05 else 0.95)
