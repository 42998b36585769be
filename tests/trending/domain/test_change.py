"""The last lasting change: found with its date and size, and not found where nothing happened."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.trending.domain.test_scoring_table import table
from trending.domain import change
from trending.domain.change import changes, last_change
from trending.domain.memory import noise
from trending.domain.simulated import SeriesKind, simulate

SEEDS = range(1000, 1060)
TIMES = np.arange(57000.0, 57200.0)


def white(n=200, seed=4):
    return np.random.default_rng(seed).normal(0, 1, n)


def test_nothing_changed():
    assert changes(TIMES, white()) == []
    assert changes(TIMES, white() + np.arange(200) * 0.05) == []


def test_a_jump_has_a_date_a_size_and_a_confidence():
    values = white() + 6.0 * (TIMES >= 57120)
    found = last_change(TIMES, values)
    assert found is not None
    assert abs(found.mjd - 57120) <= 1
    assert found.size == pytest.approx(6, abs=1)
    assert 0.99 < found.confidence <= 1
    assert (found.n_before, found.n_after) == (found.index, 200 - found.index)


def test_the_last_of_several_counts_from_the_one_before():
    values = white() + 8.0 * (TIMES >= 57060) - 12.0 * (TIMES >= 57130)
    found = changes(TIMES, values)
    assert [one.index for one in found] == pytest.approx([60, 130], abs=1)
    last = last_change(TIMES, values)
    assert last == found[-1]
    assert last.size == pytest.approx(-12, abs=1.5)
    assert last.n_before == found[1].index - found[0].index


def test_outliers_are_no_change():
    values = white()
    values[[30, 31, 90, 150]] += [30, -20, 50, -40]
    assert changes(TIMES, values) == []


def test_there_and_soon_back_is_no_change():
    values = white()
    values[100:104] += 20
    assert changes(TIMES, values) == []
    values[100:120] += 20
    assert [one.index for one in changes(TIMES, values)] == pytest.approx([100, 120], abs=4)


def test_the_search_for_changes_comes_to_an_end(monkeypatch):
    values = white() + 20 * (np.arange(200) // 50 % 2)
    assert [one.index for one in changes(TIMES, values)] == pytest.approx([50, 100, 150], abs=1)
    monkeypatch.setattr(change, "_MOST_STEPS", 2)
    assert len(changes(TIMES, values)) == 2


def test_five_values_at_a_new_level_are_enough_and_three_are_not():
    values = white(seed=8)
    assert last_change(TIMES, values + 10 * (TIMES >= 57195)).index == 195
    assert last_change(TIMES, values + 10 * (TIMES >= 57197)) is None


def test_copies_of_a_value_are_one_value():
    values = white()
    values[150:] = 9.0
    assert last_change(TIMES, values) is None


def test_missing_values_are_stepped_over():
    values = white() + 8.0 * (TIMES >= 57120)
    values[[10, 119, 121]] = np.nan
    assert last_change(TIMES, values).index == 120


def test_too_few_or_constant_values_tell_nothing():
    assert last_change(TIMES[:19], white(19) + 50 * (np.arange(19) > 9)) is None
    assert last_change(TIMES, np.zeros(200)) is None
    assert last_change(TIMES[:0], TIMES[:0]) is None
    alternating = np.where(np.arange(200) % 2, 1.0, 0.0)
    assert last_change(TIMES, alternating) is None


def test_the_correlation_of_a_series_is_seen_through_drift_and_outliers():
    for memory in (0.0, 0.5, 0.83, 0.93):
        made = [simulate(SeriesKind(memory=memory, events=0, gaps=0, repeated=0), n) for n in SEEDS]
        found = np.array([noise(one.values) for one in made])
        assert found[:, 0].mean() == pytest.approx(memory, abs=0.05)
        assert found[:, 1].mean() == pytest.approx(np.sqrt(1 - memory**2), abs=0.06)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.floats(-1e3, 1e3), st.integers(-6, 6), st.sampled_from([1, -1]))
def test_shift_scale_and_sign_change_nothing_but_the_size(seed, shift, power, sign):
    values = white(120, seed) + 7.0 * (np.arange(120) >= 70)
    scale = sign * 2.0**power
    found = changes(TIMES[:120], values)
    moved = changes(TIMES[:120], scale * values + shift)
    assert [one.index for one in moved] == [one.index for one in found]
    assert [one.size for one in moved] == pytest.approx(
        [scale * one.size for one in found], rel=1e-6
    )


@pytest.mark.parametrize("row", table("changes"))
def test_changes_are_found_as_often_as_documented(row):
    memory, size = float(row["memory"]), float(row["jump"].removesuffix(" σ"))
    false = found = 0
    for seed in SEEDS:
        quiet = simulate(SeriesKind(memory=memory, events=0, gaps=0), seed)
        false += last_change(quiet.times, quiet.values) is not None
        made = simulate(SeriesKind(memory=memory, events=1, gaps=0, event_size=size), seed)
        last = last_change(made.times, made.values)
        found += last is not None and abs(last.mjd - made.cuts[0] - 0.5) <= 2
    shares = [false / len(SEEDS), found / len(SEEDS)]
    printed = [float(row[name].removesuffix("%")) / 100 for name in ("false", "found")]
    # One series of sixty more or less, as random streams differ between versions of numpy.
    assert shares == pytest.approx(printed, abs=0.025)
