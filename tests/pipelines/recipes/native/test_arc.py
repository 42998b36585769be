"""hcm_arc finds what was put in: 24 lines of 3.2 pixels, 0.05 nm a pixel from 500 nm."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from pipelines.recipes.native.cards import Header, card
from pipelines.recipes.native.spectrum import Lines, dispersion_of, find_lines, shift_between
from pipelines.simulator.detector import line_positions
from pipelines.simulator.frames import CAMERAS
from tests.pipelines.recipes.native.running import (
    FLAT,
    frames,
    master_bias,
    physics,
    reduce,
    tagged,
)

ARC = replace(FLAT, kind="ARC", n_frames=3, exptime_s=20.0, filter_name="")


@pytest.fixture(scope="module")
def bias(tmp_path_factory):
    return master_bias(tmp_path_factory.mktemp("bias"))


def arc(tmp_path, bias, template=ARC, former=(), **changes):
    sent = frames(template, tmp_path / "raw", physics(template, **changes))
    outcome = reduce("hcm_arc", [*sent, bias, *former], tmp_path / "out")
    assert outcome.exit_code == 0, outcome.log
    return outcome


def qc_of(outcome, detector="CHIP1"):
    return outcome.qc("master_arc.fits", detector)


@pytest.mark.parametrize("detector", ["CHIP1", "CHIP2"])
@pytest.mark.parametrize("fwhm", [2.2, 3.2, 5.0])
def test_it_finds_the_lines_and_their_widths(tmp_path, bias, fwhm, detector):
    qc = qc_of(arc(tmp_path, bias, line_fwhm_px=fwhm), detector)
    chip = next(c for c in CAMERAS["CCDCAM"].chips(ARC) if c.name == detector)
    wavelengths = 500 + 0.05 * line_positions(chip, physics(ARC)[detector])

    assert qc["ARC NLINES"] == 24
    assert qc["ARC FWHM"] == pytest.approx(fwhm, rel=0.01)
    assert qc["ARC FWHM SCATTER"] < 0.03
    expected = np.median(wavelengths) / (fwhm * 0.05)
    assert qc["ARC RESOL"] == pytest.approx(expected, rel=0.015)


@pytest.mark.parametrize("n", [8, 30])
def test_it_counts_the_lines(tmp_path, bias, n):
    assert qc_of(arc(tmp_path, bias, arc_lines=n))["ARC NLINES"] == n


def test_the_flux_follows_the_lamp(tmp_path, bias):
    bright = qc_of(arc(tmp_path / "bright", bias, arc_adu_s=800.0))["ARC FLUX"]
    faint = qc_of(arc(tmp_path / "faint", bias, arc_adu_s=200.0))["ARC FLUX"]

    assert 0.2 * 800 < bright < 800
    assert bright / faint == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize("shift", [-1.7, 0.0, 0.25, 3.0])
def test_it_finds_how_far_the_lines_have_moved(tmp_path, bias, shift):
    first = arc(tmp_path / "first", bias)
    assert "ARC SHIFT" not in qc_of(first)
    former = [(first.directory / "master_arc.fits", "MASTER_ARC")]
    moved = arc(tmp_path / "moved", bias, former=former, line_shift_px=shift)

    assert qc_of(moved)["ARC SHIFT"] == pytest.approx(shift, abs=0.02)


def with_hits(tmp_path, template, hits_per_hour, chip="CHIP1"):
    """Write the same frame with and without cosmic hits; say which pixels were hit."""
    sides = {}
    for name, rate in (("calm", 0.0), ("stormy", hits_per_hour)):
        [(path, _)] = frames(template, tmp_path / name, physics(template, cosmics_per_hour=rate))
        sides[name] = path
    calm, stormy = (fits.getdata(path, chip).astype(float) for path in sides.values())
    return sides["stormy"], (stormy - calm > 300)[:, 10:-10]


def test_cosmic_hits_in_a_single_frame_are_counted_and_cleaned(tmp_path, bias):
    one = replace(ARC, n_frames=1)
    path, hit = with_hits(tmp_path, one, 20_000.0)
    outcome = reduce("hcm_arc", [*tagged([path], "ARC"), bias], tmp_path / "out")
    assert outcome.exit_code == 0, outcome.log
    qc = qc_of(outcome)

    assert 80 < hit.sum() < 140
    # A faint hit on a bright line cannot be told from its photon noise.
    assert qc["ARC NCOSMIC"] == pytest.approx(hit.sum(), rel=0.06)
    assert (qc["ARC NLINES"], qc["ARC FWHM"]) == (24, pytest.approx(3.2, rel=0.01))
    master = fits.getdata(outcome.directory / "master_arc.fits", "CHIP1")
    left = np.abs(master - np.median(master, axis=0))[hit] > 500
    assert left.sum() <= 0.05 * hit.sum()


def test_sharp_lines_are_no_cosmic_hits(tmp_path, bias):
    qc = qc_of(arc(tmp_path, bias, line_fwhm_px=2.2, cosmics_per_hour=0.0))

    # Pixels differ in response by more than photon noise on a bright line: one in 10,000 at most.
    assert qc["ARC NCOSMIC"] <= 512 * 400 / 10_000


def test_a_lamp_that_was_off_is_said(tmp_path, bias):
    sent = frames(ARC, tmp_path / "raw", physics(ARC, arc_adu_s=0.0))
    outcome = reduce("hcm_arc", [*sent, bias], tmp_path / "out")

    assert outcome.exit_code == 14
    assert "no line in the spectrum; was the lamp on?" in outcome.log


# ---- the parts


def header(**values):
    return Header([card(key, value) for key, value in values.items()])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"CUNIT1": "nm", "CRVAL1": 500.0, "CRPIX1": 11.0, "CDELT1": 0.05}, (500.0, 0.05)),
        ({"CUNIT1": "Angstrom", "CRVAL1": 4000.0, "CRPIX1": 1.0, "CD1_1": -0.5}, (3995.0, -0.5)),
        ({"CUNIT1": "nm", "CRVAL1": 500.0, "CDELT1": 0.1}, (501.0, 0.1)),
        ({"CRVAL1": 1.0, "CRPIX1": 1.0, "CDELT1": 1.0}, None),
        ({"CUNIT1": "deg", "CRVAL1": 1.0, "CRPIX1": 1.0, "CDELT1": 1.0}, None),
        ({"CUNIT1": "nm", "CRVAL1": 1.0, "CRPIX1": 1.0, "CDELT1": 0.0}, None),
    ],
    ids=["delta", "matrix", "no reference", "no unit", "degrees", "no step"],
)
def test_wavelengths_come_from_the_header(values, expected):
    found = dispersion_of(header(**values), prescan=10)

    if expected is None:
        assert found is None
    else:
        assert (found.at_first, found.per_column) == pytest.approx(expected)


def lines(*columns):
    some = np.array(columns, np.float64)
    return Lines(some, np.full_like(some, 3.0), np.full_like(some, 100.0))


def test_a_shift_needs_a_line_within_reach():
    assert shift_between(lines(10.0, 50.5), lines(10.2, 50.7), 5.0) == pytest.approx(-0.2)
    assert shift_between(lines(10.0), lines(80.0), 5.0) is None
    assert shift_between(lines(), lines(80.0), 5.0) is None


def test_noise_alone_has_no_lines():
    noise = np.random.default_rng(5).normal(0, 3, (100, 400)).astype(np.float32)

    assert find_lines(noise, 10.0).columns.size == 0
