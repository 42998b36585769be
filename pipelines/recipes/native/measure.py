"""Levels and noises of images, robust against cosmic hits, and not stuck to whole ADU."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .frames import Detector

CLIP_SIGMA = 5.0
_MAX_ROUNDS = 20
_MAX_PAIRS = 3


@dataclass(frozen=True)
class Clipped:
    """Mean and standard deviation of what is left after clipping, and how much that is."""

    mean: float
    sigma: float
    n: int


def clipped(values: NDArray[np.floating[Any]], kappa: float = CLIP_SIGMA) -> Clipped:
    """Take out values farther than kappa sigma from the mean until none is left to take.

    Unlike a median and a MAD, the result of integer data is not itself one of a few integers,
    so a drift of a hundredth of an ADU can be followed.
    """
    kept = values.ravel()
    for _ in range(_MAX_ROUNDS):
        mean, sigma = float(kept.mean(dtype=np.float64)), float(kept.std(dtype=np.float64))
        inside = np.abs(kept - kept.dtype.type(mean)) <= kappa * sigma
        if inside.all():
            break
        kept = kept[inside]
    return Clipped(mean, sigma, kept.size)


def median_level(values: NDArray[Any]) -> float:
    """Give the median, interpolated within the step of the data.

    The median of 200,000 integers is an integer, and stays the same while the level moves by almost
    one ADU. Each value v of data in steps of s stands for the range v - s/2 to v + s/2; the median
    is where half of the pixels lie below.
    """
    median = float(np.median(values))
    step = _step(values)
    at = int(np.count_nonzero(values == median))
    if not step or not at:
        return median
    below = int(np.count_nonzero(values < median))
    return median - step / 2 + step * (values.size / 2 - below) / at


def _step(values: NDArray[Any]) -> float:
    """Tell the spacing of data: whole ADU, halves (of an even number of frames), or 0 for none."""
    for step in (1.0, 0.5):
        scaled = values / step
        if np.array_equal(scaled, np.rint(scaled)):
            return step
    return 0.0


def frame_noise(detectors: Sequence[Detector]) -> float:
    """Measure the noise of one frame (ADU) from differences of two, median of up to three pairs."""
    pairs = list(zip(detectors[0::2], detectors[1::2], strict=False))[:_MAX_PAIRS]
    sigmas = [clipped(first.pixels() - second.pixels()).sigma for first, second in pairs]
    return float(np.median(sigmas) / np.sqrt(2.0))


def overscan_level(detectors: Sequence[Detector]) -> float | None:
    """Give the median over frames of the mean level outside the light-sensitive area (ADU)."""
    regions = [region for d in detectors if (region := d.overscan()) is not None]
    return float(np.median([clipped(region).mean for region in regions])) if regions else None
