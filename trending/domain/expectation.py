"""What a series is expected to be at each instant, and how far its values scatter about that.

Real series drift, jump when somebody works on the instrument, pause, repeat a value that was carried
over, and remember the night before. Limits around one average of months call half of such a series
bad. Here each value is compared with the median of the few before it, in the same epoch, and the
scatter is that of the same comparison made at each earlier value: whatever the memory of the
series, it is measured with it.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .baseline import FEWEST, Baseline, BaselineKind
from .populations import Flags, Places, Populations, Windows, last_cut, medians, unknown
from .statistics import MAD_TO_SIGMA, Values, sums

# As many in a row, on one side and each beyond three sigma, are no outliers but a new level.
STEP_RUN = 5
_STEP_SIGMA = 3.0
# Residuals beyond so many robust sigma are outliers and tell nothing about the scatter.
DEFAULT_CLIP = 3.5
# An epoch may last for years; how it scatters is seen from its newest points.
_EPOCH_SCATTER = 200
# Student's t against the normal distribution at 2.5 sigma is 1 + 1.8/n, of which the level's own
# uncertainty in the residuals makes up a part.
_WIDENING = 1.1
# Points gone through at once.
_LOT = 256


@dataclass(frozen=True, slots=True)
class Expected:
    """What a baseline says about each value asked for.

    Attributes
    ----------
    populations
        The expected value as mean and median; the scatter of the residuals, plain without outliers
        and robust; `n` residuals were there to measure it.
    since
        MJD of the first point of a new level that the baseline follows without anybody having
        declared it, as long as that is within the window; NaN otherwise.
    """

    populations: Populations
    since: Values


def repeats(ordered: Values) -> Flags:
    """Tell the values of a series, in the order of time, that repeat the one before.

    Examples
    --------
    >>> repeats(np.array([1.5, 1.5, 2.0, 1.5])).tolist()
    [False, True, False, False]
    """
    found = np.zeros(ordered.size, dtype=bool)
    found[1:] = ordered[1:] == ordered[:-1]
    return found


def expect(
    point_times: Values,
    points: Values,
    at: Values,
    baseline: Baseline,
    *,
    window_days: float | None = None,
    window_points: int | None = None,
    clip: float | None = None,
    cuts: Sequence[float] = (),
) -> Expected:
    """Return what a series is expected to be, from nothing but earlier points of the same epoch.

    Parameters
    ----------
    point_times, points
        MJD and value of the independent measurements, in the order of time.
    at
        Instants asked for; points of the very instant are not earlier.
    baseline
        How.
    window_days, window_points
        How far back residuals tell the scatter; None is no limit of that kind.
    clip
        Leave out of the plain scatter what lies farther than this, in robust sigma; None is 3.5.
    cuts
        MJDs at which an epoch begins, whatever the values do.
    """
    if baseline.kind is BaselineKind.EPOCH and window_days is None and window_points is None:
        window_points = _EPOCH_SCATTER
    times = _Times(point_times, baseline.gap_days, cuts, window_days, window_points)
    # Numbers beyond the range of floats become infinities and then NaN, which is "not known".
    with np.errstate(over="ignore", invalid="ignore"):
        series = _Series(points, baseline, times.rows(point_times))
        return series.answer(times.rows(at), point_times, DEFAULT_CLIP if clip is None else clip)


@dataclass(frozen=True, slots=True)
class _Rows:
    """For each instant: its epoch begins at `epoch`, residuals count in ``[start, stop)``."""

    epoch: Places
    start: Places
    stop: Places

    def __getitem__(self, part: slice) -> "_Rows":
        return _Rows(self.epoch[part], self.start[part], self.stop[part])


@dataclass(frozen=True, slots=True)
class _Times:
    """Where epochs and windows begin, as places among the points."""

    points: Values
    gap_days: float | None
    cuts: Sequence[float]
    window_days: float | None
    window_points: int | None

    def rows(self, at: Values) -> _Rows:
        stop = np.searchsorted(self.points, at, side="left")
        start = epoch = np.searchsorted(self.points, last_cut(at, self.cuts), side="left")
        if self.gap_days is not None and self.points.size:
            # A pause ends what is known of the level, not of the scatter.
            epoch = np.maximum(epoch, self._after_gap(at, stop, self.gap_days))
        if self.window_days is not None:
            begin = np.searchsorted(self.points, at - self.window_days, side="left")
            start = np.maximum(start, begin)
        if self.window_points is not None:
            start = np.maximum(start, stop - self.window_points)
        return _Rows(epoch, np.minimum(start, stop), stop)

    def _after_gap(self, at: Values, stop: Places, gap_days: float) -> Places:
        """Return the place of the first point after the newest long pause before each instant."""
        pauses = np.flatnonzero(np.diff(self.points, prepend=self.points[0]) > gap_days)
        after = np.concatenate([[0], pauses])
        found = after[np.searchsorted(after, stop - 1, side="right") - 1]
        paused = (stop > 0) & (at - self.points[stop - 1] > gap_days)
        return np.where(stop == 0, 0, np.where(paused, stop, found))


class _Series:
    """The residuals of a series, and the new levels it jumped to without a word.

    Points are gone through in the order of time, a lot at once: a jump that is found changes what
    is expected of all that follow, and of none before its last point.
    """

    def __init__(self, points: Values, baseline: Baseline, rows: _Rows) -> None:
        self.points = points
        self.baseline = baseline
        self.levels = _levels(points, baseline)
        self.residuals = unknown(points.size)
        # The points that make a jump count in no scatter once it is known to be one.
        self.dropped_from = np.full(points.size, np.inf)
        self.jumps: list[int] = []
        self._go_through(rows)

    def _go_through(self, rows: _Rows) -> None:
        side = np.zeros(self.points.size, dtype=np.int8)
        place = 0
        while place < self.points.size:
            part = slice(place, place + _LOT)
            found = rows[part]
            self.residuals[part] = self.points[part] - self.level(found)
            far = np.maximum(_STEP_SIGMA * self.scatter(found).robust, self.baseline.min_effect)
            # Comparisons with NaN are false: where no scatter is known yet, nothing is far.
            is_far = np.abs(self.residuals[part]) > far
            side[part] = np.where(is_far, np.sign(self.residuals[part]), 0)
            jump = _first_run(side, rows.epoch, max(place - STEP_RUN + 1, 0), place + _LOT)
            if jump is None:
                place += _LOT
            else:
                place = jump + STEP_RUN
                self.jumps.append(jump)
                self.dropped_from[jump:place] = place
                side[jump:place] = 0

    def base(self, rows: _Rows) -> Places:
        """Return where the level of each row begins: its epoch, or the newest jump known by then."""
        jumps = np.array([-STEP_RUN, *self.jumps])
        newest = jumps[np.searchsorted(jumps + STEP_RUN, rows.stop, side="right") - 1]
        found: Places = np.maximum(rows.epoch, newest)
        return found

    def level(self, rows: _Rows) -> Values:
        """Return the expected value; NaN where there are fewer than three points."""
        base = self.base(rows)
        enough = rows.stop - base >= FEWEST
        level = unknown(rows.stop.size)
        level[enough] = self.levels.of(base[enough], rows.stop[enough])
        return level

    def scatter(self, rows: _Rows) -> "_Scatter":
        """Return what the residuals of each row's window say of the scatter."""
        windows = Windows(rows.start, rows.stop, np.full(rows.stop.size, -1))
        found = windows.matrix(self.residuals, fill=np.nan)
        found[windows.matrix(self.dropped_from) <= rows.stop[:, None]] = np.nan
        # NaN is sorted to the end.
        sizes = np.sort(np.abs(found), axis=1)
        n = np.isfinite(sizes).sum(axis=1)
        widened = _widened(n, _memory(found))
        robust = np.where(n >= STEP_RUN, MAD_TO_SIGMA * medians(sizes, n) * widened, np.nan)
        return _Scatter(n, sizes, widened, robust)

    def answer(self, rows: _Rows, point_times: Values, clip: float) -> Expected:
        windows = Windows(rows.start, rows.stop, np.full(rows.stop.size, -1))
        n = np.zeros(rows.stop.size, dtype=np.intp)
        robust, plain = unknown(n.size), unknown(n.size)
        for part in windows.chunks():
            scatter = self.scatter(rows[part])
            n[part], robust[part], plain[part] = scatter.n, scatter.robust, scatter.plain(clip)
        level, base = self.level(rows), self.base(rows)
        jumped = (base > rows.epoch) & (base >= rows.start)
        since = unknown(n.size)
        since[jumped] = point_times[base[jumped]]
        return Expected(Populations(n, level, level, plain, robust), since)


