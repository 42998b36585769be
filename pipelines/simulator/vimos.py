"""VIMOS: four detectors, one file for each quadrant; its recipes want whole frames."""

from pipelines.recipes.native.fitsfile import Image

from .cameras import Pixels
from .detector import Chip, Physics
from .headers import Keywords, cards, common, sky_axes
from .templates import Exposure, Template

_SCAN = 50
_FULL, _WINDOW = (2048, 2440), (256, 256)
# The recipes know the quadrants by these names and by no others.
_CHIPS = {1: "BRIAN", 2: "Keith", 3: "Tom", 4: "DAVID"}
_CONAD = 1.7
_LEVELS = {"BRIAN": 200.0, "Keith": 205.0, "Tom": 195.0, "DAVID": 210.0}


class Vimos:
    name = "VIMOS"

    def readout_s(self, template: Template) -> float:
        return 52.0

    def chips(self, template: Template) -> tuple[Chip, ...]:
        nx, ny = _FULL if template.is_full_frame else _WINDOW
        return (Chip(_CHIPS[template.quadrant or 1], nx, ny, _SCAN, _SCAN),)

    def nominal(self, template: Template, chip: str) -> Physics:
        return Physics(
            _LEVELS[chip], 2.5, _CONAD, dark_e_h=7.0, hot_pixels=50, lowest_hot_e_h=5000.0,
            lamp_adu_s=2000.0, prnu=0.01,
        )  # fmt: skip

    def images(self, template: Template, exposure: Exposure, pixels: Pixels) -> list[Image]:
        (chip,) = self.chips(template)
        ny, nx = chip.shape
        keywords = (
            *common(template, exposure, "ESO-VLT-U3", "IMAGE"),
            *_detector(chip, self.nominal(template, chip.name)),
            *_setup(template, exposure, chip),
            *sky_axes(nx, ny, 5.7e-5),
        )
        return [Image(cards(keywords), pixels[chip.name])]


def _detector(chip: Chip, physics: Physics) -> Keywords:
    return (
        ("ESO DET CHIPS", 1),
        ("ESO DET CHIP1 ID", chip.name),
        ("ESO DET CHIP1 NAME", "EEV"),
        ("ESO DET CHIP1 NX", chip.nx),
        ("ESO DET CHIP1 NY", chip.ny),
        ("ESO DET CHIP1 PSZX", 15.0),
        ("ESO DET CHIP1 PSZY", 15.0),
        ("ESO DET OUTPUTS", 1),
        ("ESO DET OUT1 NX", chip.nx),
        ("ESO DET OUT1 NY", chip.ny),
        ("ESO DET OUT1 X", 1),
        ("ESO DET OUT1 Y", 1),
        ("ESO DET OUT1 PRSCX", chip.prescan),
        ("ESO DET OUT1 PRSCY", 0),
        ("ESO DET OUT1 OVSCX", chip.overscan),
        ("ESO DET OUT1 OVSCY", 0),
        ("ESO DET OUT1 RON", round(physics.ron_adu * physics.conad, 4)),
        ("ESO DET OUT1 CONAD", physics.conad),
        ("ESO DET OUT1 GAIN", round(1 / physics.conad, 6)),
    )


def _setup(template: Template, exposure: Exposure, chip: Chip) -> Keywords:
    ny, nx = chip.shape
    return (
        ("ESO OCS CON QUAD", template.quadrant or 1),
        ("ESO OCS DID", "ESO-VLT-DIC.VIMOS_OS"),
        ("ESO DET EXP ID", exposure.number),
        ("ESO DET WINDOWS", 1),
        ("ESO DET WIN1 NX", nx),
        ("ESO DET WIN1 NY", ny),
        ("ESO DET WIN1 STRX", 1),
        ("ESO DET WIN1 STRY", 1),
        ("ESO DET WIN1 BINX", template.binning),
        ("ESO DET WIN1 BINY", template.binning),
        ("ESO DET WIN1 UIT1", float(exposure.exptime_s)),
        ("ESO DET WIN1 DIT1", float(exposure.exptime_s)),
        ("ESO DET READ MODE", "normal"),
        ("ESO DET READ SPEED", "normal"),
        ("ESO DET READ CLOCK", template.read_mode),
        ("ESO INS MODE", "IMG"),
        ("ESO INS FILT1 NAME", template.filter_name or "R"),
        ("ESO INS FILT1 ID", template.filter_name or "R"),
        ("ESO INS GRIS1 NAME", "FREE"),
        ("ESO INS MASK1 ID", "0"),
        ("ESO INS FOCU1 TEMP", 10.0),
        ("ESO ADA POSANG", 0.0),
        ("ESO TEL AIRM START", 1.0),
        ("ESO TEL AIRM END", 1.0),
        ("AIRMASS", 1.0),
    )
