"""Statistics of the windows of many values at once, to the bit what `statistics` says of each.

The windows lie in the rows of a matrix, sorted, and filled up with infinity to one width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .statistics import MAD_TO_SIGMA, Values, sums

Places = NDArray[np.intp]
Flags = NDArray[np.bool_]

# 8 MB of floats at a time, however long the windows are.
_CELLS = 1 << 20


@dataclass(frozen=True, slots=True)
class Windows:
    """Which earlier points each value is judged by: ``points[start:stop]`` without ``points[own]``.

    Attributes
    ----------
    start, stop
        One number each for every value; the points are in the order of time.
    own
        Place of the value's own point, negative where it is not among them.
    """

    start: Places
    stop: Places
    own: Places

    @property
    def n(self) -> Places:
        """How many points each window has."""
        inside: Flags = (self.own >= self.start) & (self.own < self.stop)
        n: Places = self.stop - self.start - inside
        return n

    def chunks(self) -> Iterator[slice]:
        """Cut the windows into lots whose matrices stay small."""
        widest = int(self.n.max(initial=1)) or 1
        step = max(1, _CELLS // widest)
        return (slice(n, n + step) for n in range(0, self.start.size, step))

    def __getitem__(self, rows: slice) -> "Windows":
        return Windows(self.start[rows], self.stop[rows], self.own[rows])

    def matrix(self, points: Values, fill: float = np.inf) -> Values:
        """Return the points of each window in a row, oldest first, filled up on the right."""
        n = self.n
        width = int(n.max(initial=0))
        if width == 0:
            return np.full((n.size, 0), fill)
        place = self.start[:, None] + np.arange(width)
        place += (place >= self.own[:, None]) & (self.own >= self.start)[:, None]
        found: Values = points.take(place, mode="clip")
        found[np.arange(width) >= n[:, None]] = fill
        return found


@dataclass(frozen=True, slots=True)
class Populations:
    """`statistics.Statistics` of many windows; NaN is not known."""

    n: Places
    mean: Values
    median: Values
    sigma: Values
    mad_sigma: Values


def unknown(n: int) -> Values:
    """Return as many NaN."""
    return np.full(n, np.nan)


def describe_windows(
    points: Values, windows: Windows, clip: float | None, *, robust: bool, plain: bool
) -> Populations:
    """Return the statistics of each window.

    Parameters
    ----------
    points
        Finite values in the order of time.
    windows
        Which of them count for which value.
    clip
        As for `statistics.clipped`.
    robust, plain
        Whether the robust scatter, and whether mean and standard deviation, are wanted; those that
        are not are left NaN and cost nothing.
    """
    parts = [
        _describe(windows[rows].matrix(points), windows[rows].n, clip, robust, plain)
        for rows in windows.chunks()
    ]
    if not parts:
        return Populations(windows.n, *(unknown(0) for _ in range(4)))
    return Populations(
        n=np.concatenate([part.n for part in parts]),
        mean=np.concatenate([part.mean for part in parts]),
        median=np.concatenate([part.median for part in parts]),
        sigma=np.concatenate([part.sigma for part in parts]),
        mad_sigma=np.concatenate([part.mad_sigma for part in parts]),
    )


def _describe(
    matrix: Values, n: Places, clip: float | None, robust: bool, plain: bool
) -> Populations:
    # Numbers beyond the range of floats become infinities and then NaN, which is "not known".
    with np.errstate(over="ignore", invalid="ignore"):
        matrix = np.sort(matrix, axis=1) + 0.0
        if clip is not None:
            matrix, n = _clipped(matrix, n, clip)
        middle = medians(matrix, n)
        mean, sigma = _moments(matrix, n) if plain else (unknown(n.size), unknown(n.size))
        mad = _mad_sigmas(matrix, n, middle) if robust else unknown(n.size)
    return Populations(n, mean, middle, sigma, mad)


def medians(matrix: Values, n: Places) -> Values:
    """Return the median of the first `n` of each sorted row; NaN where `n` is 0."""
    if matrix.shape[1] == 0:
        return unknown(n.size)
    rows = np.arange(n.size)
    low, high = (
        matrix[rows, np.maximum(n - 1, 0) // 2],
        matrix[rows, np.minimum(n // 2, matrix.shape[1] - 1)],
    )
    middle = np.where(n % 2 == 1, low, (low + high) / 2)
    return _known(middle, n > 0)


def _mad_sigmas(matrix: Values, n: Places, middle: Values) -> Values:
    # A row whose median is not known is NaN throughout, and stays so.
    off = np.sort(np.abs(matrix - middle[:, None]), axis=1)
    return _known(MAD_TO_SIGMA * medians(off, n), n > 1)


def _moments(matrix: Values, n: Places) -> tuple[Values, Values]:
    """Return mean and standard deviation of the first `n` of each sorted row."""
    mean, sigma = unknown(n.size), unknown(n.size)
    rows = np.flatnonzero(n)
    if rows.size == 0:
        return mean, sigma
    count = n[rows]
    flat = matrix[np.arange(matrix.shape[1]) < n[:, None]]
    starts = np.cumsum(count) - count
    raw = sums(flat, starts) / count
    lowest, highest = flat[starts], flat[starts + count - 1]
    mean[rows] = _known(np.clip(raw, lowest, highest), np.isfinite(raw))
    off = flat - np.repeat(raw, count)
    scatter = np.sqrt(sums(off * off, starts) / np.maximum(count - 1, 1))
    scatter[lowest == highest] = 0.0
    sigma[rows] = _known(scatter, count > 1)
    return mean, sigma


def _clipped(matrix: Values, n: Places, n_sigma: float) -> tuple[Values, Places]:
    middle = medians(matrix, n)
    limit = n_sigma * _mad_sigmas(matrix, n, middle)
    # Comparisons with NaN are false, so where no scatter is known nothing is far.
    far = (limit > 0)[:, None] & (np.abs(matrix - middle[:, None]) > limit[:, None])
    far &= np.arange(matrix.shape[1]) < n[:, None]
    return np.sort(np.where(far, np.inf, matrix), axis=1), n - far.sum(axis=1)


def _known(values: Values, where: Flags) -> Values:
    return np.where(where & np.isfinite(values), values, np.nan)


def last_cut(mjd: Values, cuts: Sequence[float]) -> Values:
    """Return the newest cut not after each instant, minus infinity where there is none.

    Examples
    --------
    >>> last_cut(np.array([1.0, 2.0, 3.5]), [3.0, 2.0]).tolist()
    [-inf, 2.0, 3.0]
    """
    ordered = np.array([-np.inf, *sorted(cuts)])
    found: Values = ordered[np.searchsorted(ordered, mjd, side="right") - 1]
    return found
