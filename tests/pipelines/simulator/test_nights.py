import itertools
import json
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest

from pipelines.recipes.native.fitsfile import open_fits
from pipelines.simulator.frames import CAMERAS
from pipelines.simulator.nights import Night, demo_nights, ordinary_night, write_night
from pipelines.simulator.templates import GREY, Expectation, Template
from pipelines.simulator.truth import read_expectations

FIRST = date(2026, 1, 1)


@pytest.fixture(scope="module")
def nights():
    return demo_nights(FIRST)


def test_there_are_three_nights_one_after_the_other(nights):
    assert [night.label for night in nights] == [date(2026, 1, d) for d in (1, 2, 3)]


def test_every_night_has_fifteen_blocks(nights):
    blocks = [[t for t in night.templates if t.expectation] for night in nights]

    assert [len(each) for each in blocks] == [15, 15, 15]
    assert Counter(t.instrument for t in blocks[0]) == {"CCDCAM": 8, "UVES": 5, "MUSE": 2}


def test_every_night_has_two_science_exposures_and_one_has_a_frame_nobody_knows(nights):
    without = [[t.kind for t in night.templates if t.expectation is None] for night in nights]

    assert [sorted(each) for each in without] == [
        ["SCIENCE", "SCIENCE"],
        ["FOCUS", "SCIENCE", "SCIENCE"],
        ["SCIENCE", "SCIENCE"],
    ]


def test_a_block_is_known_by_instrument_raw_type_and_start(nights):
    keys = [t.key for night in nights for t in night.templates]

    assert len(keys) == len(set(keys)) == 15 * 3 + 7


def test_calibrations_are_taken_in_the_morning_after_the_label(nights):
    for night in nights:
        morning = night.label + timedelta(days=1)
        for template in night.templates:
            readout = CAMERAS[template.instrument].readout_s(template)
            end = template.start + template.duration(readout)
            # The night's date is that of (UT - 21 h).
            assert (template.start - timedelta(hours=21)).date() == night.label
            if template.expectation is not None:
                assert template.start.date() == morning
                assert time(9) <= template.start.time() < end.time() <= time(14)


def test_an_instrument_takes_one_template_at_a_time(nights):
    for night in nights:
        for name in CAMERAS:
            mine = sorted((t for t in night.templates if t.instrument == name), key=by_start)
            for earlier, later in itertools.pairwise(mine):
                readout = CAMERAS[name].readout_s(earlier)
                assert earlier.start + earlier.duration(readout) <= later.start


def by_start(template):
    return template.start


def test_templates_come_in_order_of_time(nights):
    for night in nights:
        assert list(night.templates) == sorted(night.templates, key=by_start)


def test_the_first_night_is_good_but_for_the_mode_without_limits(nights):
    unusual = {t.key[:2]: t.expectation for t in nights[0].templates if t.expectation}

    assert Counter(each.score for each in unusual.values())["NOK"] == 0
    assert [t.read_mode for t in nights[0].templates if t.expectation == GREY] == ["50kHz,2x2,high"]


EVENTS = [
    (1, "BIAS", "FAST", Expectation(score="NOK", certification="OPEN")),
    (1, "FLAT", "SLOW", Expectation(degraded=True, certification="OPEN")),
    (1, "BIAS", "SLOW", Expectation(process="FAILED", score="NONE", certification="OPEN")),
    (2, "DARK", "SLOW", Expectation(score="NOK", certification="OPEN")),
    (2, "BIAS", "225kHz,1x1,low", Expectation(score="NOK", certification="OPEN")),
    (
        2,
        "FLAT",
        "SLOW",
        Expectation(process="NONE", completeness="INCOMPLETE", score="NONE", certification="OPEN"),
    ),
]


@pytest.mark.parametrize(("night", "kind", "read_mode", "expectation"), EVENTS)
def test_each_event_is_in_one_block(nights, night, kind, read_mode, expectation):
    found = [
        t
        for t in nights[night].templates
        if (t.kind, t.read_mode, t.expectation) == (kind, read_mode, expectation)
    ]

    assert len(found) == 1


def test_a_good_block_has_no_defects_and_a_bad_one_has(nights):
    for night in nights:
        for template in night.templates:
            odd = template.expectation not in {None, Expectation(), GREY}
            assert odd == bool(template.defects or template.planned), template


def test_nothing_uses_the_bias_that_fails(nights):
    others = [t for t in nights[1].templates if t.binning == 2 and t.instrument == "CCDCAM"]

    assert [t.kind for t in others] == ["BIAS"]


def test_any_date_gives_the_same_plan():
    def plan(night):
        return [(t.instrument, t.kind, t.read_mode, t.start.time()) for t in night.templates]

    assert plan(ordinary_night(date(2024, 2, 28))) == plan(ordinary_night(date(2030, 12, 31)))


@pytest.fixture
def small():
    """Two short templates: one of two frames, one of three with a defect of its own."""
    start = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)
    later = start + timedelta(minutes=30)
    return Night(
        FIRST,
        (
            Template("MUSE", "BIAS", start, 2, "SCI1.0"),
            Template("UVES", "BIAS", later, 3, "225kHz,1x1,low", arm="BLUE", expectation=GREY),
            Template("CCDCAM", "FOCUS", later, 1, "FAST", 5.0, filter_name="V", expectation=None),
        ),
    )


def test_writing_a_night_tells_of_its_progress(tmp_path, small):
    told = []
    paths = write_night(small, tmp_path / "new", progress=lambda *news: told.append(news))

    assert told == [(i, 6, path) for i, path in enumerate(paths, 1)]
    assert all(open_fits(path).hdus for path in paths)


def test_writing_a_night_twice_changes_nothing(tmp_path, small):
    first = write_night(small, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in first}

    assert write_night(small, tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in first} == before


def test_the_truth_is_beside_the_frames(tmp_path, small):
    write_night(small, tmp_path)

    assert read_expectations(tmp_path) == {
        ("MUSE", "BIAS", "2026-01-02T09:00:00"): Expectation(),
        ("UVES", "BIAS_BLUE", "2026-01-02T09:30:00"): GREY,
    }


def test_nights_in_the_same_directory_keep_their_truths(tmp_path, small):
    other = Night(date(2026, 2, 1), tuple(ordinary_night(date(2026, 2, 1)).templates[-1:]))
    write_night(small, tmp_path)
    write_night(other, tmp_path)

    assert len(read_expectations(tmp_path)) == 3


def test_the_truth_holds_the_physics_that_went_in(tmp_path, small):
    write_night(small, tmp_path)
    (entry,) = [
        each
        for each in json.loads((tmp_path / "truth.json").read_text())["2026-01-01"]
        if each["instrument"] == "UVES"
    ]

    assert entry["physics"]["BLUE"]["ron_adu"] == pytest.approx(2.1, rel=0.03)
    assert entry["n_frames"] == 3
