"""A series of lamp exposures of growing length: the same detector at many levels of light."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import IllegalInputError
from .frames import Detector, spread
from .measure import MOST_NOISE, clipped_pieces, pieces
from .recipe import Stack


@dataclass(frozen=True)
class Lit:
    """The frames of one exposure time."""

    exptime_s: float
    detectors: tuple[Detector, ...]


@dataclass(frozen=True)
class Series:
    """Frames of no exposure time, and the lit ones by exposure time, the shortest first."""

    dark: tuple[Detector, ...]
    lit: tuple[Lit, ...]

    def dark_level(self) -> float:
        """Give the level without light (ADU)."""
        return float(np.mean([level_of(detector) for detector in self.dark]))


@dataclass(frozen=True)
class Line:
    """A straight line through points of equal weight, and the scatter about it."""

    offset: float
    slope: float
    scatter: float


def series_of(stack: Stack, *, n_dark: int, n_levels: int, n_each: int) -> Series:
    """Sort the frames of a stack by exposure time.

    Raises
    ------
    IllegalInputError
        Fewer than `n_dark` frames are of no exposure time, or fewer than `n_levels` exposure times
        have `n_each` frames.
    """
    by_time: dict[float, list[Detector]] = {}
    for exptime_s, detector in zip(stack.exptimes_s, stack.detectors, strict=True):
        by_time.setdefault(exptime_s, []).append(detector)
    dark = tuple(by_time.pop(0.0, ()))
    lit = tuple(Lit(t, tuple(each)) for t, each in sorted(by_time.items()) if len(each) >= n_each)
    if len(dark) < n_dark or len(lit) < n_levels:
        raise IllegalInputError(
            f"{stack.detectors[0].path.name} and following: {len(dark)} frames of EXPTIME = 0 and "
            f"{len(lit)} exposure times with {n_each} frames or more, at least {n_dark} and "
            f"{n_levels} expected; take a longer series"
        )
    return Series(dark, lit)


def level_of(detector: Detector) -> float:
    """Give the clipped mean of a detector (ADU), of a large one from strips spread evenly."""
    return clipped_pieces(lambda: _adu(detector)).mean


def _adu(detector: Detector) -> Iterator[NDArray[np.float32]]:
    for start, stop in spread(*detector.area.shape, MOST_NOISE):
        yield from pieces(detector.rows(start, stop) + np.float32(detector.hdu.zero))


def straight_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> Line:
    """Fit y = offset + slope x; three points or more."""
    apart = x - x.mean()
    slope = float((apart * y).sum() / (apart**2).sum())
    offset = float(y.mean()) - slope * float(x.mean())
    rest = y - offset - slope * x
    return Line(offset, slope, float(((rest**2).sum() / (x.size - 2)) ** 0.5))
