"""CCDCAM: a generic imager with two CCDs, one an image extension, for our own recipes."""

from dataclasses import replace
from typing import Any

from pipelines.recipes.native.fitsfile import Image

from .cameras import Pixels
from .detector import Chip, Physics
from .headers import Keywords, cards, common, pixel_axes
from .templates import Exposure, Template

_READOUT_S = {"SLOW": 30.0, "FAST": 8.0}
_CONAD = {"SLOW": 0.8, "FAST": 1.6}
_RON_ADU = {
    ("SLOW", "CHIP1"): 3.0,
    ("SLOW", "CHIP2"): 3.2,
    ("FAST", "CHIP1"): 5.0,
    ("FAST", "CHIP2"): 5.3,
}
_BIAS_ADU = {
    ("SLOW", "CHIP1"): 1000.0,
    ("SLOW", "CHIP2"): 1042.0,
    ("FAST", "CHIP1"): 1480.0,
    ("FAST", "CHIP2"): 1515.0,
}
_LAMP_ADU_S = {"B": 1500.0, "V": 4200.0, "R": 6400.0}
_CHIPS = {
    "CHIP1": Physics(
        0, 0, 0, gradient_x_adu=1.2, gradient_y_adu=2.4, pattern_adu=0.3, wander_adu=0.03,
        odd_bias_pixels=9, dark_e_h=12.0, hot_pixels=60, prnu=0.008, dead_pixels=25,
        cosmics_per_hour=60.0,
    ),
    "CHIP2": Physics(
        0, 0, 0, gradient_x_adu=-0.9, gradient_y_adu=1.6, pattern_adu=0.2, wander_adu=0.03,
        odd_bias_pixels=4, dark_e_h=15.0, hot_pixels=45, prnu=0.010, dead_pixels=18,
        cosmics_per_hour=60.0,
    ),
}  # fmt: skip
_EFFICIENCY = {"CHIP1": 1.0, "CHIP2": 0.94}
_LAMP_KINDS = frozenset({"FLAT", "PTC", "LINEARITY"})
_LAMPS = {"FLAT": "Halogen", "PTC": "Halogen", "LINEARITY": "Halogen", "ARC": "ThAr"}
_NONLINEAR = {"CHIP1": 0.0, "CHIP2": 0.0}
_ARC: dict[str, Any] = {"arc_lines": 24, "arc_adu_s": 400.0, "line_fwhm_px": 3.2}
_SKY = 0.02  # of the lamp
_NX, _NY, _SCAN = 512, 400, 10


class CcdCam:
    name = "CCDCAM"

    def readout_s(self, template: Template) -> float:
        return _READOUT_S[template.read_mode] / template.binning**2

    def chips(self, template: Template) -> tuple[Chip, ...]:
        nx, ny = _NX // template.binning, _NY // template.binning
        return tuple(Chip(name, nx, ny, _SCAN, _SCAN) for name in _CHIPS)

    def nominal(self, template: Template, chip: str) -> Physics:
        mode = template.read_mode
        lamp = _LAMP_ADU_S.get(template.filter_name, 0.0) * _EFFICIENCY[chip]
        arc = _ARC if template.kind == "ARC" else {}
        return replace(
            _CHIPS[chip],
            bias_adu=_BIAS_ADU[mode, chip] + 2.0 * (template.binning - 1),
            ron_adu=_RON_ADU[mode, chip],
            conad=_CONAD[mode],
            lamp_adu_s=lamp if template.kind in _LAMP_KINDS else _SKY * lamp,
            nonlinear=_NONLINEAR[chip],
            **arc,
        )

    def images(self, template: Template, exposure: Exposure, pixels: Pixels) -> list[Image]:
        primary = cards((*common(template, exposure, "HCM-1.2m", "IMAGE"), *_setup(template)))
        return [
            Image(primary),
            *(
                Image(cards(self._extension(template, chip)), pixels[chip.name], chip.name)
                for chip in self.chips(template)
            ),
        ]

    def _extension(self, template: Template, chip: Chip) -> Keywords:
        physics = self.nominal(template, chip.name)
        return (
            ("ESO DET CHIP1 ID", f"CCDCAM-{chip.name}"),
            ("ESO DET CHIP1 NAME", "CCD-4K"),
            ("ESO DET OUT1 NX", chip.nx),
            ("ESO DET OUT1 NY", chip.ny),
            ("ESO DET OUT1 PRSCX", chip.prescan),
            ("ESO DET OUT1 PRSCY", 0),
            ("ESO DET OUT1 OVSCX", chip.overscan),
            ("ESO DET OUT1 OVSCY", 0),
            ("ESO DET OUT1 RON", round(physics.ron_adu * physics.conad, 4)),
            ("ESO DET OUT1 GAIN", round(1 / physics.conad, 6)),
            ("ESO DET OUT1 CONAD", physics.conad),
            *(_wave_axes(template) if template.kind == "ARC" else pixel_axes()),
        )


def _wave_axes(template: Template) -> Keywords:
    """Give the wavelength along x, of the pixels as they are read out."""
    return (
        ("CTYPE1", "WAVE"),
        ("CUNIT1", "nm"),
        ("CRPIX1", _SCAN + 1.0),
        ("CRVAL1", 500.0),
        ("CDELT1", 0.05 * template.binning),
    )


def _setup(template: Template) -> Keywords:
    lamp = _LAMPS.get(template.kind, "OFF")
    return (
        ("ESO DET CHIPS", 2),
        ("ESO DET READ MODE", template.read_mode),
        ("ESO DET BINX", template.binning),
        ("ESO DET BINY", template.binning),
        ("ESO DET BINNING", f"{template.binning}x{template.binning}"),
        ("ESO INS MODE", "IMG"),
        ("ESO INS FILT1 NAME", template.filter_name or "FREE"),
        ("ESO INS LAMP1 NAME", lamp),
        ("ESO INS LAMP1 ST", lamp != "OFF"),
    )
