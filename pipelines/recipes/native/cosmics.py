"""Cosmic hits in a single frame, by L.A.Cosmic (van Dokkum 2001) as astroscrappy has it.

It looks at tiles, and only at those with a pixel that could be a hit: memory is that of a tile, and a
dark frame of eight million pixels takes no longer than its few hits.
"""

import os
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

_TILE = 128
_MARGIN = 8  # more than the method looks around a pixel
_KAPPA = 6.0
_CONTRAST = 5.0
_ROUNDS = 4


def find_cosmics(
    pixels: NDArray[np.float32],
    *,
    conad: float,
    read_noise: float,
    known: NDArray[np.bool_] | None = None,
    lines_along_y: bool = False,
) -> NDArray[np.bool_]:
    """Mark the pixels that cosmic particles have hit.

    Parameters
    ----------
    pixels
        one frame above bias (ADU)
    conad, read_noise
        conversion factor (e-/ADU) and read noise (ADU)
    known
        pixels that are bright in every frame, and so no hits; None for none
    lines_along_y
        whether light of the same column is alike: it is taken out, for sharp lines look like hits
    """
    hits = np.zeros(pixels.shape, np.bool_)
    for top in range(0, pixels.shape[0], _TILE):
        for left in range(0, pixels.shape[1], _TILE):
            core, wide = _tile(top, pixels.shape[0]), _tile(left, pixels.shape[1])
            tile = core[0], wide[0]
            seen = pixels[tile]
            masked = np.zeros(seen.shape, np.bool_) if known is None else known[tile]
            light = np.zeros_like(seen)
            light += np.median(seen, axis=0) if lines_along_y else np.median(seen)
            noise = np.sqrt(read_noise**2 + np.maximum(light, 0) / np.float32(conad))
            if (seen - light > _KAPPA * noise)[~masked].any():
                found = _in_tile(seen, light, masked, conad, read_noise)
                hits[core[1], wide[1]] = found[core[2], wide[2]]
    return hits


def _tile(start: int, size: int) -> tuple[slice, slice, slice]:
    """Give a tile with its margin, without, and the place of the latter in the former."""
    stop = min(start + _TILE, size)
    low = max(0, start - _MARGIN)
    return (
        slice(low, min(size, stop + _MARGIN)),
        slice(start, stop),
        slice(start - low, stop - low),
    )


@cache
def _method() -> Callable[..., tuple[NDArray[np.bool_], NDArray[np.float32]]]:
    """Import L.A.Cosmic when it is needed: a process that starts for a bias does without it."""
    # Threads for tiles this small wait, spinning, for each other and for other recipes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from astroscrappy import detect_cosmics

    method: Callable[..., tuple[NDArray[np.bool_], NDArray[np.float32]]] = detect_cosmics
    return method


def _in_tile(
    seen: NDArray[np.float32],
    light: NDArray[np.float32],
    masked: NDArray[np.bool_],
    conad: float,
    read_noise: float,
) -> NDArray[np.bool_]:
    hits, _ = _method()(
        np.ascontiguousarray(seen, np.float32),
        inbkg=light,
        inmask=np.ascontiguousarray(masked),
        gain=conad,
        readnoise=read_noise * conad,
        sigclip=_KAPPA,
        sigfrac=1.0,  # neighbours count when they are hit themselves
        objlim=_CONTRAST,
        niter=_ROUNDS,
        satlevel=np.inf,
        cleantype="medmask",
    )
    found: NDArray[np.bool_] = hits & ~masked
    return found
