"""VISIR: one detector for the mid-infrared; each frame is the mean of several integrations."""

from dataclasses import replace

from pipelines.recipes.native.fitsfile import Image

from .cameras import Pixels
from .detector import Chip, Physics
from .headers import Keywords, cards, common
from .templates import Exposure, Template

_FULL, _WINDOW = 1024, 256
_PHYSICS = Physics(
    30000.0, 120.0, 1200.0, lowest_hot_e_h=1e13, lamp_adu_s=5e5, prnu=0.01, uneven=0.0,
)  # fmt: skip


class Visir:
    name = "VISIR"
    integrations = 10

    def readout_s(self, template: Template) -> float:
        return 3.0

    def chips(self, template: Template) -> tuple[Chip, ...]:
        size = _FULL if template.is_full_frame else _WINDOW
        return (Chip("AQUARIUS", size, size, 0, 0, pixel_type="float32"),)

    def nominal(self, template: Template, chip: str) -> Physics:
        return replace(_PHYSICS, hot_pixels=500 if template.is_full_frame else 50)

    def images(self, template: Template, exposure: Exposure, pixels: Pixels) -> list[Image]:
        (chip,) = self.chips(template)
        keywords = (
            *common(template, exposure, "ESO-VLT-U3", "IMAGE,DIRECT"),
            *self._setup(template, exposure, chip),
        )
        return [Image(cards(keywords), pixels[chip.name])]

    def _setup(self, template: Template, exposure: Exposure, chip: Chip) -> Keywords:
        return (
            ("ESO DET DIT", float(exposure.exptime_s)),
            ("ESO DET NDIT", self.integrations),
            ("ESO DET MODE NAME", "Hawk"),
            ("ESO DET NCORRS NAME", template.read_mode),
            ("ESO DET CHIP NX", chip.nx),
            ("ESO DET CHIP NY", chip.ny),
            ("ESO DET WIN NX", chip.nx),
            ("ESO DET WIN NY", chip.ny),
            ("ESO DET VOLT1 DCTA9", 1.0),
            ("ESO DET VOLT1 DCTB9", 1.0),
            ("ESO INS MODE", "IMG"),
            ("ESO INS FILT1 NAME", template.filter_name or "PAH1"),
            ("ESO INS FILT2 NAME", template.filter_name or "PAH1"),
            ("ESO INS PFOV", 0.127),
            ("ESO TEL AIRM START", 1.0),
            ("ESO TEL AIRM END", 1.0),
            ("AIRMASS", 1.0),
        )
