"""Frames of ESO's instruments: ESO's own rules know what they are, and their files are as real ones."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipelines.domain import oca
from pipelines.recipes.native.fitsfile import open_fits
from pipelines.simulator.detector import NONLINEAR_AT_ADU
from pipelines.simulator.frames import frames_of, simulate_frames, truth_of
from pipelines.simulator.patterns import N_ORDERS, N_SLICES, SLICE_WIDTH_PX, pattern
from tests.conftest import cannot_run
from tests.pipelines.recipes.laboratory import (
    BLUE,
    DITS,
    GIRAFFE,
    HAWKI,
    MUSE,
    NACO,
    RED,
    STUDIES,
    TWILIGHT,
    VIMOS,
    VISIR,
    dark,
    quadrants,
)
from tests.pipelines.simulator.test_rules import keywords

SMALL_VIMOS = replace(VIMOS, n_frames=2, is_full_frame=False)
SMALL_GIRAFFE = replace(GIRAFFE, n_frames=2, is_full_frame=False)
LAMP = replace(NACO, kind="FLAT", n_frames=4, lamp_levels=(1.0, 0.0))
TEMPLATES = [
    *{t.raw_type + t.instrument: t for s in STUDIES.values() for t in s.templates}.values(),
    replace(SMALL_VIMOS, kind="TWILIGHT", exptime_s=2.0),
    replace(BLUE, kind="ORDER", arm="RED"),
]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: f"{t.instrument} {t.raw_type}")
def test_esos_own_rules_call_a_frame_what_it_is(template):
    name = {"GIRAFFE": "giraf"}.get(template.instrument, template.instrument.lower())
    found = list(Path("/usr/share/cpl-plugins").glob(f"{name}-*/gasgano/config/{name}.oca"))
    if not found:
        cannot_run(f"cpl-plugin-{name} is not installed: see packages.txt")
    rules = oca.parse(found[0].read_text(encoding="latin-1"))
    # One frame and no pixels: the headers of a window are those of the whole detector.
    frame = next(frames_of(replace(template, n_frames=1, is_full_frame=False)))
    assert oca.classify(rules, keywords(frame)).keywords["DO.CATG"] == template.raw_type


@pytest.mark.parametrize(
    ("template", "pixels", "names"),
    [
        (HAWKI, "int32", ["CHIP1.INT1", "CHIP2.INT1", "CHIP4.INT1", "CHIP3.INT1"]),
        (replace(HAWKI, kind="LINEARITY_LAMP", exptimes_s=DITS), "int32",
         ["CHIP1.INT1", "CHIP2.INT1", "CHIP4.INT1", "CHIP3.INT1"]),
        (NACO, "float32", [""]),
        (VISIR, "float32", [""]),
        (SMALL_GIRAFFE, "uint16", [""]),
        (SMALL_VIMOS, "uint16", [""]),
    ],
    ids=["HAWKI", "HAWKI linearity", "NACO", "VISIR", "GIRAFFE", "VIMOS"],
)  # fmt: skip
def test_astropy_reads_them_without_complaint(tmp_path, template, pixels, names):
    for path in simulate_frames(template, tmp_path):
        with fits.open(path) as hdus:
            hdus.verify("exception")
            images = [hdu for hdu in hdus if hdu.data is not None]
            assert [hdu.header.get("EXTNAME", "") for hdu in images] == names
            assert {hdu.data.dtype.newbyteorder("=").name for hdu in images} == {pixels}


def test_a_quadrant_is_a_file_of_its_own_and_all_are_of_one_template(tmp_path):
    paths = [path for one in quadrants(SMALL_VIMOS) for path in simulate_frames(one, tmp_path)]
    headers = [open_fits(path).primary for path in paths]
    assert len({path.name for path in paths}) == 8
    assert [h["ESO DET CHIP1 ID"] for h in headers[::2]] == ["BRIAN", "Keith", "Tom", "DAVID"]
    assert [h["ESO OCS CON QUAD"] for h in headers[::2]] == [1, 2, 3, 4]
    assert len({h["ESO TPL START"] for h in headers}) == 1


def test_naco_says_that_its_lamp_is_on_and_off_in_whole_numbers(tmp_path):
    headers = [open_fits(path).primary for path in simulate_frames(LAMP, tmp_path)]
    assert [h["ESO INS LAMP2 SET"] for h in headers] == [3, 0, 3, 0]
    assert {type(h["ESO INS LAMP2 SET"]) for h in headers} == {int}
    assert {h["INSTRUME"] for h in headers} == {"NAOS+CONICA"}


def test_each_frame_has_its_own_exposure_time_and_light(tmp_path):
    lamp = replace(HAWKI, kind="LINEARITY_LAMP", exptimes_s=(2.0, 8.0), n_frames=3)
    paths = simulate_frames(lamp, tmp_path)
    headers = [open_fits(path).primary for path in paths]
    assert [h["ESO DET DIT"] for h in headers] == [2.0, 8.0, 2.0]
    gaps = np.diff([h["MJD-OBS"] for h in headers]) * 86400
    assert gaps == pytest.approx([4.0, 10.0], abs=0.002)
    truth = truth_of(lamp)["CHIP1"]
    straight = truth.lamp_adu_s * 8.0
    seen = np.median(fits.getdata(paths[1], 1)) - truth.bias_adu
    assert seen == pytest.approx(
        straight * (1 - truth.nonlinear * straight / NONLINEAR_AT_ADU), rel=0.001
    )
    assert lamp.duration(2.0).total_seconds() == pytest.approx(18 + 4.217)


@pytest.mark.parametrize("template", [NACO, VISIR], ids=["NACO", "VISIR"])
def test_the_mean_of_ten_integrations_has_less_noise(tmp_path, template):
    truth = next(iter(truth_of(template).values()))
    first, second, _ = (fits.getdata(path) for path in simulate_frames(template, tmp_path))
    noise = 1.4826 * np.median(np.abs(first - second)) / 2**0.5
    assert noise == pytest.approx(truth.ron_adu / 10**0.5, rel=0.03)
    # Tenths of an ADU: whole numbers, divided by how many there are.
    assert np.abs(first * 10 - np.rint(first * 10)).max() < 0.02


def test_the_brightness_of_a_twilight_changes_from_frame_to_frame(tmp_path):
    dusk = replace(TWILIGHT, n_frames=3, lamp_levels=(0.5, 1.0))
    levels = [np.median(fits.getdata(path, 1)) for path in simulate_frames(dusk, tmp_path)]
    truth = truth_of(dusk)["CHIP1"]
    lit = [(level - truth.bias_adu) / (10 * truth.lamp_adu_s) for level in levels]
    assert lit == pytest.approx([0.5, 1.0, 0.5], abs=0.005)


def test_a_window_and_the_whole_have_the_same_level():
    for template in (BLUE, RED, MUSE, HAWKI, NACO, dark(GIRAFFE, 3, 3600.0), VIMOS):
        window, whole = (truth_of(replace(template, is_full_frame=full)) for full in (False, True))
        assert {n: (p.bias_adu, p.ron_adu) for n, p in window.items()} == {
            n: (p.bias_adu, p.ron_adu) for n, p in whole.items()
        }


def test_there_are_as_many_orders_as_are_said():
    row = pattern("narrow orders", "BLUE", 2048, 3000)[1500]
    peaks = (row[1:-1] > row[:-2]) & (row[1:-1] >= row[2:]) & (row[1:-1] > 0.5)
    assert int(peaks.sum()) == N_ORDERS
    assert float(row.max()) <= 1.0


def test_the_slices_go_on_from_quadrant_to_quadrant():
    left, right = (pattern("slices", chip, 2048, 2056)[100] for chip in ("OUT1", "OUT2"))
    row = np.concatenate([left, right[::-1]])
    edges = np.flatnonzero(np.diff((row > row.max() / 2).astype(int)))
    assert len(edges) == 2 * N_SLICES
    assert np.diff(edges)[::2] == pytest.approx(SLICE_WIDTH_PX, abs=1)


def test_every_template_has_its_own_file_names(tmp_path):
    for path in simulate_frames(replace(NACO, n_frames=2), tmp_path):
        assert re.fullmatch(r"NACO\.\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\.fits", path.name)