@dataclass(frozen=True, slots=True)
class _Scatter:
    """The sizes of the residuals in a window, sorted, and the robust scatter made of them."""

    n: Places
    sizes: Values
    widened: Values
    robust: Values

    def plain(self, clip: float) -> Values:
        """Return the root mean square of the residuals within so many robust sigma."""
        far = clip * self.robust
        # Where no robust scatter is known or it is none, nothing is far.
        is_far = (far > 0)[:, None] & (self.sizes > far[:, None])
        kept = np.isfinite(self.sizes) & ~is_far
        rows = np.flatnonzero(self.n >= STEP_RUN)
        plain = unknown(self.n.size)
        if rows.size:
            count = kept[rows].sum(axis=1)
            flat = self.sizes[rows][kept[rows]]
            starts = np.cumsum(count) - count
            plain[rows] = np.sqrt(sums(flat * flat, starts) / count) * self.widened[rows]
        return plain


def _memory(residuals: Values) -> Values:
    """Return the correlation of neighbours, from how often they lie on the same side.

    Of normally distributed ones a share of 1/2 + arcsin(correlation)/pi does; outliers do not
    matter. Four made-up pairs, two on the same side, keep a handful from saying too much.
    """
    side = np.sign(np.nan_to_num(residuals))
    pairs = side[:, 1:] * side[:, :-1]
    share = ((pairs > 0).sum(axis=1) + 2) / ((pairs != 0).sum(axis=1) + 4)
    memory: Values = np.sin(np.pi * np.maximum(share - 0.5, 0.0))
    return memory


