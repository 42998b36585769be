"""hcm_flat finds what was put in: 5 frames of 4 s, about 16,800 ADU at 0.8 e-/ADU."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from pipelines.recipes.native.errors import IllegalInputError
from pipelines.recipes.native.flat import photon_transfer
from pipelines.simulator.frames import truth_of
from pipelines.simulator.templates import Defect
from tests.pipelines.recipes.native.running import (
    DARK,
    FLAT,
    frames,
    master_bias,
    physics,
    reduce,
)


def flat(tmp_path, template=FLAT, extra=(), defects=(), **changes):
    sent = frames(template, tmp_path / "raw", physics(template, **changes), defects)
    outcome = reduce("hcm_flat", [*sent, master_bias(tmp_path), *extra], tmp_path / "out")
    assert outcome.exit_code == 0, outcome.log
    return outcome


@pytest.mark.parametrize("detector", ["CHIP1", "CHIP2"])
def test_it_finds_the_lamp_and_the_response(tmp_path, detector):
    truth = truth_of(FLAT)[detector]
    qc = flat(tmp_path).qc("master_flat.fits", detector)

    assert qc["FLAT FLUX"] == pytest.approx(truth.lamp_adu_s, rel=0.002)
    assert qc["FLAT LEVEL"] == pytest.approx(4 * truth.lamp_adu_s, rel=0.002)
    assert qc["FLAT FPN"] == pytest.approx(100 * truth.prnu, rel=0.03)
    assert qc["FLAT NBAD"] == truth.dead_pixels
    assert qc["FLAT NSATUR"] == 0


@pytest.mark.parametrize("conad", [0.5, 0.8, 1.6])
def test_it_finds_the_conversion_factor_by_the_noise(tmp_path, conad):
    qc = flat(tmp_path, conad=conad).qc("master_flat.fits", "CHIP1")

    assert qc["FLAT GAIN"] == pytest.approx(conad, rel=0.025)


@pytest.mark.parametrize("prnu", [0.0, 0.02])
def test_the_pixel_response_does_not_reach_the_conversion_factor(tmp_path, prnu):
    qc = flat(tmp_path, prnu=prnu).qc("master_flat.fits", "CHIP1")

    assert qc["FLAT GAIN"] == pytest.approx(0.8, rel=0.025)
    assert qc["FLAT FPN"] == pytest.approx(100 * prnu, abs=0.06)


def test_a_bias_that_does_not_tell_its_noise_will_do(tmp_path):
    bias, tag = master_bias(tmp_path)
    bias.write_bytes(bias.read_bytes().replace(b"ESO QC BIAS RON RAW =", b"ESO QC BIAS RON ROW ="))
    outcome = reduce("hcm_flat", [*frames(FLAT, tmp_path / "raw"), (bias, tag)], tmp_path / "out")

    gain = outcome.qc("master_flat.fits", "CHIP1")["FLAT GAIN"]
    assert gain == pytest.approx(0.8, rel=0.025)


def test_the_master_is_a_response_of_median_one(tmp_path):
    outcome = flat(tmp_path)
    master = fits.getdata(outcome.directory / "master_flat.fits", "CHIP2")
    bad = fits.getdata(outcome.directory / "bad_pixel_map.fits", "CHIP2")

    assert master.shape == bad.shape == (400, 512)
    assert np.median(master) == pytest.approx(1.0, abs=1e-6)
    assert np.all(master[bad == 1] < 0.6)


def test_a_master_dark_is_taken_off_by_exposure_time(tmp_path):
    bias = master_bias(tmp_path)
    hot = {"dark_e_h": 40_000.0, "cosmics_per_hour": 0.0}
    made = reduce(
        "hcm_dark", [*frames(DARK, tmp_path / "d", physics(DARK, **hot)), bias], tmp_path / "dark"
    )
    assert made.exit_code == 0, made.log
    template = replace(FLAT, exptime_s=60.0)
    kwargs = {"lamp_adu_s": 200.0, **hot}

    plain = flat(tmp_path / "plain", template, **kwargs)
    corrected = flat(
        tmp_path / "corrected",
        template,
        extra=[(tmp_path / "dark" / "master_dark.fits", "MASTER_DARK")],
        **kwargs,
    )

    # 40,000 e-/h are 833 ADU in a minute, on top of 12,000 ADU of light.
    level = corrected.qc("master_flat.fits", "CHIP1")["FLAT LEVEL"]
    assert level == pytest.approx(12_000, rel=0.005)
    assert plain.qc("master_flat.fits", "CHIP1")["FLAT LEVEL"] - level == pytest.approx(
        833, rel=0.05
    )
    assert corrected.product("master_flat.fits").primary["ESO PRO REC1 CAL2 CATG"] == "MASTER_DARK"


def test_a_lamp_that_moves_between_frames_is_no_pattern():
    chance = np.random.default_rng(5)
    shape = np.linspace(8000, 12000, 128, dtype=np.float32) * np.ones((96, 1), np.float32)

    def exposed(factor):
        electrons = chance.poisson(shape * factor * 0.8)
        return (electrons / 0.8).astype(np.float32)

    transfer = photon_transfer(exposed(1.0), exposed(1.2), read_noise=0.0)
    assert transfer.fixed_pattern == pytest.approx(0.0, abs=0.35)
    # The second frame, scaled to the first, has a little less noise than the first.
    assert transfer.gain == pytest.approx(0.8 * 2 / (1 + 1 / 1.2), rel=0.04)


def test_the_same_frame_twice_is_refused():
    frame = np.random.default_rng(6).normal(9000, 100, (64, 64)).astype(np.float32)

    with pytest.raises(IllegalInputError, match="is one frame given twice"):
        photon_transfer(frame, frame, read_noise=3.0)


def test_a_dark_room_is_refused(tmp_path):
    sent = frames(FLAT, tmp_path / "raw", physics(FLAT, lamp_adu_s=0.0, bias_adu=990.0))
    outcome = reduce("hcm_flat", [*sent, master_bias(tmp_path)], tmp_path / "out")

    assert outcome.exit_code == 14
    assert "was the lamp on?" in outcome.log
    assert outcome.files == set()


def test_a_saturated_frame_is_left_out_and_said_so(tmp_path):
    outcome = flat(tmp_path, defects=(Defect(saturated_frame=3),))
    primary = outcome.product("master_flat.fits").primary

    (warning,) = [line for line in outcome.log.splitlines() if "[WARNING]" in line]
    assert warning.endswith("% of the pixels are saturated, dropped")
    assert "[ ERROR ]" not in outcome.log
    assert primary["ESO PRO DATANCOM"] == 4
    assert primary["ESO QC FLAT NDROPPED"] == 1
    assert "ESO PRO REC1 RAW5 NAME" not in primary
    assert outcome.qc("master_flat.fits", "CHIP1")["FLAT LEVEL"] == pytest.approx(
        4 * truth_of(FLAT)["CHIP1"].lamp_adu_s, rel=0.002
    )


def test_it_counts_saturated_pixels_of_good_frames(tmp_path):
    outcome = flat(tmp_path)
    level = 17_800.0
    again = reduce(
        "hcm_flat",
        [
            *[(path, "FLAT") for path in sorted((tmp_path / "raw").iterdir())],
            (tmp_path / "bias" / "master_bias.fits", "MASTER_BIAS"),
        ],
        tmp_path / "again",
        saturation=level,
        max_saturated=1.0,
    )
    pixels = [
        fits.getdata(path, "CHIP1")[:, 10:-10] for path in sorted((tmp_path / "raw").iterdir())
    ]

    assert outcome.qc("master_flat.fits", "CHIP1")["FLAT NSATUR"] == 0
    expected = sum(int(np.count_nonzero(each >= level)) for each in pixels)
    assert again.qc("master_flat.fits", "CHIP1")["FLAT NSATUR"] == expected > 1000
