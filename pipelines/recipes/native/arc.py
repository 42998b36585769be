"""hcm_arc: the spectrum of an arc lamp, for the sharpness and the place of its lines."""

import numpy as np
from numpy.typing import NDArray

from .cosmics import find_cosmics
from .errors import IllegalInputError
from .recipe import COMMON_PARAMETERS, QC, Parameter, Recipe, Reduced, Stack
from .spectrum import Lines, dispersion_of, find_lines, shift_between
from .stack import combine

_MEDIAN_FROM = 3  # a median of fewer frames takes no hit out
_MAD = 1.4826


def reduce_arc(stack: Stack) -> Reduced:
    bias = stack.bias()
    cosmics = _hits(stack, bias)
    master = _combined(stack, bias, cosmics)
    lines = find_lines(master, stack.parameters["line-kappa"])
    if not lines.columns.size:
        raise IllegalInputError(
            f"{stack.detectors[0].path.name}[{stack.name}]: no line in the spectrum; was the lamp on?"
        )
    fwhm = float(np.median(lines.fwhms))
    scatter = _MAD * float(np.median(np.abs(lines.fwhms - fwhm)))
    flux = float(np.median(lines.peaks)) / stack.exposed_s()
    measurements = (
        QC("QC ARC NLINES", int(lines.columns.size), "[] lines found"),
        QC("QC ARC FWHM", fwhm, "[pix] median width of a line at half its height"),
        QC("QC ARC FWHM SCATTER", scatter, "[pix] scatter of the widths"),
        *_resolution(stack, lines),
        QC("QC ARC FLUX", flux, "[ADU/s] median height of the lines"),
        *_shift(stack, lines),
        QC("QC ARC NCOSMIC", int(np.count_nonzero(cosmics)), "[] pixels hit in the first frame"),
    )
    return Reduced({"MASTER_ARC": master}, measurements)


def _hits(stack: Stack, bias: NDArray[np.float32]) -> NDArray[np.bool_]:
    first = stack.detectors[0].pixels() - bias
    return _cosmics(stack, first)


def _cosmics(stack: Stack, pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    header = stack.calibration("MASTER_BIAS").hdu.header
    read_noise = header.number("ESO QC BIAS RON RAW") or 1.0
    conad = stack.keyword("ESO DET OUT1 CONAD")
    return find_cosmics(pixels, conad=conad, read_noise=read_noise, lines_along_y=True)


def _combined(
    stack: Stack, bias: NDArray[np.float32], of_first: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Take the median of three frames or more; of fewer, each is cleaned and the mean taken."""
    if len(stack.detectors) >= _MEDIAN_FROM:
        return combine(stack.detectors) - bias
    total = np.zeros_like(bias)
    for i, detector in enumerate(stack.detectors):
        pixels = detector.pixels() - bias
        total += _cleaned(pixels, _cosmics(stack, pixels) if i else of_first)
    total /= np.float32(len(stack.detectors))
    return total


def _cleaned(pixels: NDArray[np.float32], hits: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Put the median of the column in the place of a hit: a line is the same all along y."""
    columns = np.flatnonzero(hits.any(axis=0))
    for column in columns:
        hit = hits[:, column]
        if not hit.all():
            pixels[hit, column] = np.median(pixels[~hit, column])
    return pixels


def _resolution(stack: Stack, lines: Lines) -> tuple[QC, ...]:
    detector = stack.detectors[0]
    header = detector.hdu.header if "CRVAL1" in detector.hdu.header else stack.primary
    dispersion = dispersion_of(header, detector.area.left)
    if dispersion is None:
        return ()
    widths = lines.fwhms * abs(dispersion.per_column)
    power = float(np.median(dispersion.wavelengths(lines.columns) / widths))
    return (QC("QC ARC RESOL", power, "[] resolving power, wavelength over width"),)


def _shift(stack: Stack, lines: Lines) -> tuple[QC, ...]:
    if "MASTER_ARC" not in stack.calibrations:
        return ()
    reference = find_lines(stack.calibration("MASTER_ARC").pixels(), stack.parameters["line-kappa"])
    shift = shift_between(lines, reference, stack.parameters["max-shift"])
    return () if shift is None else (QC("QC ARC SHIFT", shift, "[pix] since the former arc"),)


_MIN_FRAMES, *_REST = COMMON_PARAMETERS

RECIPE = Recipe(
    name="hcm_arc",
    kind="ARC",
    products={"MASTER_ARC": "master_arc.fits"},
    reduce=reduce_arc,
    needs=("MASTER_BIAS",),
    may_use=("MASTER_ARC",),
    parameters=(
        Parameter(_MIN_FRAMES.name, 1, 1, 1000, _MIN_FRAMES.description),
        *_REST,
        Parameter("line-kappa", 10.0, 3.0, 1e6, "height of a line, in sigma of the mean row"),
        Parameter("max-shift", 5.0, 0.1, 1000.0, "farthest that a line may have moved [pix]"),
    ),
    libraries=("scipy.ndimage", "scipy.optimize", "scipy.signal"),
)
