"""NACO (NAOS+CONICA): one infrared detector; each frame is the mean of several integrations."""

from dataclasses import replace

from pipelines.recipes.native.fitsfile import Image

from .cameras import Pixels
from .detector import Chip, Physics
from .headers import Keywords, cards, common
from .templates import Exposure, Template

_FULL, _WINDOW = 1024, 256
_PHYSICS = Physics(
    100.0, 19.0, 10.0, dark_e_h=360.0, lowest_hot_e_h=2e7, lamp_adu_s=1800.0, prnu=0.01,
    uneven=0.0,
)  # fmt: skip


class Naco:
    name = "NACO"
    integrations = 10

    def readout_s(self, template: Template) -> float:
        return 4.0

    def chips(self, template: Template) -> tuple[Chip, ...]:
        size = _FULL if template.is_full_frame else _WINDOW
        return (Chip("ALADDIN3", size, size, 0, 0, pixel_type="float32"),)

    def nominal(self, template: Template, chip: str) -> Physics:
        return replace(_PHYSICS, hot_pixels=500 if template.is_full_frame else 60)

    def images(self, template: Template, exposure: Exposure, pixels: Pixels) -> list[Image]:
        (chip,) = self.chips(template)
        keywords = (
            *common(template, exposure, "ESO-VLT-U1", "IMAGE"),
            *self._detector(template, exposure, chip),
            *_optics(template, exposure),
        )
        return [Image(cards(keywords), pixels[chip.name])]

    def _detector(self, template: Template, exposure: Exposure, chip: Chip) -> Keywords:
        return (
            ("ESO DET DIT", float(exposure.exptime_s)),
            ("ESO DET NDIT", self.integrations),
            ("ESO DET MODE NAME", "HighSensitivity"),
            ("ESO DET NCORRS NAME", template.read_mode),
            ("ESO DET NCORRS", 3),
            ("ESO DET RSPEED", 1),
            ("ESO DET MINDIT", 0.3454),
            ("ESO DET CHIP NX", chip.nx),
            ("ESO DET CHIP NY", chip.ny),
            ("ESO DET WIN NX", chip.nx),
            ("ESO DET WIN NY", chip.ny),
        )


def _optics(template: Template, exposure: Exposure) -> Keywords:
    is_lit = template.kind == "FLAT" and exposure.lamp_level > 0
    name = template.filter_name or "Ks"
    return (
        ("ESO INS OPTI3 NAME", "Wollaston_00"),
        ("ESO INS OPTI4 NAME", "empty"),
        ("ESO INS OPTI4 ID", "-"),
        ("ESO INS OPTI5 NAME", name),
        ("ESO INS OPTI5 ID", name),
        ("ESO INS OPTI6 NAME", "empty"),
        ("ESO INS OPTI6 ID", "-"),
        ("ESO INS OPTI7 NAME", "L27"),
        ("ESO INS OPTI7 ID", "L27"),
        ("ESO INS PIXSCALE", 0.027),
        ("ESO INS CWLEN", 2.18),
        # A whole number: the recipe takes no other for a setting of the lamp.
        ("ESO INS LAMP2 SET", 3 if is_lit else 0),
        ("ESO INS LAMP2 CURRENT", 3.0 if is_lit else 0.0),
        ("ESO INS LAMP2 ST", is_lit),
    )
