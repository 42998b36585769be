"""The physics of one detector: what a readout shows of bias, noise, darkness, light and defects."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .patterns import pattern
from .seeds import generator

SATURATION = 65535
NONLINEAR_AT_ADU = 50_000.0
NONLINEAR_PIXEL = 0.4
_PATTERN_COLUMNS = 64


@dataclass(frozen=True)
class Chip:
    """A detector's layout in pixels: the lit part, and what is read before and after it."""

    name: str
    nx: int
    ny: int
    prescan: int
    overscan: int
    prescan_y: int = 0
    overscan_y: int = 0
    # Infrared detectors: int32 is one integration, float32 the mean of several.
    pixel_type: Literal["uint16", "int32", "float32"] = "uint16"

    @property
    def shape(self) -> tuple[int, int]:
        return (
            self.prescan_y + self.ny + self.overscan_y,
            self.prescan + self.nx + self.overscan,
        )

    @property
    def lit(self) -> tuple[slice, slice]:
        return (
            slice(self.prescan_y, self.prescan_y + self.ny),
            slice(self.prescan, self.prescan + self.nx),
        )


@dataclass(frozen=True)
class Physics:
    """What is true of a detector in one template; the numbers a recipe should find again.

    `bias_adu` and `lamp_adu_s` are medians over the lit part; gradients are from edge to edge.
    Under a pattern of light `lamp_adu_s` is the flux at its peak. `ron_adu` is of one integration.
    `uneven` scales the
    unevenness of the illumination.
    """

    bias_adu: float
    ron_adu: float
    conad: float  # electrons per ADU
    gradient_x_adu: float = 0.0
    gradient_y_adu: float = 0.0
    pattern_adu: float = 0.0
    wander_adu: float = 0.0  # scatter of the level from frame to frame
    odd_bias_pixels: int = 0
    dark_e_h: float = 0.0
    hot_pixels: int = 0
    lamp_adu_s: float = 0.0
    prnu: float = 0.0
    dead_pixels: int = 0
    cosmics_per_hour: float = 0.0
    lowest_hot_e_h: float = 400.0
    uneven: float = 1.0
    # Part of the light that is missing at NONLINEAR_AT_ADU, less in proportion below.
    nonlinear: float = 0.0
    nonlinear_pixels: int = 0  # they miss NONLINEAR_PIXEL there
    full_well_adu: float = 0.0  # above the bias; 0: beyond what can be written
    arc_lines: int = 0
    arc_adu_s: float = 0.0  # peak of the brightest line
    line_fwhm_px: float = 0.0
    line_shift_px: float = 0.0


@dataclass(frozen=True)
class Light:
    """What falls on the detector: the lamp for a time, or nothing for a time.

    A frame is the mean of `integrations` of `exptime_s` each. `pattern` names how the lamp falls
    on the detector (see `patterns`), "" for all over it.
    """

    exptime_s: float
    lamp_on: bool = False
    lamp_factor: float = 1.0
    integrations: int = 1
    pattern: str = ""


def expose(chip: Chip, physics: Physics, light: Light, detector: str, frame: str) -> NDArray[Any]:
    """Read a detector out.

    Parameters
    ----------
    chip, physics, light
        the layout, the truth, and the exposure
    detector
        name of the detector: fixes where its hot, dead and odd pixels are
    frame
        name of the frame: fixes the noise

    Returns
    -------
    array
        ADU, of the shape and the pixel type of the chip
    """
    chance = generator(frame, chip.name)
    adu = chance.standard_normal(chip.shape, np.float32)
    adu *= np.float32(physics.ron_adu / np.sqrt(light.integrations))
    adu += np.float32(physics.bias_adu + physics.wander_adu * chance.standard_normal())
    lit = adu[chip.lit]
    lit += _structure(chip, physics, detector)
    if light.lamp_on:
        lit += _read(chip, physics, _photons(chip, physics, light, detector, chance), detector)
    if light.exptime_s > 0:
        lit += _darkness(chip, physics, light, detector, chance)
    return _digitised(adu, chip, light.integrations)


def _digitised(adu: NDArray[np.float32], chip: Chip, integrations: int) -> NDArray[Any]:
    """Round to whole ADU of the sum of integrations; differences of two reads may be negative."""
    if chip.pixel_type == "float32":
        adu *= integrations
    np.rint(adu, out=adu)
    if chip.pixel_type == "float32":
        adu /= integrations
    np.clip(adu, 0 if chip.pixel_type == "uint16" else None, SATURATION, out=adu)
    return adu.astype(chip.pixel_type)


@lru_cache(maxsize=8)
def _structure(chip: Chip, physics: Physics, detector: str) -> NDArray[np.float32]:
    """Give gradient, column pattern and odd pixels of the bias, zero in the median."""
    x = np.linspace(-0.5, 0.5, chip.nx, dtype=np.float32)
    y = np.linspace(-0.5, 0.5, chip.ny, dtype=np.float32)
    columns = physics.gradient_x_adu * x + physics.pattern_adu * np.sin(
        2 * np.pi * np.arange(chip.nx, dtype=np.float32) / _PATTERN_COLUMNS
    )
    rows = physics.gradient_y_adu * y
    structure = (rows[:, np.newaxis] + columns).astype(np.float32)
    odd = _places(chip, detector, "odd", physics.odd_bias_pixels)
    structure.ravel()[odd] += 150.0
    return structure


