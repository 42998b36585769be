"""Averages and scatter: order-free, in step with scale and shift, honest about what is unknown."""

import math
import statistics as reference

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from trending.domain.statistics import (
    Statistics,
    clipped,
    describe,
    finite,
    mad_sigma,
    mean,
    median,
    sample_sigma,
)

numbers = st.floats(-1e6, 1e6)
samples = st.lists(numbers, min_size=1, max_size=30)


@given(st.lists(st.none() | st.floats(), max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_values_changes_nothing_not_even_the_last_bit(values, random):
    shuffled = random.sample(values, len(values))
    assert describe(shuffled) == describe(values)
    assert describe(shuffled, clip_sigma=3) == describe(values, clip_sigma=3)


@given(samples)
def test_they_agree_with_the_standard_library(values):
    found = describe(values)
    assert found.n == len(values)
    assert found.mean == pytest.approx(reference.fmean(values), rel=1e-9, abs=1e-6)
    assert found.median == pytest.approx(reference.median(values))
    if len(values) > 1:
        assert found.sigma == pytest.approx(reference.stdev(values), rel=1e-6, abs=1e-6)


@given(samples, st.integers(-20, 20))
def test_statistics_commute_with_scale(values, power):
    # Powers of two scale floats exactly, so the results must agree exactly.
    assume(all(value == 0 or abs(value) > 1e-100 for value in values))
    scale = 2.0**power
    small, large = describe(values), describe([scale * value for value in values])
    assert large.mean == scale * small.mean
    assert large.median == scale * small.median
    if small.sigma is not None and small.mad_sigma is not None:
        assert large.sigma == scale * small.sigma
        assert large.mad_sigma == scale * small.mad_sigma


@given(samples)
def test_turning_the_sign_turns_the_average_and_keeps_the_scatter(values):
    up, down = finite(values), finite([-value for value in values])
    assert median(down) == -(median(up) or 0.0)
    assert mean(down) == pytest.approx(-(mean(up) or 0.0))
    assert mad_sigma(down) == mad_sigma(up)
    assert sample_sigma(down) == pytest.approx(sample_sigma(up))


@given(samples)
def test_averages_lie_among_the_values_and_scatter_is_never_negative(values):
    found = describe(values)
    assert found.mean is not None
    assert min(values) <= found.mean <= max(values)
    assert found.median is not None
    assert min(values) <= found.median <= max(values)
    assert (found.sigma or 0.0) >= 0
    assert (found.mad_sigma or 0.0) >= 0


@given(numbers, st.integers(2, 50))
def test_equal_values_have_exactly_no_scatter(value, n):
    assert describe([value] * n) == Statistics(n, value, value, 0.0, 0.0)


def test_nothing_and_one_are_not_enough():
    assert describe([]) == Statistics(0, None, None, None, None)
    assert describe([None, math.nan]) == Statistics(0, None, None, None, None)
    assert describe([4.0]) == Statistics(1, 4.0, 4.0, None, None)


def test_only_measurements_take_part():
    values = [3.0, None, math.nan, math.inf, -math.inf, -999.0, 1.0]
    assert finite(values, [-999.0]).tolist() == [1.0, 3.0]
    assert finite(np.array([2.0, np.nan, 1.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("statistic", "values"),
    [
        (mean, [1e308, 1.7e308]),
        (median, [1e308, 1.7e308]),
        (sample_sigma, [-1.7e308, 1.7e308]),
        (mad_sigma, [-1.7e308, 0.0, 1.7e308]),
    ],
)
def test_numbers_that_run_over_are_not_known(statistic, values):
    assert statistic(finite(values)) is None


def test_clipping_survives_numbers_that_run_over():
    assert clipped(finite([-1.7e308, 1.0, 2.0, 3.0, 1.7e308]), 3).tolist() == [1.0, 2.0, 3.0]


def test_clipping_sees_the_outlier_that_hides_from_the_standard_deviation():
    values = [*range(1, 10), 1000.0]
    centre, sigma = np.mean(values), np.std(values, ddof=1)
    assert abs(1000.0 - centre) < 3 * sigma
    assert clipped(finite(values), 3).tolist() == list(range(1, 10))


def test_clipping_is_one_pass_and_off_unless_asked():
    values = finite([1.0, 2.0, 3.0, 4.0, 5.0, 12.8, 40.0])
    assert clipped(values, None).size == 7
    once = clipped(values, 4)
    assert once.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 12.8]
    assert clipped(once, 4).size == 5


@given(samples, st.floats(0.5, 100))
def test_clipping_keeps_at_least_half(values, n_sigma):
    sample = finite(values)
    kept = clipped(sample, n_sigma)
    assert set(kept.tolist()) <= set(sample.tolist())
    # Half of the values lie within one MAD, 0.67 sigma, of the median.
    if n_sigma >= 0.68:
        assert kept.size * 2 >= sample.size
