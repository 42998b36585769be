"""MUSE: one of its 24 spectrographs (CHAN01), its detector read out through four corners."""

import numpy as np
from numpy.typing import NDArray

from pipelines.recipes.native.fitsfile import Image

from .cameras import Pixels
from .detector import Chip, Physics
from .headers import Keywords, cards, common
from .templates import Exposure, Template

_SCAN = 32
_FULL, _WINDOW = (2048, 2056), (128, 128)
_LAMP_ADU_S = 5000.0  # at the peak of a slice
# Where each corner of the full detector lies; the recipe knows the quadrants by these.
_CORNERS = {"OUT1": (1, 1), "OUT2": (4096, 1), "OUT3": (4096, 4112), "OUT4": (1, 4112)}
_LEVELS = {"OUT1": 1000.0, "OUT2": 1012.0, "OUT3": 1006.0, "OUT4": 994.0}
_NOISES = {"OUT1": 2.60, "OUT2": 2.66, "OUT3": 2.58, "OUT4": 2.72}
_CONAD = 1.15


class Muse:
    name = "MUSE"

    def readout_s(self, template: Template) -> float:
        return 80.0

    def chips(self, template: Template) -> tuple[Chip, ...]:
        nx, ny = _FULL if template.is_full_frame else _WINDOW
        return tuple(Chip(name, nx, ny, _SCAN, _SCAN, _SCAN, _SCAN) for name in _CORNERS)

    def nominal(self, template: Template, chip: str) -> Physics:
        is_flat = template.kind == "FLAT"
        return Physics(
            _LEVELS[chip],
            _NOISES[chip],
            _CONAD,
            wander_adu=0.1,
            dark_e_h=3.0,
            hot_pixels=12,
            lowest_hot_e_h=2000.0,
            cosmics_per_hour=10.0,
            lamp_adu_s=_LAMP_ADU_S if is_flat else 0.0,
            prnu=0.002 if is_flat else 0.0,
            # The quadrants see one lamp: no step where they meet.
            uneven=0.0 if is_flat else 1.0,
        )

    def images(self, template: Template, exposure: Exposure, pixels: Pixels) -> list[Image]:
        primary = (*common(template, exposure, "ESO-VLT-U4", "IFU"), *_setup(template))
        return [
            Image(cards(primary)),
            Image(cards(self._detector(template)), _assembled(pixels), "CHAN01"),
        ]

    def _detector(self, template: Template) -> Keywords:
        outputs = (
            keyword
            for number, chip in enumerate(self.chips(template), 1)
            for keyword in _output(number, chip, self.nominal(template, chip.name))
        )
        chip = self.chips(template)[0]
        return (
            ("ESO DET CHIP LIVE", True),
            ("ESO DET CHIP ID", "psyche1"),
            ("ESO DET CHIP NAME", "CHIP1"),
            ("ESO DET CHIP DATE", "2012-01-01"),
            ("ESO DET CHIP NX", 2 * chip.nx),
            ("ESO DET CHIP NY", 2 * chip.ny),
            ("ESO DET BINX", 1),
            ("ESO DET BINY", 1),
            ("ESO DET OUTPUTS", len(_CORNERS)),
            *outputs,
        )


def _output(number: int, chip: Chip, physics: Physics) -> Keywords:
    x, y = _CORNERS[chip.name]
    head = f"ESO DET OUT{number}"
    return (
        (f"{head} ID", number),
        (f"{head} X", x),
        (f"{head} Y", y),
        (f"{head} NX", chip.nx),
        (f"{head} NY", chip.ny),
        (f"{head} PRSCX", chip.prescan),
        (f"{head} PRSCY", chip.prescan_y),
        (f"{head} OVSCX", chip.overscan),
        (f"{head} OVSCY", chip.overscan_y),
        (f"{head} RON", round(physics.ron_adu * physics.conad, 4)),
        # The MUSE headers call e-/ADU the gain, unlike those of the other instruments.
        (f"{head} GAIN", physics.conad),
        (f"{head} CONAD", round(1 / physics.conad, 6)),
    )


def _setup(template: Template) -> Keywords:
    return (
        ("ESO INS MODE", "WFM-NOAO-N"),
        ("ESO DET BINX", template.binning),
        ("ESO DET BINY", template.binning),
        ("ESO DET READ CURID", 1),
        ("ESO DET READ CURNAME", template.read_mode),
        ("ESO DET CHIPS", 24),
        ("ESO INS LAMPNUM", 6),
    )


def _assembled(pixels: Pixels) -> NDArray[np.uint16]:
    """Put the quadrants together, each read from its own corner towards the middle."""
    lower = np.hstack([pixels["OUT1"], pixels["OUT2"][:, ::-1]])
    upper = np.hstack([pixels["OUT4"][::-1], pixels["OUT3"][::-1, ::-1]])
    return np.ascontiguousarray(np.vstack([lower, upper]))