def _widened(n: Places, memory: Values) -> Values:
    """Return by how much the scatter of few residuals must be widened to be trusted.

    The fewer there are, and the more alike neighbours, the more often they lie closer together by
    chance than the next will. So many of them are worth fewer independent ones.
    """
    worth = np.maximum(n, 1) * (1 - memory**2) / (1 + memory**2)
    widened: Values = 1 + _WIDENING / worth
    return widened


def _first_run(side: NDArray[np.int8], epoch: Places, begin: int, end: int) -> int | None:
    """Return where the first run within ``[begin, end)`` starts that lies on one side of one epoch."""
    side, epoch = side[begin:end], epoch[begin:end]
    if side.size < STEP_RUN:
        return None
    last = side.size - STEP_RUN + 1
    run = (side[:last] != 0) & (epoch[:last] == epoch[STEP_RUN - 1 :])
    for n in range(1, STEP_RUN):
        run &= side[n : last + n] == side[:last]
    return begin + int(np.argmax(run)) if run.any() else None


class _RollingLevels:
    """Medians of the newest few points: of each number of them, up to each place."""

    def __init__(self, points: Values, most: int) -> None:
        self.most = most
        self.table = np.full((most + 1, points.size + 1), np.nan)
        for n in range(1, min(most, points.size) + 1):
            windows = np.sort(np.lib.stride_tricks.sliding_window_view(points, n), axis=1)
            self.table[n, n:] = medians(windows, np.full(windows.shape[0], n))

    def of(self, base: Places, stop: Places) -> Values:
        found: Values = self.table[np.minimum(stop - base, self.most), stop]
        return found


class _EpochLevels:
    """Medians of all points since a place, up to each place; made as far as they are asked for."""

    def __init__(self, points: Values) -> None:
        self.points = points
        self.known: dict[int, tuple[list[float], list[float]]] = {}

    def of(self, base: Places, stop: Places) -> Values:
        return np.array([self._of(int(b), int(s)) for b, s in zip(base, stop, strict=True)])

    def _of(self, base: int, stop: int) -> float:
        ordered, found = self.known.setdefault(base, ([], []))
        for point in self.points[base + len(found) : stop].tolist():
            insort(ordered, point)
            low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
            found.append(low if low == high else (low + high) / 2)
        return found[stop - base - 1]


def _levels(points: Values, baseline: Baseline) -> _RollingLevels | _EpochLevels:
    if baseline.kind is BaselineKind.EPOCH:
        return _EpochLevels(points)
    return _RollingLevels(points, baseline.points)
