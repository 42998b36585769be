"""Emission lines of a lamp's spectrum along x: where they are, how wide, how bright."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cards import Header

_CONTINUUM = 101  # columns: wide against a line, narrow against the lamp
_FWHM = 2 * (2 * np.log(2)) ** 0.5
_FIT_AROUND = 5
_MAD = 1.4826
_APART = 3  # columns between two lines
_CLIP = 5.0
_LEAST_SIGMA = 0.3  # ADU: that of rounding
_LENGTHS = {"angstrom": 1e-10, "nm": 1e-9, "um": 1e-6, "micron": 1e-6, "m": 1.0}


@dataclass(frozen=True)
class Lines:
    """Columns from 0, full widths at half maximum (pixels) and peaks (ADU) of lines, by column."""

    columns: NDArray[np.float64]
    fwhms: NDArray[np.float64]
    peaks: NDArray[np.float64]


@dataclass(frozen=True)
class Dispersion:
    """Wavelength along x: at a column of the light-sensitive area from 0, in any one unit."""

    at_first: float
    per_column: float

    def wavelengths(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.at_first + self.per_column * columns


def find_lines(pixels: NDArray[np.float32], kappa: float) -> Lines:
    """Find the lines in the mean of all rows.

    Parameters
    ----------
    pixels
        arc frame above bias (ADU), lines along y
    kappa
        height above the continuum that makes a line, in sigma of the mean row
    """
    from scipy.ndimage import percentile_filter
    from scipy.signal import find_peaks

    spectrum, noise = _mean_row(pixels)
    spectrum -= percentile_filter(spectrum, 30, min(_CONTINUUM, spectrum.size))
    least = kappa * noise
    places, _ = find_peaks(spectrum, height=least, prominence=least, distance=_APART)
    found = [line for place in places if (line := _fitted(spectrum, int(place)))]
    columns, fwhms, peaks = np.array(found, np.float64).reshape(-1, 3).T
    return Lines(columns, fwhms, peaks)


def _mean_row(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the mean of the rows, no hit able to move it far, and its noise, for each column."""
    middle = np.median(pixels, axis=0)
    sigma = np.maximum(_MAD * np.median(np.abs(pixels - middle), axis=0), _LEAST_SIGMA)
    tamed = np.clip(pixels, middle - _CLIP * sigma, middle + _CLIP * sigma)
    return tamed.mean(axis=0, dtype=np.float64), sigma / pixels.shape[0] ** 0.5


def _fitted(spectrum: NDArray[np.float64], place: int) -> tuple[float, float, float] | None:
    """Fit a Gaussian and a level to the surroundings of a peak; None where it does not fit."""
    from scipy.optimize import least_squares

    low, high = place - _FIT_AROUND, place + _FIT_AROUND + 1
    if low < 0 or high > spectrum.size:
        return None
    x, y = np.arange(low, high, dtype=np.float64), spectrum[low:high]

    def rest(guess: NDArray[np.float64]) -> NDArray[np.float64]:
        peak, column, sigma, level = guess
        profile = peak * np.exp(-0.5 * ((x - column) / sigma) ** 2) + level
        difference: NDArray[np.float64] = profile - y
        return difference

    fit = least_squares(rest, (y.max(), float(place), 1.5, 0.0), method="lm", max_nfev=500)
    peak, column, sigma, _ = (float(value) for value in fit.x)
    fwhm = _FWHM * abs(sigma)
    is_line = fit.success and abs(column - place) < 1.5 and peak > 0 and fwhm < 2 * _FIT_AROUND
    return (column, fwhm, peak) if is_line else None


def shift_between(ours: Lines, theirs: Lines, most: float) -> float | None:
    """Give by how many columns our lines lie right of theirs; None when no pair is within `most`.

    Each line is compared with the nearest of theirs, and the median taken.
    """
    if not ours.columns.size or not theirs.columns.size:
        return None
    apart = ours.columns[:, np.newaxis] - theirs.columns
    nearest = apart[np.arange(ours.columns.size), np.abs(apart).argmin(axis=1)]
    near = nearest[np.abs(nearest) <= most]
    return float(np.median(near)) if near.size else None


def dispersion_of(header: Header, prescan: int) -> Dispersion | None:
    """Read the wavelengths from a header; None unless the unit of the axis is that of a length."""
    unit = header.text("CUNIT1").strip().lower()
    step = header.number("CD1_1") or header.number("CDELT1")
    start = header.number("CRVAL1")
    if unit not in _LENGTHS or not step or start is None:
        return None
    reference = header.number("CRPIX1")
    # FITS counts pixels from 1, and all of them, prescan included.
    first = prescan + 1 - (1.0 if reference is None else reference)
    return Dispersion(start + step * first, step)
