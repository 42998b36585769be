"""Two years of rows that look as if the recipes had made them."""

import csv
from collections import defaultdict
from datetime import date

import numpy as np
import pytest

from pipelines.simulator.history import MEASURED, write_history
from tests.pipelines.simulator.observatory import qc1_tables

FIRST = date(2026, 1, 1)
FIRST_MJD = 61041 + 21 / 24
BUILT_IN = ["mjd_obs", "detector", "pro_catg"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    paths = write_history(tmp_path_factory.mktemp("history"), FIRST)
    return {path.stem: list(csv.DictReader(path.read_text().splitlines())) for path in paths}


def with_history(instrument):
    return [t for t in qc1_tables(instrument) if t["name"] not in WITHOUT_HISTORY]


def series(rows, column, **setup):
    chosen = [row for row in rows if all(row[k] == v for k, v in setup.items()) and row[column]]
    mjd = np.array([float(row["mjd_obs"]) for row in chosen])
    return mjd, np.array([float(row[column]) for row in chosen])


# What no ordinary night takes has no past.
WITHOUT_HISTORY = {"ccdcam_arc", "ccdcam_detmon", "ccdcam_linearity"}
SLOW = {"read_mode": "SLOW", "binning": "1x1"}


def test_there_is_one_file_a_table_and_ten_thousand_rows(tables):
    defined = {t["name"] for name in ("ccdcam", "uves", "muse") for t in qc1_tables(name)}

    assert set(tables) == defined - WITHOUT_HISTORY
    assert 8_000 <= sum(map(len, tables.values())) <= 15_000


@pytest.mark.parametrize("instrument", ["ccdcam", "uves", "muse"])
def test_the_columns_are_those_of_the_qc1_tables(tables, instrument):
    for table in with_history(instrument):
        expected = {column["name"] for column in table["columns"]}
        header = list(tables[table["name"]][0])

        assert header[:3] == BUILT_IN
        assert header[-2:] == ["pipeline", "product"]
        assert set(header[3:-2]) == expected


def test_every_row_is_before_the_first_night_and_has_its_own_key(tables):
    for table, rows in tables.items():
        filters = {"read_mode", "binning", "filter_name", "read_speed", "detector", "mjd_obs"}
        keys = [tuple(v for k, v in row.items() if k in filters) for row in rows]
        mjd = [float(row["mjd_obs"]) for row in rows]

        assert len(set(keys)) == len(keys), table
        assert FIRST_MJD - 731 < min(mjd) <= max(mjd) < FIRST_MJD
        assert mjd == sorted(mjd)


@pytest.mark.parametrize(
    ("table", "every"), [("ccdcam_bias", 1), ("uves_bias", 1), ("muse_dark", 3), ("ccdcam_flat", 3)]
)
def test_biases_are_taken_daily_and_the_rest_every_third_day(tables, table, every):
    nights = sorted({int(float(row["mjd_obs"]) - 21 / 24) for row in tables[table]})

    assert np.median(np.diff(nights)) == every
    assert max(np.diff(nights)) > 8  # a closure


def test_the_level_follows_the_season(tables):
    mjd, level = series(tables["ccdcam_bias"], "bias_level", detector="CHIP2", **SLOW)
    season = np.sin(2 * np.pi * (mjd % 365.25) / 365.25)

    assert np.polyfit(season, level, 1)[0] == pytest.approx(1.5, abs=0.1)


def test_the_intervention_is_a_step_on_one_detector(tables):
    for detector, step in (("CHIP1", 4.5), ("CHIP2", 0.0)):
        mjd, level = series(tables["ccdcam_bias"], "bias_level", detector=detector, **SLOW)
        age = FIRST_MJD - mjd
        before, after = level[(age > 312) & (age < 340)], level[(age < 308) & (age > 280)]

        assert np.median(after) - np.median(before) == pytest.approx(step, abs=0.8)


def test_the_lamp_fades_until_it_is_exchanged(tables):
    mjd, flux = series(tables["ccdcam_flat"], "lamp_flux", detector="CHIP1", filter_name="V")
    age = FIRST_MJD - mjd

    assert np.median(flux[age > 700]) == pytest.approx(4200, rel=0.03)
    assert np.median(flux[(age > 217) & (age < 240)]) == pytest.approx(0.79 * 4200, rel=0.03)
    assert np.median(flux[age < 213]) == pytest.approx(4200, rel=0.03)


def test_there_are_a_few_outliers_and_missing_values(tables):
    mjd, level = series(tables["ccdcam_bias"], "bias_level", detector="CHIP2", **SLOW)
    season = 1.5 * np.sin(2 * np.pi * (mjd % 365.25) / 365.25)
    odd = np.abs(level - season - np.median(level - season)) > 3
    missing = sum(value == "" for rows in tables.values() for row in rows for value in row.values())

    assert 1 <= odd.sum() <= 12
    assert 5 <= missing <= 300


def test_whole_numbers_stay_whole(tables):
    for row in tables["muse_bias"]:
        assert row["level1_median"].isdigit()
        assert row["n_frames"] == "5"


def test_rows_keep_the_version_that_made_them(tables):
    versions = [row["pipeline"] for row in tables["ccdcam_bias"]]

    assert versions[0] == "hcm/0.9.2"
    assert versions[-1] == "hcm/1.0.0"
    assert sorted(versions) == versions


def test_the_product_names_its_first_frame(tables):
    row = tables["uves_bias"][-1]

    assert row["product"].startswith("r.UVES.20")
    assert row["product"].endswith(f"_{row['pro_catg']}.fits")


def test_the_same_date_gives_the_same_files(tmp_path, tables):
    paths = write_history(tmp_path, FIRST)

    assert {
        path.stem: list(csv.DictReader(path.read_text().splitlines())) for path in paths
    } == tables


def test_measured_means_name_every_number_of_every_table():
    measured = defaultdict(set)
    for line in csv.DictReader(MEASURED.read_text().splitlines()):
        measured[line["table"]].add(line["column"])

    for instrument in ("ccdcam", "uves", "muse"):
        for table in with_history(instrument):
            numbers = {c["name"] for c in table["columns"] if c["type"] == "float"}
            assert measured[table["name"]] == numbers
