"""Averages and scatter of earlier values, the same whatever order they come in.

Only finite values take part. What cannot be computed is None: a mean of nothing, a standard
deviation of one value, a sum beyond the range of numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[np.float64]

# Turns the median absolute deviation of normally distributed values into their sigma.
MAD_TO_SIGMA = 1.4826


def finite(values: Iterable[float | None] | Values, sentinels: Iterable[float] = ()) -> Values:
    """Return the values that are measurements, in ascending order.

    Parameters
    ----------
    values
        Any mix of numbers, None, NaN and infinities.
    sentinels
        Numbers that instruments write for "not measured".

    Examples
    --------
    >>> finite([3.0, None, float("nan"), -999.0, 1.0], sentinels=[-999.0]).tolist()
    [1.0, 3.0]
    """
    array = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=float)
    kept = array[np.isfinite(array) & ~np.isin(array, list(sentinels))]
    # Sums of floats depend on their order; sorted, the same values always give the same sum.
    # Adding zero turns -0.0 into 0.0: sorting leaves the two in any order.
    return np.sort(kept) + 0.0


def sums(flat: Values, starts: NDArray[np.intp]) -> Values:
    """Return the sum of each stretch of an array; the stretches begin at `starts`, none is empty.

    One stretch gives the same bits alone and among others, which rows of a matrix need not: numpy
    chooses the order of adding by the shape of the whole. So one value is judged as in a batch.

    Examples
    --------
    >>> sums(np.array([1.0, 2.0, 3.0]), np.array([0, 2])).tolist()
    [3.0, 3.0]
    """
    total: Values = np.add.reduceat(flat, starts)
    return total


_WHOLE = np.zeros(1, dtype=np.intp)


def mean(values: Values) -> float | None:
    """Return the arithmetic mean of sorted values.

    Examples
    --------
    >>> mean(finite([2.0, 1.0, 6.0])), mean(finite([0.1, 0.1, 0.1])), mean(finite([]))
    (3.0, 0.1, None)
    """
    if values.size == 0:
        return None
    with np.errstate(over="ignore"):
        result = float(sums(values, _WHOLE)[0] / values.size)
    if not np.isfinite(result):
        return None
    # Rounding may carry the mean of equal values a hair beyond them.
    return float(np.clip(result, values[0], values[-1]))


def median(values: Values) -> float | None:
    """Return the median; between the two in the middle when their number is even.

    Examples
    --------
    >>> median(finite([5.0, 1.0, 3.0])), median(finite([4.0, 1.0]))
    (3.0, 2.5)
    """
    if values.size == 0:
        return None
    low, high = values[(values.size - 1) // 2], values[values.size // 2]
    with np.errstate(over="ignore"):
        return _known(float(low if values.size % 2 else (low + high) / 2))


def sample_sigma(values: Values) -> float | None:
    """Return the sample standard deviation (N - 1); None for fewer than two values.

    Examples
    --------
    >>> sample_sigma(finite([1.0, 2.0, 3.0])), sample_sigma(finite([0.1, 0.1])), sample_sigma(finite([1]))
    (1.0, 0.0, None)
    """
    if values.size < 2:
        return None
    if values[0] == values[-1]:
        # Exactly zero: the rounded mean of equal values would leave a speck of scatter.
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        off = values - sums(values, _WHOLE) / values.size
        return _known(float(np.sqrt(sums(off * off, _WHOLE)[0] / (values.size - 1))))


def mad_sigma(values: Values) -> float | None:
    """Return 1.4826 times the median distance from the median; None for fewer than two values.

    Examples
    --------
    >>> mad_sigma(finite([1.0, 2.0, 3.0, 4.0, 1000.0]))
    1.4826
    """
    centre = median(values)
    if centre is None or values.size < 2:
        return None
    with np.errstate(over="ignore"):
        off = median(np.sort(np.abs(values - centre)))
        return None if off is None else _known(MAD_TO_SIGMA * off)


def clipped(values: Values, n_sigma: float | None) -> Values:
    """Return the values within so many robust sigma of the median; one pass.

    Median and MAD, because in a small sample one far value widens the standard deviation so much
    that it is never clipped: of ten values none can be three sigma out. Where more than half of
    the values are equal there is no robust scatter to measure by, and nothing is clipped.

    Examples
    --------
    >>> clipped(finite([1.0, 2.0, 3.0, 4.0, 1000.0]), 5).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    centre, sigma = median(values), mad_sigma(values)
    if n_sigma is None or centre is None or not sigma:
        return values
    with np.errstate(over="ignore"):
        return values[np.abs(values - centre) <= n_sigma * sigma]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What earlier values say; None is not known."""

    n: int
    mean: float | None
    median: float | None
    sigma: float | None
    mad_sigma: float | None


def describe(
    values: Iterable[float | None] | Values,
    clip_sigma: float | None = None,
    sentinels: Iterable[float] = (),
) -> Statistics:
    """Return the statistics of a population.

    Parameters
    ----------
    values
        The population, in any order; what is no finite number is left out.
    clip_sigma
        Leave out values farther than this from the median, in robust sigma; None keeps all.
    sentinels
        Numbers that stand for "not measured".

    Examples
    --------
    >>> describe([1.0, None, 3.0]).mean
    2.0
    """
    sample = clipped(finite(values, sentinels), clip_sigma)
    return Statistics(
        sample.size, mean(sample), median(sample), sample_sigma(sample), mad_sigma(sample)
    )


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
