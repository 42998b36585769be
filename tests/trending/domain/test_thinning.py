"""Thinned series keep what people look for, whatever the series."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from trending.domain.thinning import MAX_OUTLIERS, thin


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.booleans()), min_size=1, max_size=400),
    st.integers(1, 60),
)
def test_no_outlier_and_no_end_is_lost(points, n_points):
    value = np.array([one for one, _ in points])
    red = np.array([one for _, one in points])
    kept = thin(value, red, n_points)
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert set(np.flatnonzero(red)) <= set(kept.tolist())
    assert {0, value.size - 1} <= set(kept.tolist())
    assert kept.size <= red.sum() + max(4, n_points) + 2


def test_a_short_series_is_whole():
    assert thin(np.arange(10.0), np.zeros(10, bool), 10).tolist() == list(range(10))
    assert thin(np.empty(0), np.empty(0, bool), 10).tolist() == []


def test_extremes_stay_and_gaps_do_not_matter():
    value = np.random.default_rng(1).normal(size=20_000)
    value[[5000, 15_000]] = [40.0, -40.0]
    kept = thin(value, np.zeros(value.size, bool), 500)
    assert {5000, 15_000} <= set(kept.tolist())
    assert 400 <= kept.size <= 502


@pytest.mark.parametrize("n_red", [MAX_OUTLIERS, MAX_OUTLIERS + 1, 50_000])
def test_of_very_many_outliers_the_worst_stay(n_red):
    value = np.random.default_rng(2).normal(size=60_000)
    red = np.zeros(value.size, bool)
    red[:n_red] = True
    value[777] = 1e6
    kept = thin(value, red, 100)
    reds = [one for one in kept.tolist() if red[one]]
    assert 777 in reds
    # The first one is an end as well.
    assert MAX_OUTLIERS <= len(reds) <= MAX_OUTLIERS + 1
