"""How detectors drift: with the season, and a little every night.

Frames and the two years of history before them are drawn from the same drift, so that the first
simulated night continues the history without a seam.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .detector import Physics
from .seeds import night_index, nightly

Quantity = Literal["bias", "ron", "dark", "lamp"]

_YEAR = 365.25


@dataclass(frozen=True)
class Amount:
    """Amplitude with the season, and scatter from night to night."""

    season: float
    night: float


# ADU for the bias, parts of the value for the rest.
AMOUNTS: Mapping[Quantity, Amount] = {
    "bias": Amount(1.5, 0.25),
    "ron": Amount(0.0, 0.004),
    "dark": Amount(0.12, 0.02),
    "lamp": Amount(0.01, 0.006),
}


def drift(
    quantity: Quantity, chip: str, read_mode: str, mjd: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the departure from the average of a detector ("CCDCAM CHIP1") at each date."""
    amount = AMOUNTS[quantity]
    nights = np.array([night_index(each) for each in mjd.tolist()], dtype=int)
    season = np.sin(2 * np.pi * (mjd % _YEAR) / _YEAR)
    every_night = nightly(_cause(quantity, chip, read_mode))[nights]
    departure: NDArray[np.float64] = amount.season * season + amount.night * every_night
    return departure


def _cause(quantity: Quantity, chip: str, read_mode: str) -> str:
    """Name what drifts: a lamp shines on all detectors, and darkness is the same in all modes."""
    if quantity == "lamp":
        return "lamp"
    return f"dark {chip}" if quantity == "dark" else f"{quantity} {chip} {read_mode}"


def on_night(nominal: Physics, chip: str, read_mode: str, mjd: float) -> Physics:
    """Give a detector as it is in a read mode on one night."""

    def now(quantity: Quantity) -> float:
        return float(drift(quantity, chip, read_mode, np.array([mjd]))[0])

    return replace(
        nominal,
        bias_adu=nominal.bias_adu + now("bias"),
        ron_adu=nominal.ron_adu * (1 + now("ron")),
        dark_e_h=nominal.dark_e_h * (1 + now("dark")),
        lamp_adu_s=nominal.lamp_adu_s * (1 + now("lamp")),
    )
