"""Chance that is always the same: random numbers from the name of the thing they are for.

A frame's noise depends on what the frame is called and on nothing else, so frames can be made in
any order, again, or alone, and stay the same to the byte.
"""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_NIGHTS = 2**15


def generator(*names: object) -> np.random.Generator:
    """Give the random numbers that belong to a name, from their beginning."""
    key = "|".join(str(name) for name in names).encode()
    seed = int.from_bytes(hashlib.sha256(key).digest()[:16], "big")
    return np.random.Generator(np.random.SFC64(seed))


@lru_cache(maxsize=1024)
def nightly(name: str) -> NDArray[np.float64]:
    """Give a standard normal deviate for every night, at the index of `night_index`."""
    return generator("nightly", name).standard_normal(_NIGHTS)


def night_index(mjd: float) -> int:
    """Give the number of a night, which begins at 21:00 UT, for tables over nights."""
    return int(mjd - 21 / 24) % _NIGHTS
