"""Files as the instruments write them: headers to the type, bytes to the bit."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time

from pipelines.recipes.native.fitsfile import open_fits
from pipelines.simulator.frames import CAMERAS, frames_of, simulate_frames, truth_of, write_frame
from pipelines.simulator.templates import Defect, Template

START = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
CCDCAM = Template("CCDCAM", "BIAS", START, 3, "SLOW")
BLUE = Template("UVES", "BIAS", START, 3, "225kHz,1x1,low", arm="BLUE")
RED = replace(BLUE, kind="DARK", arm="RED", exptime_s=1800.0)
MUSE = Template("MUSE", "BIAS", START, 3, "SCI1.0")
ALL = [
    pytest.param(CCDCAM, id="CCDCAM"),
    pytest.param(replace(CCDCAM, kind="FLAT", exptime_s=4.0, filter_name="V"), id="CCDCAM flat"),
    pytest.param(replace(CCDCAM, kind="ARC", exptime_s=20.0), id="CCDCAM arc"),
    pytest.param(replace(CCDCAM, kind="PTC", exptimes_s=(0.0, 1.0, 2.0)), id="CCDCAM series"),
    pytest.param(BLUE, id="UVES blue"),
    pytest.param(RED, id="UVES red"),
    pytest.param(MUSE, id="MUSE"),
]


def written(template, directory):
    return simulate_frames(template, directory)


@pytest.mark.parametrize("template", ALL)
def test_astropy_reads_them_without_complaint(tmp_path, template):
    for path in written(template, tmp_path):
        with fits.open(path) as hdus:
            hdus.verify("exception")
            assert any(hdu.data is not None for hdu in hdus)


@pytest.mark.parametrize("template", ALL)
def test_scaling_is_written_as_real_numbers(tmp_path, template):
    text = written(template, tmp_path)[0].read_bytes().decode("latin-1")

    # CPL ends with a type mismatch where astropy would write BSCALE = 1.
    n = text.count("BITPIX  =                   16")
    assert n == text.count("BSCALE  =                  1.0") >= 1
    assert n == text.count("BZERO   =              32768.0")


REAL = "EXPTIME MJD-OBS UTC LST RA DEC EQUINOX CRPIX1 CRVAL2 CDELT1 ESO.DET.WIN1.DIT1"
WHOLE = (
    "ESO.DET.WIN1.BINX ESO.DET.WIN1.BINY ESO.DET.CHIPS ESO.DET.OUT1.PRSCX ESO.DET.OUT1.OVSCX "
    "ESO.DET.OUT1.NX ESO.TPL.NEXP ESO.TPL.EXPNO ESO.OBS.ID"
)


@pytest.mark.parametrize("keyword", REAL.split())
def test_uves_finds_a_real_number_where_it_wants_one(tmp_path, keyword):
    header = open_fits(written(BLUE, tmp_path)[0]).primary

    assert type(header[keyword.replace(".", " ")]) is float


@pytest.mark.parametrize("keyword", WHOLE.split())
def test_uves_finds_a_whole_number_where_it_wants_one(tmp_path, keyword):
    header = open_fits(written(BLUE, tmp_path)[0]).primary

    assert type(header[keyword.replace(".", " ")]) is int


def test_the_red_arm_names_both_detectors_in_its_primary_header(tmp_path):
    red = open_fits(written(RED, tmp_path)[0])

    assert red.primary["ESO DET CHIPS"] == 2
    assert {"ESO DET CHIP1 ID", "ESO DET CHIP2 ID"} <= set(red.primary.values)
    assert [hdu.header["EXTNAME"] for hdu in red.hdus[1:]] == ["WIN1.CHIP1.OUT1", "WIN1.CHIP2.OUT1"]


def test_muse_has_four_quadrants_in_one_extension(tmp_path):
    header = open_fits(written(MUSE, tmp_path)[0]).hdus[1].header

    assert header["EXTNAME"] == "CHAN01"
    assert header["NAXIS1"] == 2 * (128 + 32 + 32)
    assert [header[f"ESO DET OUT{i} X"] for i in (1, 2, 3, 4)] == [1, 4096, 4096, 1]
    assert all(type(header[f"ESO DET OUT{i} GAIN"]) is float for i in (1, 2, 3, 4))


def test_muse_quadrants_lie_where_their_corners_are(tmp_path):
    truth = truth_of(MUSE)
    levels = {f"OUT{i}": 1000.0 * i for i in (1, 2, 3, 4)}
    truth = {name: replace(each, bias_adu=levels[name]) for name, each in truth.items()}
    (path, *_) = simulate_frames(MUSE, tmp_path, truth=truth)
    pixels = fits.getdata(path)

    corners = [pixels[:192, :192], pixels[:192, 192:], pixels[192:, 192:], pixels[192:, :192]]
    assert [round(float(np.median(c)), -2) for c in corners] == [1000, 2000, 3000, 4000]


@pytest.mark.parametrize("template", ALL)
def test_every_frame_has_its_archive_name(tmp_path, template):
    paths = written(template, tmp_path)

    assert len(set(paths)) == 3
    for path in paths:
        assert open_fits(path).primary["ARCFILE"] == path.name
        assert re.fullmatch(
            rf"{template.instrument}\.\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}\.fits", path.name
        )


@pytest.mark.parametrize("template", ALL)
def test_dates_agree_to_the_millisecond(tmp_path, template):
    for path in written(template, tmp_path):
        header = open_fits(path).primary
        from_text = Time(header["DATE-OBS"], format="isot", scale="utc").mjd

        assert abs(header["MJD-OBS"] - from_text) * 86400 < 0.0005


def test_frames_follow_each_other_by_exposure_and_readout(tmp_path):
    template = replace(RED, n_frames=3)
    dates = [open_fits(path).primary["MJD-OBS"] for path in written(template, tmp_path)]
    readout_s = CAMERAS["UVES"].readout_s(template)

    assert np.diff(dates) * 86400 == pytest.approx(1800 + readout_s, abs=0.002)


def test_a_template_counts_its_frames(tmp_path):
    template = replace(CCDCAM, n_frames=2, planned=5)
    headers = [open_fits(path).primary for path in written(template, tmp_path)]

    assert [h["ESO TPL EXPNO"] for h in headers] == [1, 2]
    assert {h["ESO TPL NEXP"] for h in headers} == {5}
    assert {h["ESO TPL START"] for h in headers} == {"2026-01-02T09:30:00"}


@pytest.mark.parametrize("template", ALL)
def test_the_same_frame_is_the_same_in_any_order(tmp_path, template):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    forwards = [write_frame(f, tmp_path / "a") for f in frames_of(template)]
    for frame in reversed(list(frames_of(template))):
        write_frame(frame, tmp_path / "b")

    assert len(forwards) == 3
    for path in forwards:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_frame_that_is_there_is_left_alone(tmp_path):
    (path, *_) = written(CCDCAM, tmp_path)
    before = path.stat().st_mtime_ns
    written(CCDCAM, tmp_path)

    assert path.stat().st_mtime_ns == before


def test_half_a_frame_is_written_again(tmp_path):
    (path, *_) = written(CCDCAM, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    written(CCDCAM, tmp_path)

    assert path.read_bytes() == whole
    assert {p.suffix for p in tmp_path.iterdir()} == {".fits"}


def test_a_truncated_frame_keeps_its_header_and_stays_as_it_is(tmp_path):
    template = replace(CCDCAM, defects=(Defect(truncated_frame=2),))
    sound, cut, _ = written(template, tmp_path)
    before = cut.stat().st_mtime_ns
    written(template, tmp_path)

    assert cut.stat().st_size == int(0.6 * sound.stat().st_size)
    assert cut.stat().st_mtime_ns == before
    with fits.open(cut, lazy_load_hdus=True) as hdus:
        assert hdus[0].header["ESO TPL EXPNO"] == 2


def test_a_defect_changes_its_detector_and_no_other():
    defects = (
        Defect("CHIP2", ron_factor=1.35, more_hot_pixels=7),
        Defect("", dark_factor=2.0, bias_offset_adu=5.0, lamp_factor=0.5),
    )
    good, bad = truth_of(CCDCAM), truth_of(replace(CCDCAM, defects=defects))

    assert bad["CHIP1"].ron_adu == good["CHIP1"].ron_adu
    assert bad["CHIP2"].ron_adu == pytest.approx(1.35 * good["CHIP2"].ron_adu)
    assert bad["CHIP2"].hot_pixels == good["CHIP2"].hot_pixels + 7
    for chip in ("CHIP1", "CHIP2"):
        assert bad[chip].dark_e_h == pytest.approx(2 * good[chip].dark_e_h)
        assert bad[chip].bias_adu == pytest.approx(good[chip].bias_adu + 5)


def test_the_dark_current_is_the_same_in_both_read_modes():
    dark = replace(CCDCAM, kind="DARK", exptime_s=60.0)
    slow, fast = truth_of(dark)["CHIP1"], truth_of(replace(dark, read_mode="FAST"))["CHIP1"]

    assert slow.dark_e_h == fast.dark_e_h
    assert slow.ron_adu < fast.ron_adu


def test_the_frames_of_a_series_are_exposed_one_after_the_other(tmp_path):
    template = replace(CCDCAM, kind="PTC", exptimes_s=(0.0, 5.0, 20.0), filter_name="V")
    headers = [fits.getheader(path) for path in written(template, tmp_path)]

    assert [header["EXPTIME"] for header in headers] == [0.0, 5.0, 20.0]
    starts = [header["MJD-OBS"] * 86400 for header in headers]
    assert np.diff(starts) == pytest.approx([30.0, 35.0], abs=0.01)
    assert template.duration(30.0).total_seconds() == pytest.approx(4.217 + 25 + 90)


def test_an_arc_says_which_wavelength_is_where(tmp_path):
    path = written(replace(CCDCAM, kind="ARC", exptime_s=20.0), tmp_path)[0]
    header = fits.getheader(path, "CHIP1")

    assert (header["CTYPE1"], header["CUNIT1"]) == ("WAVE", "nm")
    assert (header["CRVAL1"], header["CDELT1"], header["CRPIX1"]) == (500.0, 0.05, 11.0)


def test_a_window_of_uves_may_be_another_one(tmp_path):
    path = written(replace(BLUE, n_frames=1, window=(512, 400)), tmp_path)[0]
    with fits.open(path) as hdus:
        header = hdus[0].header
        assert (header["ESO DET OUT1 NX"], header["ESO DET OUT1 NY"]) == (512, 400)
        assert hdus[0].data.shape == (400, 50 + 512 + 50)
