"""hcm_detmon: read noise and conversion factor by photon transfer, from pairs of flats.

Photon noise of N electrons is sqrt(N): over many levels of light the variance of a frame in ADU grows
by one part in the conversion factor for each ADU of signal. The difference of two frames of the same
level is free of all that the frames have in common. A detector whose response bends, or whose full
pixels spill into their neighbours, makes the growth itself depend on the level; so a line is fitted
through variance over signal, and the conversion factor taken where it meets the darkness.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import IllegalInputError
from .frames import Detector, spread
from .measure import MOST_NOISE, clipped_pieces, frame_noise, pieces
from .recipe import COMMON_PARAMETERS, QC, Recipe, Reduced, Stack
from .series import Line, Lit, level_of, series_of, straight_line

_MIN_LEVELS = 4
# The brightest pair must show more variance than read noise has, by this factor.
_LIT = 2.0
# Noise that falls to less than this part of what the line promises is that of full pixels.
_FULL = 0.5
# Near the full well some pixels are full already.
_BELOW_FULL = 0.9


@dataclass(frozen=True)
class Transfer:
    """Signal (ADU above bias) and variance of one frame (ADU²) at each exposure time (s)."""

    exptimes_s: NDArray[np.float64]
    signals: NDArray[np.float64]
    variances: NDArray[np.float64]

    def below(self, signal: float) -> "Transfer":
        some = self.signals <= signal
        return Transfer(self.exptimes_s[some], self.signals[some], self.variances[some])


def reduce_detmon(stack: Stack) -> Reduced:
    series = series_of(stack, n_dark=2, n_levels=_MIN_LEVELS, n_each=2)
    read_noise = frame_noise(series.dark)
    dark_level = series.dark_level()
    transfer = _transfer([_of_pair(lit, dark_level) for lit in series.lit])
    if transfer.signals.min() <= 0 or transfer.variances.max() < _LIT * read_noise**2:
        raise IllegalInputError(
            f"{stack.detectors[0].path.name}[{stack.name}]: the noise does not grow with the light; "
            "was the lamp on?"
        )
    fitted = _linear_part(transfer)
    line = _slope(fitted, read_noise)
    gain = 1 / line.offset
    measurements = (
        QC("QC PTC GAIN", gain, "[e-/ADU] conversion factor"),
        QC("QC PTC RON ADU", read_noise, "[ADU] read noise of one frame"),
        QC("QC PTC RON", read_noise * gain, "[e-] read noise of one frame"),
        QC("QC PTC RESID", 100 * line.scatter / line.offset, "[%] scatter about the fit"),
        QC("QC PTC NLEVELS", int(fitted.signals.size), "[] exposure times in the fit"),
        QC("QC PTC LEVEL MAX", float(fitted.signals.max()), "[ADU] highest level in the fit"),
        *_full_well(transfer, line, read_noise),
    )
    curve = np.array([transfer.exptimes_s, transfer.signals, transfer.variances], np.float32)
    return Reduced({"MASTER_PTC": curve}, measurements)


def _of_pair(lit: Lit, dark_level: float) -> tuple[float, float, float]:
    """Measure exposure time, signal and variance of the first two frames of an exposure time."""
    first, second = lit.detectors[:2]
    levels = level_of(first) - dark_level, level_of(second) - dark_level
    # A lamp that has moved between the two would show as noise.
    ratio = levels[0] / levels[1] if min(levels) > 0 else 1.0
    rest = clipped_pieces(lambda: _rest(first, second, ratio, dark_level))
    return lit.exptime_s, sum(levels) / 2, rest.sigma**2 / (1 + ratio**2)


def _rest(
    first: Detector, second: Detector, ratio: float, dark_level: float
) -> Iterator[NDArray[np.float32]]:
    # The same constant is left in all differences: the clipped scatter does not see it.
    for start, stop in spread(*first.area.shape, MOST_NOISE):
        scaled = second.rows(start, stop) * np.float32(ratio)
        yield from pieces(first.rows(start, stop) - scaled)


def _transfer(measured: list[tuple[float, float, float]]) -> Transfer:
    exptimes_s, signals, variances = np.array(measured, np.float64).T
    return Transfer(exptimes_s, signals, variances)


def _linear_part(transfer: Transfer) -> Transfer:
    """Leave out full levels: the noise grows with the light until pixels are full."""
    top = int(np.argmax(transfer.variances))
    if top == transfer.signals.size - 1:
        return transfer
    part = transfer.below(_BELOW_FULL * float(transfer.signals[-1]))
    if part.signals.size < _MIN_LEVELS - 1:
        raise IllegalInputError(
            f"only {part.signals.size} levels are below the full well of "
            f"{transfer.signals[-1]:.0f} ADU; take shorter exposures"
        )
    return part


def _slope(transfer: Transfer, read_noise: float) -> Line:
    """Fit variance per signal, which is ADU per electron in the dark, against the signal."""
    of_light = transfer.variances - read_noise**2
    return straight_line(transfer.signals, of_light / transfer.signals)


def _full_well(transfer: Transfer, line: Line, read_noise: float) -> tuple[QC, ...]:
    signal, variance = float(transfer.signals[-1]), float(transfer.variances[-1])
    promised = read_noise**2 + signal * (line.offset + line.slope * signal)
    if variance >= _FULL * promised:
        return ()
    return (QC("QC PTC FULLWELL", signal, "[ADU] above bias, where pixels are full"),)


RECIPE = Recipe(
    name="hcm_detmon",
    kind="PTC",
    products={"MASTER_PTC": "master_ptc.fits"},
    reduce=reduce_detmon,
    parameters=COMMON_PARAMETERS,
    is_series=True,
)
