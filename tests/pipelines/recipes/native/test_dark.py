"""hcm_dark finds what was put in: 5 frames of 600 s, 0.8 e-/ADU, read noise 3 ADU."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from pipelines.simulator.detector import hot_rates
from pipelines.simulator.frames import CAMERAS, truth_of
from tests.pipelines.recipes.native.running import DARK, frames, master_bias, physics, reduce


def dark(tmp_path, template=DARK, bias=None, **changes):
    truth = physics(template, **changes)
    sent = frames(template, tmp_path / "raw", truth)
    bias = bias or master_bias(tmp_path)
    outcome = reduce("hcm_dark", [*sent, bias], tmp_path / "out")
    assert outcome.exit_code == 0, outcome.log
    return outcome


@pytest.mark.parametrize("current", [6.0, 12.0, 24.0])
def test_it_finds_the_dark_current(tmp_path, current):
    qc = dark(tmp_path, dark_e_h=current).qc("master_dark.fits", "CHIP1")

    # Overscan of 8000 pixels in 5 frames fixes the level to 0.02 ADU, which is 0.1 e-/h; the
    # median of a few skewed Poisson counts is 1.5 % low.
    assert qc["DARK CURRENT"] == pytest.approx(current, rel=0.04, abs=0.4)
    assert qc["DARK MEDIAN"] == pytest.approx(current / 6 / 0.8, rel=0.06, abs=0.08)


@pytest.mark.parametrize("n", [0, 60, 560])
def test_it_counts_the_hot_pixels(tmp_path, n):
    outcome = dark(tmp_path, hot_pixels=n)

    assert outcome.qc("master_dark.fits", "CHIP1")["DARK NHOT"] == n
    assert int(fits.getdata(outcome.directory / "hot_pixel_map.fits", "CHIP1").sum()) == n


def test_the_noise_has_the_shot_noise_in_it(tmp_path):
    truth = truth_of(DARK)["CHIP1"]
    qc = dark(tmp_path).qc("master_dark.fits", "CHIP1")
    electrons = truth.dark_e_h / 6

    variance = truth.ron_adu**2 + 1 / 12 + electrons / truth.conad**2
    assert qc["DARK RON"] == pytest.approx(variance**0.5, rel=0.02)


def test_a_bias_that_has_moved_since_is_followed_by_the_overscan(tmp_path):
    still = dark(tmp_path / "still").qc("master_dark.fits", "CHIP1")
    moved_up = dark(tmp_path / "moved", bias_adu=1013.0).qc("master_dark.fits", "CHIP1")

    assert moved_up["DARK CURRENT"] == pytest.approx(still["DARK CURRENT"], abs=0.6)


def test_cosmic_hits_are_neither_hot_nor_dark_current(tmp_path):
    calm = dark(tmp_path / "calm", cosmics_per_hour=0.0).qc("master_dark.fits", "CHIP1")
    stormy = dark(tmp_path / "stormy", cosmics_per_hour=2000.0).qc("master_dark.fits", "CHIP1")

    assert stormy["DARK NHOT"] == calm["DARK NHOT"]
    assert stormy["DARK CURRENT"] == pytest.approx(calm["DARK CURRENT"], rel=0.03)


def test_cosmic_hits_of_a_single_dark_are_counted(tmp_path):
    bias = master_bias(tmp_path)
    calm = frames(DARK, tmp_path / "calm", physics(DARK, cosmics_per_hour=0.0))
    stormy = frames(DARK, tmp_path / "stormy", physics(DARK, cosmics_per_hour=900.0))
    outcome = reduce("hcm_dark", [*stormy, bias], tmp_path / "out")
    without, having = (fits.getdata(paths[0][0], "CHIP1").astype(float) for paths in (calm, stormy))
    hit = np.count_nonzero(having - without > 300)

    assert hit > 100
    assert outcome.qc("master_dark.fits", "CHIP1")["DARK NCOSMIC"] == pytest.approx(hit, rel=0.05)
    quiet = reduce("hcm_dark", [*calm, bias], tmp_path / "quiet")
    assert quiet.qc("master_dark.fits", "CHIP1")["DARK NCOSMIC"] <= 2


def test_the_exposure_time_decides_what_is_hot(tmp_path):
    template = replace(DARK, exptime_s=60.0)
    chip = CAMERAS["CCDCAM"].chips(template)[0]
    truth = truth_of(template)["CHIP1"]
    qc = dark(tmp_path, template).qc("master_dark.fits", "CHIP1")

    # The medians of five darks and of five biases.
    noise_of_master = 2**0.5 * 0.54 * truth.ron_adu
    seen = hot_rates(chip, truth, "CCDCAM") / 60 / truth.conad > 10 * noise_of_master
    assert qc["DARK NHOT"] == pytest.approx(np.count_nonzero(seen), abs=4)


def test_without_exposure_time_there_is_no_current(tmp_path):
    bias = master_bias(tmp_path)
    sent = frames(replace(DARK, exptime_s=0.0), tmp_path / "raw")
    outcome = reduce("hcm_dark", [*sent, bias], tmp_path / "out")

    assert outcome.exit_code == 14
    assert "EXPTIME = 0.0, expected more than 0" in outcome.log
