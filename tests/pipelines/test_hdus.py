"""Plain files are read as astropy reads them; unusual ones are refused."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from pipelines.hdus import UnusualError, data_sum, read_hdus

PIXELS = np.arange(-30, 30).reshape(5, 12)
KINDS = ["u1", "u2", "i2", "u4", "i4", "i8", "f4", "f8"]


def image(kind):
    return PIXELS.astype(kind)


def written(tmp_path, *hdus, checksum=True):
    path = tmp_path / "frame.fits"
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, checksum=checksum)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["primary", "extension"])
def test_pixels_are_those_that_astropy_reads(tmp_path, kind, place):
    path = tmp_path / "frame.fits"
    hdus = [fits.PrimaryHDU(image(kind))]
    if place == "extension":
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(image(kind), name="CHIP1")]
    fits.HDUList(hdus).writeto(path, checksum=True)
    found = list(read_hdus(path))
    with fits.open(path) as expected:
        assert [one.kind for one in found] == ["", "IMAGE"][: len(found)]
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.n_axes == theirs.header["NAXIS"]
            assert ours.fits_its_sum()
            if theirs.data is None:
                assert ours.image() is None
            else:
                assert ours.image().dtype == theirs.data.dtype.newbyteorder("=")
                np.testing.assert_array_equal(ours.image(), theirs.data)


def test_a_table_is_no_image_and_has_a_sum(tmp_path):
    column = fits.Column("X", "D", array=np.arange(3.0))
    path = written(tmp_path, fits.BinTableHDU.from_columns([column]))
    table = list(read_hdus(path))[1]
    assert (table.kind, table.image(), table.fits_its_sum()) == ("BINTABLE", None, True)


def test_a_wrong_byte_does_not_fit_the_sum(tmp_path):
    path = written(tmp_path, fits.ImageHDU(image("f4")))
    content = bytearray(path.read_bytes())
    content[-2880] ^= 1
    path.write_bytes(content)
    assert [one.fits_its_sum() for one in read_hdus(path)] == [True, False]


def test_without_a_sum_nothing_can_be_wrong(tmp_path):
    path = written(tmp_path, fits.ImageHDU(image("i2")), checksum=False)
    assert all(one.fits_its_sum() for one in read_hdus(path))


def test_keywords_of_a_header_are_named_as_rules_name_them(tmp_path):
    hdu = fits.ImageHDU(image("i2"))
    hdu.header["HIERARCH ESO DET OUT1 GAIN"] = 0.5
    hdu.header["HIERARCH ESO DET NOTHING"] = None
    names = list(read_hdus(written(tmp_path, hdu)))[1].names
    assert {"DET.OUT1.GAIN", "DET.NOTHING", "BITPIX"} <= names


def changed(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new.ljust(len(old)), 1))


def compressed(path):
    with fits.open(path) as hdus:
        image = fits.CompImageHDU(hdus[1].data)
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(path, overwrite=True)


def blank(path):
    fits.setval(path, "BLANK", value=-1, ext=1)


@pytest.mark.parametrize(
    "spoil",
    [
        compressed,
        blank,
        lambda path: fits.setval(path, "BSCALE", value=2.0, ext=1),
        lambda path: fits.setval(path, "BZERO", value=7, ext=1),
        lambda path: changed(path, b"XTENSION= 'IMAGE   '", b"XTENSION= 'FOREIGN '"),
        lambda path: changed(path, b"XTENSION= 'IMAGE   '", b"AXTENSIO= 'IMAGE   '"),
        lambda path: changed(path, b"NAXIS1  =                   12", b"NAXIS1  =    0"),
        lambda path: changed(path, b"NAXIS1  =                   12", b"NAXIS1  =  -12"),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"and more"),
        lambda path: path.write_bytes(path.read_bytes()[:4000]),
    ],
    ids=["compressed image", "BLANK", "BSCALE", "BZERO", "foreign", "no HDU", "no pixels",
         "negative axis", "cut", "longer", "cut header"],
)  # fmt: skip
def test_what_is_unusual_is_refused(tmp_path, spoil):
    path = written(tmp_path, fits.ImageHDU(image("i2")), checksum=False)
    spoil(path)
    with pytest.raises(UnusualError):
        [one.image() for one in read_hdus(path)]


def test_a_compressed_file_is_refused(tmp_path):
    path = tmp_path / "frame.fits.gz"
    path.write_bytes(gzip.compress(written(tmp_path).read_bytes()))
    with pytest.raises(UnusualError):
        list(read_hdus(path))


def test_the_carry_comes_round():
    assert data_sum(np.full(4 * 70_000, 255, np.uint8)) == 0xFFFFFFFF
