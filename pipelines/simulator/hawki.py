"""HAWK-I: four infrared detectors in as many image extensions, in whole numbers of 32 bit."""

from dataclasses import replace

from pipelines.recipes.native.fitsfile import Image

from .cameras import Pixels
from .detector import Chip, Physics
from .headers import Keywords, cards, common, sky_axes
from .templates import Exposure, Template

# Detectors 3 and 4 change places in the file.
_CHIPS = {"CHIP1": 1, "CHIP2": 2, "CHIP4": 4, "CHIP3": 3}
_OFFSETS = {"CHIP1": 300.0, "CHIP2": 310.0, "CHIP3": 295.0, "CHIP4": 305.0}
_NOISES = {"CHIP1": 5.0, "CHIP2": 5.2, "CHIP3": 4.9, "CHIP4": 5.1}
_CONAD = 2.0
_FULL, _WINDOW, _LINEARITY = 2048, 128, 256
_DARK = Physics(
    0, 0, _CONAD, dark_e_h=36.0, lowest_hot_e_h=5e6, lamp_adu_s=1470.0, prnu=0.02, uneven=0.0,
)  # fmt: skip
_LAMP_ADU_S, _NONLINEAR = 2500.0, 0.0335


class Hawki:
    name = "HAWKI"

    def readout_s(self, template: Template) -> float:
        return 2.0

    def chips(self, template: Template) -> tuple[Chip, ...]:
        size = _LINEARITY if template.kind.startswith("LINEARITY") else _WINDOW
        size = _FULL if template.is_full_frame else size
        return tuple(Chip(name, size, size, 0, 0, pixel_type="int32") for name in _CHIPS)

    def nominal(self, template: Template, chip: str) -> Physics:
        physics = replace(
            _DARK,
            bias_adu=_OFFSETS[chip],
            ron_adu=_NOISES[chip],
            hot_pixels=500 if template.is_full_frame else 40,
        )
        if not template.kind.startswith("LINEARITY"):
            return physics
        return replace(
            physics, lamp_adu_s=_LAMP_ADU_S, nonlinear=_NONLINEAR, hot_pixels=0, prnu=0.005
        )

    def images(self, template: Template, exposure: Exposure, pixels: Pixels) -> list[Image]:
        primary = (
            *common(template, exposure, "ESO-VLT-U4", "IMAGE"),
            *_setup(template, exposure),
        )
        return [
            Image(cards(primary)),
            *(
                Image(cards(_extension(chip)), pixels[chip.name], f"{chip.name}.INT1")
                for chip in self.chips(template)
            ),
        ]


def _extension(chip: Chip) -> Keywords:
    number = _CHIPS[chip.name]
    return (
        ("ESO DET CHIP LIVE", True),
        ("ESO DET CHIP ID", f"ESO-Hawaii2RG-{number}"),
        ("ESO DET CHIP NO", number),
        ("ESO DET CHIP NAME", "Hawaii2RG"),
        ("ESO DET WIN NX", chip.nx),
        ("ESO DET WIN NY", chip.ny),
        ("ESO DET WIN STARTX", 1),
        ("ESO DET WIN STARTY", 1),
        *sky_axes(chip.nx, chip.ny, 2.95e-5),
    )


def _setup(template: Template, exposure: Exposure) -> Keywords:
    return (
        ("ESO DET DIT", float(exposure.exptime_s)),
        ("ESO DET NDIT", 1),
        ("ESO DET NCORRS", 2),
        ("ESO DET NCORRS NAME", template.read_mode),
        ("ESO DET NDSAMPLES", 4),
        ("ESO DET RSPEED", 1),
        ("ESO DET MINDIT", 1.67),
        ("ESO DET READ CURNAME", template.read_mode),
        ("ESO DET MODE NAME", ""),
        ("ESO INS FILT1 NAME", template.filter_name or "K"),
        ("ESO INS FILT2 NAME", "OPEN"),
        ("GAIN", _CONAD),
    )
