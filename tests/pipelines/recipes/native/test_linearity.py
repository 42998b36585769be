"""hcm_linearity finds what was put in: a lamp of 6000 ADU/s at eight exposure times."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from pipelines.simulator.detector import NONLINEAR_AT_ADU
from tests.pipelines.recipes.native.running import FLAT, frames, physics, reduce

EXPTIMES = (0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 7.5)
SERIES = replace(FLAT, kind="LINEARITY", n_frames=len(EXPTIMES), exptimes_s=EXPTIMES, exptime_s=0.0)
FLUX = 6000.0


def linearity(tmp_path, detector="CHIP1", template=SERIES, **changes):
    sent = frames(template, tmp_path / "raw", physics(template, lamp_adu_s=FLUX, **changes))
    outcome = reduce("hcm_linearity", sent, tmp_path / "out")
    assert outcome.exit_code == 0, outcome.log
    return outcome, outcome.qc("master_linearity.fits", detector)


@pytest.mark.parametrize("detector", ["CHIP1", "CHIP2"])
@pytest.mark.parametrize("missing", [0.0, 0.01, 0.02, 0.06, -0.02])
def test_it_finds_how_the_response_bends(tmp_path, missing, detector):
    _, qc = linearity(tmp_path, detector, nonlinear=missing)
    coefficient = -missing / NONLINEAR_AT_ADU
    light = FLUX * 7.5

    # The lamp is up to 8 % brighter and dimmer over the detector; 2e-9 is 0.01 % at 45,000 ADU.
    assert qc["LINEARITY COEF"] == pytest.approx(coefficient, rel=0.03, abs=4e-9)
    assert qc["LINEARITY DEV"] == pytest.approx(100 * coefficient * light, rel=0.04, abs=0.06)
    assert qc["LINEARITY FLUX"] == pytest.approx(FLUX, rel=0.02)
    assert qc["LINEARITY RESID"] < 0.1
    assert qc["LINEARITY NLEVELS"] == 8


@pytest.mark.parametrize(("missing", "level"), [(0.02, 25_000), (0.05, 10_000), (0.005, None)])
def test_it_finds_the_level_of_one_per_cent(tmp_path, missing, level):
    _, qc = linearity(tmp_path, nonlinear=missing)

    expected = None if level is None else pytest.approx(0.99 * level, rel=0.03)
    assert qc.get("LINEARITY LEVEL ONE") == expected


@pytest.mark.parametrize("n", [0, 7, 150])
def test_it_finds_the_pixels_that_bend_otherwise(tmp_path, n):
    outcome, qc = linearity(tmp_path, nonlinear=0.02, nonlinear_pixels=n, cosmics_per_hour=0.0)

    assert qc["LINEARITY NODD"] == n
    marked = fits.getdata(outcome.directory / "nonlinear_pixel_map.fits", "CHIP1")
    assert (marked.dtype, int(marked.sum())) == (np.uint8, n)


def test_full_levels_are_left_out(tmp_path):
    _, qc = linearity(tmp_path, nonlinear=0.02, full_well_adu=28_000.0)

    assert qc["LINEARITY NLEVELS"] == 6
    assert qc["LINEARITY LEVEL MAX"] == pytest.approx(24_000, rel=0.03)
    assert qc["LINEARITY COEF"] == pytest.approx(-0.02 / NONLINEAR_AT_ADU, rel=0.05)


def test_a_series_that_is_full_too_soon_is_refused(tmp_path):
    few = physics(SERIES, lamp_adu_s=FLUX, full_well_adu=4_000.0)
    outcome = reduce("hcm_linearity", frames(SERIES, tmp_path / "raw", few), tmp_path / "out")

    assert outcome.exit_code == 14
    assert "2 of 8 exposure times are below the level of full pixels" in outcome.log


def test_the_curve_is_kept(tmp_path):
    outcome, qc = linearity(tmp_path, nonlinear=0.04)
    seconds, level, deviation = fits.getdata(outcome.directory / "master_linearity.fits", "CHIP1")

    assert seconds.tolist() == [0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 7.5]
    assert level[-1] == pytest.approx(qc["LINEARITY LEVEL MAX"])
    assert deviation[-1] == pytest.approx(qc["LINEARITY DEV"], rel=1e-4)
    assert (np.diff(deviation) < 0).all()


def test_a_series_without_a_bias_is_refused(tmp_path):
    template = replace(SERIES, n_frames=5, exptimes_s=(0.5, 1.0, 2.0, 3.0, 4.0))
    sent = frames(template, tmp_path / "raw")
    outcome = reduce("hcm_linearity", sent, tmp_path / "out")

    assert outcome.exit_code == 14
    assert "0 frames of EXPTIME = 0 and 5 exposure times" in outcome.log
