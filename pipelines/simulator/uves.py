"""UVES: one detector in the blue arm, two in the red, in windows small enough for a demonstration."""

from dataclasses import replace

from pipelines.recipes.native.fitsfile import Image

from .cameras import Pixels
from .detector import Chip, Physics
from .headers import Keywords, cards, common, pixel_axes
from .templates import Exposure, Template

_SCAN = 50
_NX, _NY = 256, 320
# Its orders are as far apart as the whole detector makes them: no window of it shows them.
_FULL = {"BLUE": (2048, 3000), "RED": (2048, 4096)}
_ECHELLE = frozenset({"ORDER", "FLAT"})
_LAMP_ADU_S = 1100.0  # at the peak of an order
# The recipe takes its noise from within 10 % of the level, so the levels stay near reality.
_PHYSICS = {
    ("BLUE", "225kHz,1x1,low"): Physics(
        170.0, 2.10, 1.818, gradient_y_adu=0.8, wander_adu=0.05, dark_e_h=0.8
    ),
    ("BLUE", "50kHz,2x2,high"): Physics(
        192.0, 3.40, 0.606, gradient_y_adu=1.1, wander_adu=0.05, dark_e_h=0.8
    ),
    ("REDL", "225kHz,1x1,low"): Physics(
        165.0, 2.30, 1.818, gradient_y_adu=0.6, wander_adu=0.05, dark_e_h=1.2
    ),
    ("REDU", "225kHz,1x1,low"): Physics(
        181.0, 2.05, 1.818, gradient_y_adu=0.5, wander_adu=0.05, dark_e_h=0.9
    ),
}
# The file's first extension is the upper detector.
_EXTENSIONS = {"REDU": "WIN1.CHIP1.OUT1", "REDL": "WIN1.CHIP2.OUT1"}
_IDENTITY = {
    "BLUE": ("EEV", "CCD-44", "1999-01-01"),
    "REDU": ("EEV", "CCD-44", "1999-01-01"),
    "REDL": ("MIT", "CCID-20", "1999-01-01"),
}


class Uves:
    name = "UVES"

    def readout_s(self, template: Template) -> float:
        return 42.0

    def chips(self, template: Template) -> tuple[Chip, ...]:
        names = ("BLUE",) if template.arm == "BLUE" else tuple(_EXTENSIONS)
        window = template.window or (_NX, _NY)
        nx, ny = _FULL[template.arm] if template.is_full_frame else window
        nx, ny = nx // template.binning, ny // template.binning
        return tuple(Chip(name, nx, ny, _SCAN, _SCAN) for name in names)

    def nominal(self, template: Template, chip: str) -> Physics:
        physics = _PHYSICS[chip, template.read_mode]
        if template.kind not in _ECHELLE:
            return physics
        return replace(physics, lamp_adu_s=_LAMP_ADU_S, prnu=0.005, uneven=0.0)

    def images(self, template: Template, exposure: Exposure, pixels: Pixels) -> list[Image]:
        tech = "ECHELLE" if template.kind in _ECHELLE else "IMAGE"
        primary = (*common(template, exposure, "ESO-VLT-U2", tech), *_setup(template))
        if template.arm == "BLUE":
            (chip,) = self.chips(template)
            keywords = (*primary, *self._detector(template, chip))
            return [Image(cards(keywords), pixels[chip.name])]
        return [
            Image(cards((*primary, *_both_identities()))),
            *(
                Image(
                    cards((*self._detector(template, chip), *pixel_axes())),
                    pixels[chip.name],
                    _EXTENSIONS[chip.name],
                )
                for chip in self.chips(template)
            ),
        ]

    def _detector(self, template: Template, chip: Chip) -> Keywords:
        physics = self.nominal(template, chip.name)
        name, identity, date = _IDENTITY[chip.name]
        return (
            ("ESO DET OUT1 NX", chip.nx),
            ("ESO DET OUT1 NY", chip.ny),
            ("ESO DET OUT1 PRSCX", chip.prescan),
            ("ESO DET OUT1 PRSCY", 0),
            ("ESO DET OUT1 OVSCX", chip.overscan),
            ("ESO DET OUT1 OVSCY", 0),
            ("ESO DET OUT1 RON", round(physics.ron_adu * physics.conad, 4)),
            ("ESO DET OUT1 GAIN", round(1 / physics.conad, 6)),
            ("ESO DET OUT1 CONAD", physics.conad),
            ("ESO DET CHIP1 NAME", name),
            ("ESO DET CHIP1 ID", identity),
            ("ESO DET CHIP1 DATE", date),
        )


def _both_identities() -> Keywords:
    """Give the keywords by which uves_cal_mdark tells the two red detectors apart."""
    return (
        ("ESO DET CHIP1 NAME", "EEV"),
        ("ESO DET CHIP1 ID", "CCD-44"),
        ("ESO DET CHIP2 NAME", "MIT/LL"),
        ("ESO DET CHIP2 ID", "CCID-20"),
    )


def _setup(template: Template) -> Keywords:
    exptime = float(template.exptime_s)
    return (
        ("ESO DET CHIPS", 1 if template.arm == "BLUE" else 2),
        ("ESO DET READ SPEED", template.read_mode),
        ("ESO DET READ CLOCK", template.read_mode),
        ("ESO DET WIN1 BINX", template.binning),
        ("ESO DET WIN1 BINY", template.binning),
        ("ESO DET WIN1 UIT1", exptime),
        ("ESO DET WIN1 DIT1", exptime),
        *pixel_axes(),
        ("ESO INS PATH", template.arm),
        ("ESO INS MODE", "DICHR#1"),
        *(_spectrograph(template) if template.kind in _ECHELLE else ()),
    )


def _spectrograph(template: Template) -> Keywords:
    slit, grating = (2, 1) if template.arm == "BLUE" else (3, 2)
    return (
        ("ESO INS SLIT1 NAME", "FREE"),
        (f"ESO INS SLIT{slit} WID", 0.4),
        (f"ESO INS SLIT{slit} LEN", 0.5 if template.kind == "ORDER" else 8.0),
        (f"ESO INS GRAT{grating} NAME", "CD#2" if template.arm == "BLUE" else "CD#3"),
        (f"ESO INS GRAT{grating} WLEN", 390.0 if template.arm == "BLUE" else 580.0),
        ("ESO INS PIXSCALE", 0.22),
    )
