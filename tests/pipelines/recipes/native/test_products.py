import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipelines.recipes.native import VERSION
from tests.pipelines.recipes.native.running import (
    BIAS,
    DARK,
    frames,
    master_bias,
    noisy,
    plain_frame,
    reduce,
    tagged,
)


@pytest.fixture
def made(tmp_path):
    """A master dark, with the frames and the bias it was made of."""
    sent = frames(DARK, tmp_path / "raw")
    outcome = reduce("hcm_dark", [*sent, master_bias(tmp_path)], tmp_path / "out")
    assert outcome.exit_code == 0, outcome.log
    return outcome, [Path(path).name for path, _ in sent]


def test_a_product_tells_what_it_was_made_of(made):
    outcome, names = made
    header = outcome.product("master_dark.fits").primary

    assert header["ESO PRO CATG"] == "MASTER_DARK"
    assert header["ESO PRO REC1 ID"] == "hcm_dark"
    assert header["ESO PRO REC1 PIPE ID"] == f"hcm/{VERSION}"
    assert [header[f"ESO PRO REC1 RAW{i} NAME"] for i in range(1, 6)] == names
    assert header["ESO PRO REC1 RAW5 CATG"] == "DARK"
    assert header["ESO PRO REC1 CAL1 NAME"] == "master_bias.fits"
    assert header["ESO PRO REC1 CAL1 CATG"] == "MASTER_BIAS"
    assert header["ESO PRO REC1 PARAM4 NAME"] == "hot-kappa"
    assert header["ESO PRO REC1 PARAM4 VALUE"] == "10"
    assert header["ESO PRO DATANCOM"] == 5


def test_it_inherits_the_first_frame_but_not_its_layout_and_class(made):
    outcome, _ = made
    header = outcome.product("master_dark.fits").primary
    chip = outcome.product("master_dark.fits").hdus[1].header

    assert header["DATE-OBS"] == "2026-01-02T10:00:04.217"
    assert header["ESO DET READ MODE"] == "SLOW"
    assert header["ESO TPL START"] == "2026-01-02T10:00:00"
    assert chip["ESO DET OUT1 CONAD"] == 0.8
    for gone in ("ESO DPR CATG", "ESO DPR TYPE", "ARCFILE", "ORIGFILE"):
        assert gone not in header
    for gone in ("ESO DET OUT1 PRSCX", "ESO DET OUT1 OVSCX", "BZERO"):
        assert gone not in chip


def test_every_measurement_has_its_unit_in_the_comment(made):
    outcome, _ = made
    with fits.open(outcome.directory / "master_dark.fits") as hdus:
        comments = {
            card.keyword: card.comment
            for hdu in hdus
            for card in hdu.header.cards
            if card.keyword.startswith("ESO QC")
        }

    assert comments["ESO QC DARK CURRENT"].startswith("[e-/h/pix]")
    assert comments["ESO QC DARK RON"].startswith("[ADU]")
    assert comments["ESO QC DARK NCOSMIC"].startswith("[")
    assert len(comments) == 7
    assert all(comment.startswith("[") for comment in comments.values())


def test_sums_and_layout_satisfy_astropy(made):
    outcome, _ = made
    for name, bitpix in (("master_dark.fits", -32), ("hot_pixel_map.fits", 8)):
        with fits.open(outcome.directory / name, checksum=True) as hdus:
            hdus.verify("exception")
            assert [hdu.name for hdu in hdus] == ["PRIMARY", "CHIP1", "CHIP2"]
            assert hdus["CHIP2"].data.shape == (400, 512)
            assert hdus["CHIP2"].header["BITPIX"] == bitpix


def test_the_list_of_products_resolves_from_the_working_directory(made):
    outcome, _ = made
    listed = json.loads((outcome.directory / "products.json").read_text())

    assert [each["category"] for each in listed] == ["MASTER_DARK", "HOT_PIXEL_MAP"]
    assert all(Path(each["name"]).is_file() for each in listed)


def test_the_sum_of_the_data_is_the_same_in_every_run(tmp_path):
    sent = frames(BIAS, tmp_path / "raw")
    sums = set()
    for i in range(3):
        reduce("hcm_bias", sent, tmp_path / str(i))
        product = tmp_path / str(i) / "master_bias.fits"
        sums.add(fits.getval(product, "DATAMD5"))

    assert len(sums) == 1
    other = reduce("hcm_bias", sent[:4], tmp_path / "other")
    assert other.product("master_bias.fits").primary["DATAMD5"] not in sums


def test_a_primary_image_gives_a_primary_product(tmp_path):
    paths = [
        plain_frame(tmp_path / f"{i}.fits", noisy((90, 130), i), INSTRUME="SMALL") for i in range(3)
    ]
    outcome = reduce("hcm_bias", tagged(paths, "BIAS"), tmp_path / "out")
    (only,) = outcome.product("master_bias.fits").hdus

    assert only.shape == (90, 130)
    assert only.header["INSTRUME"] == "SMALL"
    assert only.header["ESO QC BIAS LEVEL"] == pytest.approx(1000, abs=0.1)
    assert only.header["ESO QC BIAS NFRAMES"] == 3
    assert "ESO QC BIAS OVERSCAN" not in only.header


def test_frames_of_real_numbers_are_reduced_as_well(tmp_path):
    chance = np.random.default_rng(9)
    paths = [
        plain_frame(tmp_path / f"{i}.fits", chance.normal(20, 2, (80, 90)).astype(np.float32))
        for i in range(4)
    ]
    outcome = reduce("hcm_bias", tagged(paths, "BIAS"), tmp_path / "out")
    qc = outcome.qc("master_bias.fits", "PRIMARY")

    assert qc["BIAS LEVEL"] == pytest.approx(20, abs=0.1)
    assert qc["BIAS RON RAW"] == pytest.approx(2, rel=0.03)


def test_a_long_file_name_goes_on_in_a_second_card(tmp_path):
    name = "A" * 90 + ".fits"
    paths = [plain_frame(tmp_path / name, noisy((40, 40), 0))]
    paths += [plain_frame(tmp_path / f"{i}.fits", noisy((40, 40), i)) for i in (1, 2)]
    outcome = reduce("hcm_bias", tagged(paths, "BIAS"), tmp_path / "out")
    product = outcome.directory / "master_bias.fits"

    assert outcome.product("master_bias.fits").primary["ESO PRO REC1 RAW1 NAME"] == name
    assert fits.getval(product, "ESO PRO REC1 RAW1 NAME") == name


def test_binned_and_unbinned_frames_have_products_of_their_own_size(tmp_path):
    binned = frames(replace(BIAS, binning=2), tmp_path / "raw")
    outcome = reduce("hcm_bias", binned, tmp_path / "out")

    assert outcome.product("master_bias.fits").hdus[1].shape == (200, 256)
