"""What is put into frames, what a recipe should then write, and how near to it: one row a fact.

docs/recipes.md says the same in words; a test holds the two together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from pipelines.simulator.detector import Physics
from pipelines.simulator.patterns import N_ORDERS, SLICE_STEP_PX, SLICE_WIDTH_PX

Expected = float | Callable[[Physics], float]


@dataclass(frozen=True)
class Row:
    """One fact.

    Attributes
    ----------
    study, keyword, unit
        Whose, what, and in which unit; the keyword as in the product, without ESO.
    change
        What is injected, a name of `laboratory.CHANGES`.
    kind
        ``times``: the ratio to the value without the change, of means over detectors;
        ``plus``: the difference; ``is``: the value itself, of each detector by itself.
    expected
        A number, or what follows from the detector's physics.
    tolerance
        A part of the expected value for ``times``, the keyword's unit for ``plus``; for ``is``
        the unit, or with `is_relative` a part.
    chip
        Which detector it is of, where a keyword is of one only; None for each in turn.
    """

    study: str
    keyword: str
    unit: str
    change: str
    kind: Literal["times", "plus", "is"]
    expected: Expected
    tolerance: float
    chip: int | None = None
    is_relative: bool = False


def ron(physics: Physics) -> float:
    return physics.ron_adu


def level(physics: Physics) -> float:
    return physics.bias_adu


def lamp(physics: Physics) -> float:
    return physics.lamp_adu_s


def dark_adu_h(physics: Physics) -> float:
    return physics.dark_e_h / physics.conad


# Photon noise and read noise make the variance; the recipe takes all of it for photons.
def _naco_gain_rise(physics: Physics) -> float:
    signal = physics.lamp_adu_s * 2.0
    read = physics.ron_adu**2
    return (signal / physics.conad + read) / (signal / physics.conad / 1.2 + read)


NOISIER, HIGHER, DARKER = "read noise +20 %", "level +10 ADU", "dark x2"
HOTTER, BRIGHTER, GAIN = "hot pixels x2", "light x1.2", "gain x1.2"
NOTHING, UNEVEN, BENT = "nothing", "response x1.5", "non-linearity x2"

ROWS = (
    Row("uves_cal_mbias blue", "QC OUT1 RON RAW", "ADU", NOTHING, "is", ron, 0.06),
    Row("uves_cal_mbias blue", "QC OUT1 RON RAW", "ADU", NOISIER, "times", 1.2, 0.02),
    Row("uves_cal_mbias blue", "QC OUT1 RON RAW", "ADU", HIGHER, "times", 1.0, 0.01),
    Row("uves_cal_mbias blue", "QC OUT1 RON MASTER", "ADU", NOISIER, "times", 1.2, 0.03),
    Row("uves_cal_mbias blue", "QC DUTYCYCL", "d", NOTHING, "is", 42 / 86400, 1e-5),
    Row("uves_cal_mbias blue", "PRO DATAAVG", "ADU", NOTHING, "is", level, 0.2),
    Row("uves_cal_mbias blue", "PRO DATAMED", "ADU", HIGHER, "plus", 10.0, 0.05),
    Row("uves_cal_mbias red", "QC OUT1 RON RAW", "ADU", NOTHING, "is", ron, 0.07, chip=0),
    Row("uves_cal_mbias red", "QC OUT4 RON RAW", "ADU", NOTHING, "is", ron, 0.07, chip=1),
    Row("uves_cal_mbias red", "QC OUT1 RON RAW", "ADU", NOISIER, "times", 1.2, 0.02),
    Row("uves_cal_mbias red", "QC OUT4 RON RAW", "ADU", NOISIER, "times", 1.2, 0.02),
    Row("uves_cal_mbias red", "QC OUT4 RON MASTER", "ADU", NOISIER, "times", 1.2, 0.03),
    Row("uves_cal_mbias red", "PRO DATAMED", "ADU", HIGHER, "plus", 10.0, 0.05),
    Row("uves_cal_mdark", "QC REG AVG AVG", "ADU", NOTHING, "is",
        lambda p: 10 * dark_adu_h(p), 0.3),
    Row("uves_cal_mdark", "QC REG AVG AVG", "ADU", DARKER, "times", 2.0, 0.03),
    Row("uves_cal_mdark", "QC REG00 AVG", "ADU", DARKER, "times", 2.0, 0.03),
    Row("uves_cal_mdark", "QC REG00 MED", "ADU", DARKER, "times", 2.0, 0.03),
    Row("uves_cal_orderpos", "QC ORD NDET", "", NOTHING, "is", float(N_ORDERS), 0.0),
    Row("uves_cal_orderpos", "QC ORD NDET", "", BRIGHTER, "plus", 0.0, 0.0),
    Row("uves_cal_orderpos", "QC ORD RESIDRMS", "px", NOTHING, "is", 0.0, 0.02),
    Row("uves_cal_mflat", "PRO DATAMED", "ADU", BRIGHTER, "times", 1.2, 0.01),
    Row("uves_cal_mflat", "PRO DATAAVG", "ADU", BRIGHTER, "times", 1.2, 0.01),
    Row("hawki_dark_combine", "QC RON1", "ADU", NOISIER, "times", 1.2, 0.05),
    Row("hawki_dark_combine", "QC RON1", "ADU", NOTHING, "is", ron, 1.05),
    Row("hawki_dark_combine", "QC DARK MED", "ADU", NOTHING, "is", level, 0.5),
    Row("hawki_dark_combine", "QC DARK MED", "ADU", HIGHER, "plus", 10.0, 0.05),
    Row("hawki_dark_combine", "QC DARK MEAN", "ADU", HIGHER, "plus", 10.0, 0.05),
    Row("hawki_dark_combine", "QC RAW MEAN MEDIAN", "ADU", HIGHER, "plus", 10.0, 0.05),
    Row("hawki_dark_combine", "QC DARK NBADPIX", "", HOTTER, "times", 2.0, 0.15),
    Row("hawki_dark_combine", "QC PARTICLE_RATE", "1/s", HOTTER, "times", 2.0, 0.2),
    *(Row("hawki_detector_noise", f"QC RON CHIP{n}-INT1", "ADU", NOISIER, "times", 1.2, 0.02)
      for n in (1, 2, 3, 4)),
    *(Row("hawki_detector_noise", f"QC RON CHIP{n}-INT1", "ADU", NOTHING, "is", ron, 0.4, chip)
      for n, chip in ((1, 0), (2, 1), (3, 3), (4, 2))),
    *(Row("hawki_detector_noise", f"QC GAIN CHIP{n}-INT1", "e-/ADU", NOTHING, "is", 2.0, 0.1)
      for n in (1, 2, 3, 4)),
    *(Row("hawki_detector_noise", f"QC GAIN CHIP{n}-INT1", "e-/ADU", GAIN, "times", 1.2, 0.03)
      for n in (1, 2, 3, 4)),
    Row("hawki_detector_noise", "QC GAIN CHIP1-INT1", "e-/ADU", BRIGHTER, "times", 1.0, 0.02),
    Row("hawki_linearity_analyse", "QC LIN EFF", "", NOTHING, "is",
        lambda p: p.nonlinear / 5, 0.0005),
    Row("hawki_linearity_analyse", "QC LIN EFF", "", BENT, "times", 2.0, 0.05),
    Row("hawki_linearity_analyse", "QC LIN COEF1", "ADU/s", NOTHING, "is", lamp, 0.005,
        is_relative=True),
    Row("hawki_linearity_analyse", "QC LIN COEF1", "ADU/s", BRIGHTER, "times", 1.2, 0.005),
    Row("hawki_linearity_analyse", "QC LIN COEF2", "ADU/s2", BENT, "times", 2.0, 0.05),
    Row("hawki_twilight_flat_combine", "QC FLAT MEDMEAN", "ADU", NOTHING, "is",
        lambda p: 10 * lamp(p) + level(p), 0.005, is_relative=True),
    Row("hawki_twilight_flat_combine", "QC FLAT NORM", "ADU", BRIGHTER, "times", 1.2, 0.002),
    Row("hawki_twilight_flat_combine", "QC FLATRNG", "ADU", BRIGHTER, "times", 1.2, 0.002),
    Row("hawki_twilight_flat_combine", "QC FLATRMS", "", NOTHING, "is", lambda p: p.prnu, 0.0005),
    Row("hawki_twilight_flat_combine", "QC FLATRMS", "", UNEVEN, "times", 1.5, 0.02),
    Row("gimasterbias", "QC OUT1 RON RAW", "ADU", NOTHING, "is", ron, 0.02),
    Row("gimasterbias", "QC OUT1 RON RAW", "ADU", NOISIER, "times", 1.2, 0.01),
    Row("gimasterbias", "QC OUT1 RON MASTER", "ADU", NOISIER, "times", 1.2, 0.01),
    Row("gimasterbias", "QC BIAS MASTER RMS", "ADU", NOISIER, "times", 1.2, 0.01),
    Row("gimasterbias", "QC BIAS MASTER MEAN", "ADU", NOTHING, "is", level, 0.05),
    Row("gimasterbias", "QC BIAS MASTER MEAN", "ADU", HIGHER, "plus", 10.0, 0.01),
    Row("gimasterbias", "QC BIAS MASTER MEDIAN", "ADU", HIGHER, "plus", 10.0, 0.01),
    Row("gimasterdark", "QC DARK CURRENT", "ADU/h", NOTHING, "is", dark_adu_h, 0.2),
    Row("gimasterdark", "QC DARK CURRENT", "ADU/h", DARKER, "times", 2.0, 0.03),
    Row("vmbias", "QC BIAS MEAN", "ADU", NOTHING, "is", level, 0.2),
    Row("vmbias", "QC BIAS MEAN", "ADU", HIGHER, "plus", 10.0, 0.02),
    Row("vmbias", "QC BIAS MEDIAN", "ADU", HIGHER, "plus", 10.0, 0.02),
    Row("vmbias", "QC BIAS RMS", "ADU", NOISIER, "times", 1.2, 0.01),
    Row("vmbias", "QC BIAS MASTER RMS", "ADU", NOISIER, "times", 1.2, 0.02),
    Row("vmbias", "QC BIAS MASTER NOISE", "ADU", NOISIER, "times", 1.2, 0.03),
    Row("vmdark", "QC DARK MASTER MEAN", "ADU/s", NOTHING, "is",
        lambda p: dark_adu_h(p) / 3600, 0.1, is_relative=True),
    Row("vmdark", "QC DARK MASTER MEAN", "ADU/s", DARKER, "times", 2.0, 0.05),
    Row("vimos_ima_bias", "QC BIASMED", "ADU", NOTHING, "is", level, 0.5),
    Row("vimos_ima_bias", "QC BIASMED", "ADU", HIGHER, "plus", 10.0, 0.05),
    Row("vimos_ima_bias", "QC USCAN_MED", "ADU", HIGHER, "plus", 10.0, 0.05),
    Row("vimos_ima_bias", "QC OSCAN_MED", "ADU", HIGHER, "plus", 10.0, 0.05),
    Row("vimos_ima_dark", "QC DARKMED", "ADU/s", DARKER, "times", 2.0, 0.15),
    Row("vimos_ima_dark", "QC NHOTPIX", "", HOTTER, "times", 2.0, 0.25),
    Row("naco_img_dark", "QC RON1", "ADU", NOTHING, "is", ron, 0.06, is_relative=True),
    Row("naco_img_dark", "QC RON1", "ADU", NOISIER, "times", 1.2, 0.01),
    Row("naco_img_dark", "QC RON2", "ADU", NOISIER, "times", 1.2, 0.01),
    Row("naco_img_dark", "QC DARKMED", "ADU", NOTHING, "is", level, 0.3),
    Row("naco_img_dark", "QC DARKMED", "ADU", HIGHER, "plus", 10.0, 0.05),
    Row("naco_img_dark", "QC NBHOTPIX", "", NOTHING, "is", lambda p: float(p.hot_pixels), 0.0),
    Row("naco_img_dark", "QC NBHOTPIX", "", HOTTER, "times", 2.0, 0.0),
    Row("naco_img_lampflat", "QC LAMPFLUX", "ADU/s", NOTHING, "is", lamp, 0.003,
        is_relative=True),
    Row("naco_img_lampflat", "QC LAMPFLUX", "ADU/s", BRIGHTER, "times", 1.2, 0.003),
    Row("naco_img_lampflat", "QC FPNOISE", "ADU", UNEVEN, "times", 1.5, 0.05),
    Row("naco_img_lampflat", "QC GAIN", "e-/ADU", GAIN, "times", _naco_gain_rise, 0.02),
    Row("visir_img_dark", "QC RON1", "ADU", NOTHING, "is", ron, 0.06, is_relative=True),
    Row("visir_img_dark", "QC RON1", "ADU", NOISIER, "times", 1.2, 0.01),
    Row("visir_img_dark", "QC DARKMED", "ADU", NOTHING, "is", level, 5.0),
    Row("visir_img_dark", "QC DARKMED", "ADU", HIGHER, "plus", 10.0, 0.5),
    Row("visir_img_dark", "QC NBHOTPIX", "", HOTTER, "times", 2.0, 0.0),
    Row("visir_img_ff", "QC LAMPFLUX", "ADU/s", NOTHING, "is", lamp, 0.003, is_relative=True),
    Row("visir_img_ff", "QC LAMPFLUX", "ADU/s", BRIGHTER, "times", 1.2, 0.003),
    *(Row("muse_bias", f"QC BIAS MASTER{n} RON", "e-", NOTHING, "is",
          lambda p: p.ron_adu * p.conad, 0.04, n - 1, is_relative=True) for n in (1, 2, 3, 4)),
    *(Row("muse_bias", f"QC BIAS MASTER{n} RON", "e-", NOISIER, "times", 1.2, 0.02)
      for n in (1, 2, 3, 4)),
    *(Row("muse_bias", f"QC BIAS LEVEL{n} MEDIAN", "ADU", NOTHING, "is", level, 0.8, n - 1)
      for n in (1, 2, 3, 4)),
    Row("muse_bias", "QC BIAS LEVEL1 MEDIAN", "ADU", HIGHER, "plus", 10.0, 0.01),
    Row("muse_dark", "QC DARK MASTER MEDIAN", "e-/h", DARKER, "times", 2.0, 0.03),
    Row("muse_dark", "QC DARK MASTER MEDIAN", "e-/h", NOTHING, "is",
        lambda p: p.dark_e_h, 0.08, is_relative=True),
    Row("muse_dark", "QC DARK MASTER DC", "e-/h", DARKER, "times", 2.0, 0.03),
    Row("muse_dark", "QC DARK MASTER NBADPIX", "", HOTTER, "plus", 48.0, 2.0),
    Row("muse_flat", "QC FLAT MASTER MEAN", "e-", BRIGHTER, "times", 1.2, 0.005),
    Row("muse_flat", "QC FLAT MASTER MEDIAN", "e-", BRIGHTER, "times", 1.2, 0.005),
    Row("muse_flat", "QC FLAT MASTER INTFLUX", "e-", BRIGHTER, "times", 1.2, 0.005),
    Row("muse_flat", "QC FLAT MASTER SLICE48 MEAN", "e-", BRIGHTER, "times", 1.2, 0.005),
    Row("muse_flat", "QC TRACE WIDTHS MEDIAN", "px", NOTHING, "is", SLICE_WIDTH_PX, 0.01),
    Row("muse_flat", "QC TRACE GAPS MEDIAN", "px", NOTHING, "is",
        SLICE_STEP_PX - SLICE_WIDTH_PX, 0.01),
)  # fmt: skip


def expected_of(row: Row, truths: list[Physics], n_values: int) -> list[float]:
    """Give what each value should be: of its own detector, or of all of them together."""
    expected = row.expected
    if not callable(expected):
        return [expected] * n_values
    if row.chip is not None:
        return [expected(truths[row.chip])] * n_values
    if n_values == len(truths):
        return [expected(one) for one in truths]
    return [fmean(expected(one) for one in truths)] * n_values
