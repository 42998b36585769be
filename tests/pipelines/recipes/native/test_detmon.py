"""hcm_detmon finds what was put in: pairs of flats at eight levels, two biases among them."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from tests.pipelines.recipes.native.running import FLAT, frames, physics, reduce

EXPTIMES = (0.0, 0.0, *(t for t in (0.3, 0.6, 1.2, 2.4, 3.6, 4.8, 6.0, 8.0) for _ in range(2)))
PTC = replace(FLAT, kind="PTC", n_frames=len(EXPTIMES), exptimes_s=EXPTIMES, exptime_s=0.0)


def detmon(tmp_path, template=PTC, **changes):
    sent = frames(template, tmp_path / "raw", physics(template, lamp_adu_s=5000.0, **changes))
    return reduce("hcm_detmon", sent, tmp_path / "out")


def qc_of(outcome, detector="CHIP1"):
    assert outcome.exit_code == 0, outcome.log
    return outcome.qc("master_ptc.fits", detector)


@pytest.mark.parametrize("detector", ["CHIP1", "CHIP2"])
@pytest.mark.parametrize("conad", [0.5, 0.8, 2.2])
def test_it_finds_gain_and_read_noise(tmp_path, conad, detector):
    qc = qc_of(detmon(tmp_path, conad=conad, ron_adu=3.0), detector)
    noise = (9 + 1 / 12) ** 0.5  # rounding to whole ADU adds 1/12

    assert qc["PTC GAIN"] == pytest.approx(conad, rel=0.01)
    assert qc["PTC RON ADU"] == pytest.approx(noise, rel=0.006)
    assert qc["PTC RON"] == pytest.approx(noise * conad, rel=0.012)
    assert qc["PTC RESID"] < 1.0
    assert (qc["PTC NLEVELS"], qc["PTC LEVEL MAX"]) == (8, pytest.approx(40_000, rel=0.05))
    assert "PTC FULLWELL" not in qc


@pytest.mark.parametrize("ron", [1.5, 5.0, 12.0])
def test_the_read_noise_does_not_reach_the_gain(tmp_path, ron):
    qc = qc_of(detmon(tmp_path, ron_adu=ron))

    assert qc["PTC RON ADU"] == pytest.approx((ron**2 + 1 / 12) ** 0.5, rel=0.006)
    assert qc["PTC GAIN"] == pytest.approx(0.8, rel=0.01)


def test_neither_does_a_response_that_bends(tmp_path):
    assert qc_of(detmon(tmp_path, nonlinear=0.05))["PTC GAIN"] == pytest.approx(0.8, rel=0.015)


@pytest.mark.parametrize("full_well", [22_000.0, 33_000.0])
def test_it_finds_the_full_well(tmp_path, full_well):
    qc = qc_of(detmon(tmp_path, full_well_adu=full_well))

    assert qc["PTC FULLWELL"] == pytest.approx(full_well, rel=0.01)
    assert qc["PTC LEVEL MAX"] < 0.95 * full_well
    assert qc["PTC GAIN"] == pytest.approx(0.8, rel=0.02)


def test_the_curve_is_kept(tmp_path):
    outcome = detmon(tmp_path)
    seconds, signal, variance = fits.getdata(outcome.directory / "master_ptc.fits", "CHIP1")

    assert np.array_equal(seconds, np.array(sorted(set(EXPTIMES) - {0.0}), np.float32))
    assert signal == pytest.approx(5000 * seconds, rel=0.05)
    assert variance == pytest.approx(9 + signal / 0.8, rel=0.02)


@pytest.mark.parametrize(
    "exptimes",
    [(0.0, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 6.0, 6.0), (0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 6.0)],
    ids=["one bias", "three pairs"],
)
def test_a_series_that_is_too_short_is_refused(tmp_path, exptimes):
    template = replace(PTC, n_frames=len(exptimes), exptimes_s=exptimes)
    outcome = detmon(tmp_path, template)

    assert outcome.exit_code == 14
    assert "at least 2 and 4 expected; take a longer series" in outcome.log


def test_a_lamp_that_was_off_is_said(tmp_path):
    sent = frames(PTC, tmp_path / "raw", physics(PTC, lamp_adu_s=0.0, dark_e_h=0.0))
    outcome = reduce("hcm_detmon", sent, tmp_path / "out")

    assert outcome.exit_code == 14
    assert "was the lamp on?" in outcome.log