def _photons(
    chip: Chip, physics: Physics, light: Light, detector: str, chance: np.random.Generator
) -> NDArray[np.float32]:
    """Give the light of the lamp in ADU, with its photon noise; many photons are nearly normal."""
    brightness = physics.lamp_adu_s * light.lamp_factor * light.exptime_s * physics.conad
    response = _response(chip, physics.prnu, physics.dead_pixels, detector, physics.uneven)
    electrons = response * np.float32(brightness)
    if light.pattern:
        electrons *= pattern(light.pattern, chip.name, chip.nx, chip.ny)
    if physics.arc_lines:
        electrons += _spectrum(chip, physics) * np.float32(light.exptime_s * physics.conad)
    noise = chance.standard_normal(electrons.shape, np.float32)
    noise *= np.sqrt(electrons / np.float32(light.integrations))
    electrons += noise
    electrons /= np.float32(physics.conad)
    return electrons


def _read(
    chip: Chip, physics: Physics, adu: NDArray[np.float32], detector: str
) -> NDArray[np.float32]:
    """Bend the light's ADU as the detector does: less than proportional, and full at a level."""
    if physics.nonlinear or physics.nonlinear_pixels:
        missing = np.full(adu.size, physics.nonlinear, np.float32)
        missing[_places(chip, detector, "nonlinear", physics.nonlinear_pixels)] = NONLINEAR_PIXEL
        adu *= 1 - missing.reshape(adu.shape) * adu / np.float32(NONLINEAR_AT_ADU)
    return np.minimum(adu, np.float32(physics.full_well_adu or np.inf))


def line_positions(chip: Chip, physics: Physics) -> NDArray[np.float64]:
    """Give where the arc lines are (columns of the lit part, from 0), apart enough to be told."""
    step = chip.nx / physics.arc_lines
    jitter = generator(chip.name, "arc").uniform(-0.25, 0.25, physics.arc_lines)
    places: NDArray[np.float64] = (np.arange(physics.arc_lines) + 0.5 + jitter) * step
    return places + physics.line_shift_px


def _spectrum(chip: Chip, physics: Physics) -> NDArray[np.float32]:
    """Give the arc lines along x in ADU/s; their widths are of the sampled profile."""
    peaks = generator(chip.name, "arc peaks").uniform(0.2, 1.0, physics.arc_lines)
    apart = np.arange(chip.nx)[:, np.newaxis] - line_positions(chip, physics)
    profiles = np.exp(-4 * np.log(2) * (apart / physics.line_fwhm_px) ** 2)
    spectrum: NDArray[np.float32] = (profiles @ (peaks / peaks.max())).astype(np.float32)
    return spectrum * np.float32(physics.arc_adu_s)


@lru_cache(maxsize=16)
def _response(
    chip: Chip, prnu: float, dead: int, detector: str, uneven: float
) -> NDArray[np.float32]:
    """Give illumination times response of the pixels, of median one."""
    x = np.linspace(-1, 1, chip.nx, dtype=np.float32)
    y = np.linspace(-1, 1, chip.ny, dtype=np.float32)[:, np.newaxis]
    shape = (1 + 0.03 * uneven * x) * (1 - 0.08 * uneven * (x**2 + y**2))
    pixels = generator(detector, chip.name, "response").standard_normal(shape.shape, np.float32)
    response: NDArray[np.float32] = shape / np.median(shape) * (1 + np.float32(prnu) * pixels)
    response.ravel()[_places(chip, detector, "dead", dead)] *= 0.4
    return response


def _darkness(
    chip: Chip, physics: Physics, light: Light, detector: str, chance: np.random.Generator
) -> NDArray[np.float32]:
    """Give what time alone collects, in ADU: dark current, hot pixels, cosmic hits."""
    hours = light.exptime_s * light.integrations / 3600
    electrons = chance.poisson(physics.dark_e_h * hours, (chip.ny, chip.nx)).astype(np.float32)
    flat = electrons.ravel()
    hot = _places(chip, detector, "hot", physics.hot_pixels)
    flat[hot] += chance.poisson(hours * hot_rates(chip, physics, detector))
    hits = chance.poisson(physics.cosmics_per_hour * hours)
    where = chance.integers(0, flat.size, hits)
    flat[where] += chance.uniform(500, 20000, hits)
    electrons /= np.float32(physics.conad * light.integrations)
    return electrons


def hot_rates(chip: Chip, physics: Physics, detector: str) -> NDArray[np.float64]:
    """Give the dark current of the hot pixels (e-/h), spread evenly in its logarithm."""
    spread = generator(detector, chip.name, "hot rates").random(physics.hot_pixels)
    rates: NDArray[np.float64] = physics.lowest_hot_e_h * 20**spread
    return rates


@lru_cache(maxsize=16)
def _places(chip: Chip, detector: str, kind: str, n: int) -> NDArray[np.int64]:
    """Choose n pixels of the lit part, the same ones for ever; a larger n adds to them."""
    if n == 0:
        return np.empty(0, np.int64)
    # A copy: the permutation of a whole detector is not to stay in memory.
    return generator(detector, chip.name, kind).permutation(chip.nx * chip.ny)[:n].copy()
