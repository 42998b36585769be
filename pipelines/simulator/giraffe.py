"""GIRAFFE: one detector in the primary HDU. Its recipes want the whole of it: 2048 x 4096."""

from pipelines.recipes.native.fitsfile import Image

from .cameras import Pixels
from .detector import Chip, Physics
from .headers import Keywords, cards, common, pixel_axes
from .templates import Exposure, Template

_SCAN = 50
_FULL, _WINDOW = (2048, 4096), (256, 256)


class Giraffe:
    name = "GIRAFFE"

    def readout_s(self, template: Template) -> float:
        return 45.0

    def chips(self, template: Template) -> tuple[Chip, ...]:
        nx, ny = _FULL if template.is_full_frame else _WINDOW
        return (Chip("BRUCE", nx, ny, _SCAN, _SCAN),)

    def nominal(self, template: Template, chip: str) -> Physics:
        # The recipe measures between 100 and 300 ADU only.
        return Physics(200.0, 4.4, 0.54, dark_e_h=2.5, hot_pixels=40, lowest_hot_e_h=2000.0)

    def images(self, template: Template, exposure: Exposure, pixels: Pixels) -> list[Image]:
        (chip,) = self.chips(template)
        keywords = (
            *common(template, exposure, "ESO-VLT-U2", "IMAGE"),
            *_detector(chip, self.nominal(template, chip.name)),
            *_setup(template, chip),
            *pixel_axes(),
        )
        return [Image(cards(keywords), pixels[chip.name])]


def _detector(chip: Chip, physics: Physics) -> Keywords:
    return (
        ("ESO DET CHIPS", 1),
        ("ESO DET CHIP1 ID", chip.name),
        ("ESO DET CHIP1 NAME", "EEV"),
        ("ESO DET CHIP1 DATE", "2002-01-01"),
        ("ESO DET CHIP1 NX", chip.nx),
        ("ESO DET CHIP1 NY", chip.ny),
        ("ESO DET CHIP1 PSZX", 15.0),
        ("ESO DET CHIP1 PSZY", 15.0),
        ("ESO DET OUT1 NX", chip.nx),
        ("ESO DET OUT1 NY", chip.ny),
        ("ESO DET OUT1 PRSCX", chip.prescan),
        ("ESO DET OUT1 PRSCY", 0),
        ("ESO DET OUT1 OVSCX", chip.overscan),
        ("ESO DET OUT1 OVSCY", 0),
        ("ESO DET OUT1 RON", round(physics.ron_adu * physics.conad, 4)),
        ("ESO DET OUT1 CONAD", physics.conad),
        ("ESO DET OUT1 GAIN", round(1 / physics.conad, 6)),
    )


def _setup(template: Template, chip: Chip) -> Keywords:
    ny, nx = chip.shape
    return (
        ("ESO DET WIN1 NX", nx),
        ("ESO DET WIN1 NY", ny),
        ("ESO DET WIN1 BINX", template.binning),
        ("ESO DET WIN1 BINY", template.binning),
        ("ESO DET READ MODE", "normal"),
        ("ESO DET READ SPEED", template.read_mode.partition(",")[0]),
        ("ESO DET READ CLOCK", template.read_mode),
        ("ESO INS MODE", "MED"),
        ("ESO INS EXP MODE", "H379.9"),
        ("ESO INS SLIT NAME", "Medusa1"),
        ("ESO INS FILT NAME", "HR01"),
        ("ESO INS GRAT NAME", "HR"),
        ("ESO INS GRAT WLEN", 379.0),
        ("ESO INS GRAT ORDER", 15),
    )
