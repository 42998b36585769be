"""The three nights come out as planned: each block run by its real recipe, and scored."""

import csv
from collections import defaultdict
from datetime import date

import pytest

from pipelines.simulator.history import write_history
from pipelines.simulator.nights import demo_nights
from tests.pipelines.simulator.observatory import Row, rows_of, run_night
from tests.pipelines.simulator.scoring import outliers, series_key

FIRST = date(2026, 1, 1)
FIRST_MJD = 61041 + 21 / 24
WINDOW_DAYS = 90


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """The history of the last 90 days, as statistical limits use it."""
    values = defaultdict(list)
    for path in write_history(tmp_path_factory.mktemp("history"), FIRST):
        for line in csv.DictReader(path.read_text().splitlines()):
            if float(line["mjd_obs"]) < FIRST_MJD - WINDOW_DAYS:
                continue
            row = Row(path.stem, line["detector"], line["pro_catg"], line)
            for column, text in line.items():
                if text.replace(".", "").replace("-", "").replace("e", "").isdigit():
                    values[series_key(row, column)].append(float(text))
    return values


def processed(tmp_path_factory, instruments):
    directory = tmp_path_factory.mktemp("nights")
    return {
        template: result
        for night in demo_nights(FIRST)
        for template, result in run_night(night, directory, instruments=instruments).items()
    }


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    return processed(tmp_path_factory, {"CCDCAM"})


@pytest.fixture(scope="module")
def eso(tmp_path_factory, esorex):
    return processed(tmp_path_factory, {"UVES", "MUSE"})


def surprises(results, past):
    """Name every block that does not stand as it should."""
    found = []
    for template, result in results.items():
        expected = template.expectation
        process = "SUCCESSFUL" if result.exit_code == 0 else "FAILED"
        degraded = process == "SUCCESSFUL" and "[WARNING]" in result.log
        n, red = outliers(template.instrument, list(rows_of(template, result)), past)
        unscored = "GREY" if process == "SUCCESSFUL" else "NONE"
        score = unscored if n == 0 else "NOK" if red else "OK"
        if (process, degraded, score) != (expected.process, expected.degraded, expected.score):
            found.append((*template.key, process, degraded, score, red))
    return found


def test_every_ccdcam_block_stands_as_planned(native, past):
    assert len(native) == 8 * 3 - 1
    assert surprises(native, past) == []


def test_every_ccdcam_block_stands_as_planned_without_history(native):
    assert surprises(native, {}) == []


def test_every_uves_and_muse_block_stands_as_planned(eso, past):
    assert len(eso) == 7 * 3
    assert surprises(eso, past) == []


def test_every_uves_and_muse_block_stands_as_planned_without_history(eso):
    assert surprises(eso, {}) == []


def test_a_red_block_is_red_where_the_defect_is(native, eso, past):
    for results in (native, eso):
        for template, result in results.items():
            if template.expectation.score != "NOK":
                continue
            rows = list(rows_of(template, result))
            _, red = outliers(template.instrument, rows, past)
            assert {line.split()[0] for line in red} == {d.chip for d in template.defects}


def test_limits_have_room_for_good_values(native, eso, past):
    """No good value is in the outer third of its limits, so chance alone makes no red."""
    for results in (native, eso):
        for template, result in results.items():
            if template.expectation.score != "OK":
                continue
            rows = [widened(row, past) for row in rows_of(template, result)]
            assert outliers(template.instrument, rows, past)[1] == []


def widened(row, past):
    """Move every value half as far again from the median of its past."""
    columns = dict(row.columns)
    for column, value in row.columns.items():
        known = past.get(series_key(row, column))
        if known and isinstance(value, float):
            columns[column] = value + 0.5 * (value - sorted(known)[len(known) // 2])
    return Row(row.table, row.detector, row.pro_catg, columns)


def test_the_history_goes_on_in_the_first_night(native, eso, past):
    for results in (native, eso):
        for template, result in results.items():
            if template.start.date() != date(2026, 1, 2):
                continue
            for row in rows_of(template, result):
                for column in ("bias_level", "ron_raw", "lamp_flux", "ron1", "gain"):
                    if column in row.columns:
                        known = past[series_key(row, column)]
                        lowest, highest = sorted(known)[3], sorted(known)[-4]
                        spread = highest - lowest
                        value = row.columns[column]
                        assert lowest - spread <= value <= highest + spread, (template.key, column)
