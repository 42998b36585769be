"""hcm_bias finds what was put in: 5 frames of two detectors, 512 x 400 pixels each."""

import pytest

from pipelines.simulator.frames import truth_of
from tests.pipelines.recipes.native.running import BIAS, frames, physics, reduce


def bias_qc(tmp_path, detector="CHIP1", **changes):
    sent = frames(BIAS, tmp_path / "raw", physics(BIAS, **changes))
    outcome = reduce("hcm_bias", sent, tmp_path / "out")
    assert outcome.exit_code == 0, outcome.log
    return outcome.qc("master_bias.fits", detector)


@pytest.mark.parametrize("detector", ["CHIP1", "CHIP2"])
def test_it_finds_level_and_noise_of_each_detector(tmp_path, detector):
    truth = truth_of(BIAS)[detector]
    qc = bias_qc(tmp_path, detector)

    assert qc["BIAS LEVEL"] == pytest.approx(truth.bias_adu, abs=0.08)
    assert qc["BIAS OVERSCAN"] == pytest.approx(truth.bias_adu, abs=0.12)
    # Rounding to whole ADU adds 1/12 to the variance.
    assert qc["BIAS RON RAW"] == pytest.approx((truth.ron_adu**2 + 1 / 12) ** 0.5, rel=0.01)


@pytest.mark.parametrize("level", [200.0, 1000.3, 1000.6])
def test_the_level_follows_fractions_of_an_adu(tmp_path, level):
    assert bias_qc(tmp_path, bias_adu=level)["BIAS LEVEL"] == pytest.approx(level, abs=0.08)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.01, 1.35, 3.0])
def test_the_read_noise_follows_the_detector_in_small_steps(tmp_path, factor):
    qc = bias_qc(tmp_path, ron_adu=3.0 * factor)
    expected = ((3.0 * factor) ** 2 + 1 / 12) ** 0.5

    assert qc["BIAS RON RAW"] == pytest.approx(expected, rel=0.006)
    # The median of five normal values scatters by 0.5358 of one of them.
    assert qc["BIAS RON MASTER"] == pytest.approx(0.5358 * expected, rel=0.03)


def test_a_gradient_is_structure_and_not_noise(tmp_path):
    flat = bias_qc(tmp_path / "flat", gradient_x_adu=0.0, gradient_y_adu=0.0, pattern_adu=0.0)
    tilted = bias_qc(tmp_path / "tilted", gradient_x_adu=0.0, gradient_y_adu=20.0, pattern_adu=0.0)

    # A slope of 20 ADU from edge to edge scatters by 20 / sqrt(12).
    assert tilted["BIAS STRUCT Y"] == pytest.approx(20 / 12**0.5, rel=0.02)
    assert tilted["BIAS STRUCT X"] == pytest.approx(flat["BIAS STRUCT X"], abs=0.02)
    assert tilted["BIAS RON MASTER"] == pytest.approx(flat["BIAS RON MASTER"], rel=0.01)


@pytest.mark.parametrize("n", [0, 9, 200])
def test_it_counts_the_odd_pixels(tmp_path, n):
    assert bias_qc(tmp_path, odd_bias_pixels=n)["BIAS NOUTLIER"] == n


def test_cosmic_hits_leave_no_trace(tmp_path):
    hit = bias_qc(tmp_path, cosmics_per_hour=1e6, odd_bias_pixels=0)

    assert hit["BIAS NOUTLIER"] == 0
