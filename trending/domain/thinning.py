"""Fewer points of a long series for a plot: none that a person looks for is lost.

Thinned by place in the series, not by time: a series with long gaps would collapse into few columns.
"""

import itertools
from typing import Any

import numpy as np
from tsdownsample import MinMaxLTTBDownsampler

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
# So many outliers are all kept; of more, the worst of each stretch.
MAX_OUTLIERS = 2000


def thin(value: Floats, is_outlier: np.ndarray[Any, np.dtype[np.bool_]], n_points: int) -> Ints:
    """Return the places of the points to draw, in their order.

    Parameters
    ----------
    value : shape (n,), finite
        The series in order of time.
    is_outlier : shape (n,)
        Points outside their limits: each is kept, or of more than `MAX_OUTLIERS` the one farthest
        from the median in each of as many stretches.
    n_points
        How many of the others are kept, about: the extremes of each stretch, and the line's shape.

    Returns
    -------
    The first and the last place are always among them.

    Examples
    --------
    >>> level, is_red = np.zeros(1000), np.arange(1000) == 500
    >>> 500 in thin(level, is_red, 10), len(thin(level, is_red, 10)) < 20
    (True, True)
    """
    places = np.arange(value.size)
    outliers, others = places[is_outlier], places[~is_outlier]
    if outliers.size > MAX_OUTLIERS:
        outliers = _worst(value, outliers)
    if others.size > n_points:
        others = others[_shape(value[others], n_points)]
    ends = places[[0, -1]] if places.size else places
    return np.unique(np.concatenate([outliers, others, ends]))


def _shape(value: Floats, n_points: int) -> Ints:
    # It wants an even number, and contiguous values.
    n_out = max(4, n_points - n_points % 2)
    sampler = MinMaxLTTBDownsampler()  # type: ignore[no-untyped-call]
    found: Ints = sampler.downsample(np.ascontiguousarray(value), n_out=n_out).astype(np.int64)
    return found


def _worst(value: Floats, outliers: Ints) -> Ints:
    """Return the outlier farthest from the median in each stretch of equally many."""
    distance = np.abs(value[outliers] - np.median(value))
    edges = np.linspace(0, outliers.size, MAX_OUTLIERS + 1).astype(int)
    worst = [
        first + int(np.argmax(distance[first:end])) for first, end in itertools.pairwise(edges)
    ]
    return outliers[worst]
