"""hcm_flat: the response of the pixels to light, and by its noise the conversion factor.

Photon noise of N electrons is sqrt(N), so the variance of a flat in ADU tells how many electrons an
ADU is (photon transfer). Small boxes keep the lamp's shape out of it: in each the row and column
means are taken out, the difference of two frames is pure noise, and what the two have in common is
the pixels' own response. The median over boxes does not care for cosmic hits and dead pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import IllegalInputError
from .recipe import COMMON_PARAMETERS, QC, Parameter, Recipe, Reduced, Stack
from .stack import combine

_BOX = 16
_LIT_SIGMA = 5.0


@dataclass(frozen=True)
class PhotonTransfer:
    """Conversion factor (e-/ADU) and fixed pattern noise (%) of a pair of flats."""

    gain: float
    fixed_pattern: float


def reduce_flat(stack: Stack) -> Reduced:
    background = _background(stack)
    master = combine(stack.detectors) - background
    read_noise = _read_noise(stack)
    level = _lit_level(master, read_noise, stack)
    transfer = photon_transfer(
        stack.detectors[0].pixels() - background,
        stack.detectors[1].pixels() - background,
        read_noise=read_noise,
    )
    master /= np.float32(level)
    bad = _unlike_neighbours(master, stack.parameters["bad-below"], stack.parameters["bad-above"])
    measurements = (
        QC("QC FLAT LEVEL", level, "[ADU] median above bias"),
        QC("QC FLAT FLUX", level / stack.exposed_s(), "[ADU/s] brightness of the lamp"),
        QC("QC FLAT GAIN", transfer.gain, "[e-/ADU] conversion factor"),
        QC("QC FLAT FPN", transfer.fixed_pattern, "[%] fixed pattern noise"),
        QC("QC FLAT NBAD", int(np.count_nonzero(bad)), "[] pixels of odd response"),
        QC("QC FLAT NSATUR", stack.saturated, "[] saturated pixels in all frames"),
    )
    return Reduced({"MASTER_FLAT": master, "BAD_PIXEL_MAP": bad.astype(np.uint8)}, measurements)


def _background(stack: Stack) -> NDArray[np.float32]:
    """Give bias, and dark for the exposure time when a master dark is there."""
    background = stack.bias()
    if "MASTER_DARK" in stack.calibrations:
        dark = stack.calibrations["MASTER_DARK"].exptime_s
        scale = np.float32(stack.exposed_s() / dark)
        background += scale * stack.calibration("MASTER_DARK").pixels()
    return background


def _lit_level(master: NDArray[np.float32], read_noise: float, stack: Stack) -> float:
    level = float(np.median(master))
    if level <= _LIT_SIGMA * read_noise:
        raise IllegalInputError(
            f"{stack.detectors[0].path.name}[{stack.name}]: {level:.1f} ADU above bias, at least "
            f"{_LIT_SIGMA * read_noise:.1f} expected; was the lamp on?"
        )
    return level


def _read_noise(stack: Stack) -> float:
    """Take the read noise from the master bias; without it none: the light's own is far larger."""
    return stack.calibration("MASTER_BIAS").hdu.header.number("ESO QC BIAS RON RAW") or 0.0


def photon_transfer(
    first: NDArray[np.float32], second: NDArray[np.float32], read_noise: float
) -> PhotonTransfer:
    """Measure conversion factor and fixed pattern noise of two flats above background (ADU)."""
    a, b = boxes(first), boxes(second)
    level, other_level = _levels(a), _levels(b)
    lit = (level > 0) & (other_level > 0)
    a, b, level, other_level = a[lit], b[lit], level[lit], other_level[lit]
    # A lamp that has moved between the two would show as pattern in the difference.
    b *= (level / other_level)[:, np.newaxis, np.newaxis]
    a, b = _flattened(a), _flattened(b)
    freedom = (_BOX - 1) ** 2
    noise = ((a - b) ** 2).sum(axis=(1, 2), dtype=np.float64) / freedom - 2 * read_noise**2
    common = (a * b).sum(axis=(1, 2), dtype=np.float64) / freedom
    if not lit.any() or np.median(noise) <= 0:
        raise IllegalInputError(
            "two flats differ by less than the read noise; is one frame given twice, or the lamp off?"
        )
    gain = float(np.median(2 * level / noise))
    pattern = max(0.0, float(np.median(common / level**2))) ** 0.5
    return PhotonTransfer(gain, 100 * pattern)


def boxes(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut an image into boxes (box, row, column); what is left at the edges is not used."""
    rows, columns = _whole_boxes(image)
    cut = image[: rows * _BOX, : columns * _BOX].reshape(rows, _BOX, columns, _BOX)
    return cut.swapaxes(1, 2).reshape(-1, _BOX, _BOX).copy()


def _whole_boxes(image: NDArray[np.float32]) -> tuple[int, int]:
    rows, columns = image.shape[0] // _BOX, image.shape[1] // _BOX
    if not rows or not columns:
        raise IllegalInputError(
            f"a flat of {image.shape} pixels, at least {_BOX}x{_BOX} expected; take larger windows"
        )
    return rows, columns


def _levels(cut: NDArray[np.float32]) -> NDArray[np.float32]:
    levels: NDArray[np.float32] = cut.mean(axis=(1, 2))
    return levels


def _flattened(cut: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take out row and column means of each box: no lamp is structured on that scale."""
    flat: NDArray[np.float32] = cut - cut.mean(axis=1, keepdims=True)
    flat -= flat.mean(axis=2, keepdims=True)
    return flat


def _unlike_neighbours(
    response: NDArray[np.float32], below: float, above: float
) -> NDArray[np.bool_]:
    """Find pixels whose response differs from the median of their box."""
    rows, columns = _whole_boxes(response)
    medians = np.median(boxes(response), axis=(1, 2)).reshape(rows, columns)
    surroundings = medians.repeat(_BOX, axis=0).repeat(_BOX, axis=1)
    missing = [
        (0, size - have) for size, have in zip(response.shape, surroundings.shape, strict=True)
    ]
    surroundings = np.pad(surroundings, missing, mode="edge")
    return (response < below * surroundings) | (response > above * surroundings)


RECIPE = Recipe(
    name="hcm_flat",
    kind="FLAT",
    products={"MASTER_FLAT": "master_flat.fits", "BAD_PIXEL_MAP": "bad_pixel_map.fits"},
    reduce=reduce_flat,
    needs=("MASTER_BIAS",),
    may_use=("MASTER_DARK",),
    parameters=(
        *COMMON_PARAMETERS,
        Parameter("bad-below", 0.7, 0.0, 1.0, "lowest good response, of the surroundings"),
        Parameter("bad-above", 1.3, 1.0, 100.0, "highest good response, of the surroundings"),
    ),
)
