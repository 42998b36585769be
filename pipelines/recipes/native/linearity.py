"""hcm_linearity: how far the response of a detector is from proportional to the light.

Of a steady lamp the level over the exposure time is the same at all exposure times; what it loses
with the level is the non-linearity. With true light x (ADU) the level read is x + c x²; c is the
coefficient. A pixel that bends otherwise than the rest is marked.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import IllegalInputError
from .measure import clipped, median_level
from .recipe import COMMON_PARAMETERS, QC, Parameter, Recipe, Reduced, Stack
from .series import Line, Lit, Series, level_of, series_of, straight_line
from .stack import combine

_MIN_LEVELS = 4
# A level that fell behind the line through the lowest ones by more is that of full pixels.
_NOT_FULL = 0.85
_ONE_PERCENT = 0.01


@dataclass(frozen=True)
class Response:
    """Level (ADU above bias) at each exposure time (s), and the line of level over time."""

    exptimes_s: NDArray[np.float64]
    levels: NDArray[np.float64]
    line: Line

    @property
    def deviations(self) -> NDArray[np.float64]:
        """Give the part by which each level is off what the light promises."""
        return self.levels / (self.line.offset * self.exptimes_s) - 1

    @property
    def coefficient(self) -> float:
        """Give c of level = light + c light² (1/ADU)."""
        return self.line.slope / self.line.offset**2


def reduce_linearity(stack: Stack) -> Reduced:
    series = series_of(stack, n_dark=1, n_levels=_MIN_LEVELS, n_each=1)
    lit = _not_full(series)
    response = _response(lit, series.dark_level())
    odd = _odd_pixels(series, lit, response, stack.parameters["odd-kappa"])
    worst = int(np.argmax(np.abs(response.deviations)))
    line, coefficient = response.line, response.coefficient
    measurements = (
        QC("QC LINEARITY COEF", coefficient, "[1/ADU] level = light + COEF light**2"),
        QC("QC LINEARITY DEV", 100 * float(response.deviations[worst]), "[%] largest deviation"),
        *_reach(response),
        QC("QC LINEARITY RESID", 100 * line.scatter / line.offset, "[%] scatter about the fit"),
        QC("QC LINEARITY FLUX", line.offset, "[ADU/s] light of the lamp"),
        QC("QC LINEARITY LEVEL MAX", float(response.levels[-1]), "[ADU] highest level in the fit"),
        QC("QC LINEARITY NLEVELS", len(lit), "[] exposure times in the fit"),
        QC("QC LINEARITY NODD", int(np.count_nonzero(odd)), "[] pixels that bend otherwise"),
    )
    curve = np.array([response.exptimes_s, response.levels, 100 * response.deviations], np.float32)
    images: dict[str, NDArray[Any]] = {
        "MASTER_LINEARITY": curve,
        "NONLINEAR_PIXEL_MAP": odd.astype(np.uint8),
    }
    return Reduced(images, measurements)


def _not_full(series: Series) -> tuple[Lit, ...]:
    """Return the levels below that of full pixels.

    Raises
    ------
    IllegalInputError
        Too few of them for a line and its scatter.
    """
    dark_level = series.dark_level()
    rates = [_level(lit, dark_level) / lit.exptime_s for lit in series.lit]
    usual = float(np.median(rates[: _MIN_LEVELS - 1]))
    kept = [lit for lit, rate in zip(series.lit, rates, strict=True) if rate > _NOT_FULL * usual]
    if len(kept) < _MIN_LEVELS:
        first = series.lit[0].detectors[0].path.name
        raise IllegalInputError(
            f"{first} and following: {len(kept)} of {len(rates)} exposure times are below the level "
            f"of full pixels, at least {_MIN_LEVELS} expected; take shorter exposures"
        )
    return tuple(kept)


def _level(lit: Lit, dark_level: float) -> float:
    return float(np.mean([level_of(detector) for detector in lit.detectors])) - dark_level


def _response(lit: tuple[Lit, ...], dark_level: float) -> Response:
    exptimes_s = np.array([each.exptime_s for each in lit])
    levels = np.array([_level(each, dark_level) for each in lit])
    return Response(exptimes_s, levels, straight_line(exptimes_s, levels / exptimes_s))


def _reach(response: Response) -> tuple[QC, ...]:
    """Tell the level at which one per cent is missing or too much, if it is within those seen."""
    if not response.coefficient:
        return ()
    light = _ONE_PERCENT / abs(response.coefficient)
    level = light * (1 + response.coefficient * light)
    if level > response.levels[-1]:
        return ()
    return (QC("QC LINEARITY LEVEL ONE", level, "[ADU] where the deviation is 1 %"),)


def _odd_pixels(
    series: Series, lit: tuple[Lit, ...], response: Response, kappa: float
) -> NDArray[np.bool_]:
    """Find pixels that grow from a low to the highest level by another factor than the rest."""
    low = lit[int(np.argmin(np.abs(response.levels - response.levels[-1] / 3)))]
    bias = combine(series.dark)
    grown = combine(lit[-1].detectors) - bias
    before = combine(low.detectors) - bias
    dead = before <= 0
    before[dead] = 1.0
    grown /= before
    # A pixel with little light has a noisy ratio: each is judged by its own noise.
    core = clipped(grown)
    noise = core.sigma * np.sqrt(np.float32(max(median_level(before), 1.0)) / np.maximum(before, 1))
    odd: NDArray[np.bool_] = (np.abs(grown - core.mean) > kappa * noise) | dead
    return odd


RECIPE = Recipe(
    name="hcm_linearity",
    kind="LINEARITY",
    products={
        "MASTER_LINEARITY": "master_linearity.fits",
        "NONLINEAR_PIXEL_MAP": "nonlinear_pixel_map.fits",
    },
    reduce=reduce_linearity,
    parameters=(
        *COMMON_PARAMETERS,
        Parameter(
            "odd-kappa", 8.0, 3.0, 1000.0, "distance of a pixel that bends otherwise, in sigma"
        ),
    ),
    is_series=True,
)
