"""How light falls on a spectrograph's detector: the orders of UVES, the slices of MUSE."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PATTERNS: Mapping[tuple[str, str], str] = {
    ("UVES", "ORDER"): "narrow orders",
    ("UVES", "FLAT"): "wide orders",
    ("MUSE", "FLAT"): "slices",
}

N_ORDERS = 24
N_SLICES = 48
SLICE_WIDTH_PX = 76.8
SLICE_STEP_PX = 84.6
_FIRST_SLICE_PX = 20.0
_SLICE_TILT_PX = 3.0
_SLICE_EDGE_PX = 0.35
# What is left between the slices of the light in them.
_BETWEEN = 1.5e-4
_ORDER_SIGMA_PX = 2.0
_SLIT_PX, _SLIT_EDGE_PX = 50.0, 1.2
_MUSE_NX, _MUSE_NY = 4096, 4112

Rows = NDArray[np.float32]


@lru_cache(maxsize=4)
def pattern(name: str, chip: str, nx: int, ny: int) -> Rows:
    """Give the light on each pixel of a detector as a part of its peak.

    Parameters
    ----------
    name
        one of those in `PATTERNS`
    chip
        name of the detector, or of the quadrant
    nx, ny
        pixels along x and y of the lit part, in the order in which they are read out

    Returns
    -------
    array of (ny, nx)
        from 0 to 1
    """
    return _MAKERS[name](chip, nx, ny)


def _logistic(distance_px: NDArray[np.float64], scale_px: float) -> NDArray[np.float64]:
    """Give an edge: 0 far below, 1 far above."""
    # Beyond 60 scales there is nothing left to tell, and exp would overflow.
    softness = np.clip(-distance_px / scale_px, -60, 60)
    edge: NDArray[np.float64] = 1 / (1 + np.exp(softness))
    return edge


def _orders(across: Callable[[NDArray[np.float64]], NDArray[np.float64]], nx: int, ny: int) -> Rows:
    """Lay the orders along y, each bent and fainter towards its ends."""
    y = np.arange(ny, dtype=float)
    along = (y - ny / 2) / (ny / 2)
    blaze = np.exp(-(((y - ny / 2) / (0.45 * ny)) ** 2))[:, np.newaxis]
    x = np.arange(nx, dtype=float)
    light = np.zeros((ny, nx), np.float32)
    for k in range(N_ORDERS):
        centre = 120 + 75 * k + 0.175 * k**2 + 30 * along**2 + 12 * along
        low, high = int(centre.min()) - 60, int(centre.max()) + 61
        part = across(x[max(low, 0) : high] - centre[:, np.newaxis])
        light[:, max(low, 0) : high] += (blaze * part).astype(np.float32)
    return light


def _narrow(chip: str, nx: int, ny: int) -> Rows:
    return _orders(lambda d: np.exp(-0.5 * (d / _ORDER_SIGMA_PX) ** 2), nx, ny)


def _wide(chip: str, nx: int, ny: int) -> Rows:
    half = _SLIT_PX / 2
    return _orders(
        lambda d: _logistic(d + half, _SLIT_EDGE_PX) * _logistic(half - d, _SLIT_EDGE_PX), nx, ny
    )


def _slices(chip: str, nx: int, ny: int) -> Rows:
    """Give the part of the 48 slices that falls on a quadrant, turned as it is read out."""
    is_right, is_upper = chip in {"OUT2", "OUT3"}, chip in {"OUT3", "OUT4"}
    x = np.arange(nx, dtype=float)
    x = _MUSE_NX - 1 - x if is_right else x
    y = np.arange(ny, dtype=float)
    y = _MUSE_NY - 1 - y if is_upper else y
    light = np.full((ny, nx), _BETWEEN, np.float32)
    for j in range(N_SLICES):
        left = _FIRST_SLICE_PX + SLICE_STEP_PX * j + _SLICE_TILT_PX * y / _MUSE_NY
        near = (x > left.min() - 10) & (x < left.max() + SLICE_WIDTH_PX + 10)
        if near.any():
            into = x[near] - left[:, np.newaxis]
            shine = _logistic(into, _SLICE_EDGE_PX)
            shine *= _logistic(SLICE_WIDTH_PX - into, _SLICE_EDGE_PX)
            light[:, near] += shine.astype(np.float32)
    height = 0.3 + 0.7 * np.exp(-(((y - 2500) / 1500) ** 2))
    light *= height[:, np.newaxis].astype(np.float32)
    return light


_MAKERS: Mapping[str, Callable[[str, int, int], Rows]] = {
    "narrow orders": _narrow,
    "wide orders": _wide,
    "slices": _slices,
}
