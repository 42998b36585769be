import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, strategies as st

from pipelines.recipes.native.cards import card
from pipelines.recipes.native.errors import (
    DamagedFileError,
    FileMissingError,
    IncompatibleInputError,
    InputOutputError,
)
from pipelines.recipes.native.fitsfile import Image, fits_size, open_fits, write_fits

PIXELS = np.arange(7 * 5).reshape(5, 7)


def images(kind: str) -> list[Image]:
    cards = (card("OBJECT", "TEST"), card("ESO DET CHIPS", 1))
    return [Image(cards), Image((card("ESO DET OUT1 NX", 7),), PIXELS.astype(kind), "CHIP1")]


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int32", "float32"])
def test_astropy_finds_sums_and_pixels_in_order(tmp_path, kind):
    write_fits(tmp_path / "a.fits", images(kind), checksums=True)

    # astropy warns of a wrong checksum, and a warning fails the test.
    with fits.open(tmp_path / "a.fits", checksum=True) as hdus:
        hdus.verify("exception")
        assert hdus["CHIP1"].data.tolist() == PIXELS.tolist()
        assert {"CHECKSUM", "DATASUM"} <= set(hdus["CHIP1"].header)


@given(st.lists(st.integers(0, 2**31 - 1), max_size=40))
def test_the_checksum_brings_every_hdu_to_minus_zero(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "sum.fits"
    cards = tuple(card(f"ESO TEST V{i}", value) for i, value in enumerate(values))
    write_fits(path, [Image(cards, np.array([values or [0]], np.int32))], checksums=True)

    total = int(np.frombuffer(path.read_bytes(), ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    assert total == 0xFFFFFFFF


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_the_size_is_known_before_writing(tmp_path, kind):
    write_fits(tmp_path / "a.fits", images(kind))

    assert (tmp_path / "a.fits").stat().st_size == fits_size(images(kind))


def test_it_finds_images_and_their_shapes(tmp_path):
    write_fits(tmp_path / "a.fits", images("uint16"))
    primary, chip = open_fits(tmp_path / "a.fits").hdus

    assert primary.shape is None
    assert chip.shape == (5, 7)
    assert chip.zero == 32768.0


def test_it_says_how_much_of_a_cut_file_is_left(tmp_path):
    path = tmp_path / "cut.fits"
    write_fits(path, images("uint16"))
    path.write_bytes(path.read_bytes()[: 2 * 2880 + 69])

    with pytest.raises(DamagedFileError, match=r"cut\.fits: cut short, 5830 bytes .* 5829 found"):
        open_fits(path)


def test_the_padding_of_the_last_block_may_be_lost(tmp_path):
    path = tmp_path / "unpadded.fits"
    write_fits(path, images("uint16"))
    path.write_bytes(path.read_bytes()[: 2 * 2880 + 70])

    assert open_fits(path).hdus[1].shape == (5, 7)


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        pytest.param(b"", DamagedFileError, "no FITS header", id="empty"),
        pytest.param(b"hello " * 600, DamagedFileError, "not a FITS file", id="text"),
        pytest.param(b"SIMPLE  =" + b" " * 100, DamagedFileError, "no end", id="half a header"),
        pytest.param(b"SIMPLE  =" + b" " * 5751, DamagedFileError, "no end", id="no END"),
    ],
)
def test_it_refuses_what_is_no_fits(tmp_path, content, error, words):
    (tmp_path / "a.fits").write_bytes(content)

    with pytest.raises(error, match=words):
        open_fits(tmp_path / "a.fits")


def test_it_tells_a_missing_file_from_an_unreadable_one(tmp_path):
    with pytest.raises(FileMissingError, match="no such file"):
        open_fits(tmp_path / "none.fits")
    with pytest.raises(InputOutputError, match="directory"):
        open_fits(tmp_path)


def test_it_refuses_scaled_pixels(tmp_path):
    fits.PrimaryHDU(np.ones((3, 3), np.int16)).writeto(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits", "update", do_not_scale_image_data=True) as hdus:
        hdus[0].header["BSCALE"] = 0.5

    with pytest.raises(IncompatibleInputError, match=r"BSCALE=0\.5"):
        open_fits(tmp_path / "a.fits")


def test_tables_are_passed_over(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=[1, 2, 3])])
    image = fits.ImageHDU(np.ones((2, 3), np.float32), name="CHIP1")
    fits.HDUList([fits.PrimaryHDU(), table, image]).writeto(tmp_path / "a.fits")

    assert [hdu.shape for hdu in open_fits(tmp_path / "a.fits").hdus] == [None, None, (2, 3)]
