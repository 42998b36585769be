"""A parameter over time: what a plot draws, thinned, with every outlier."""

import numpy as np
import pytest

from tests.qcweb.api.problems import assert_problem
from trending.models import QC1Value

TREND = "/api/v1/qc1/tables/ccdcam_bias/trend/ron_raw/"


@pytest.fixture
def reader(client, vera):
    client.force_login(vera)
    return client


def ask(reader, query=""):
    answer = reader.get(f"{TREND}{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_each_set_up_and_detector_is_a_series_with_its_scores(reader, night):
    found = ask(reader)
    assert (found["table"], found["parameter"], found["unit"]) == ("ccdcam_bias", "ron_raw", "ADU")
    kinds = [(one["setup"]["read_mode"], one["detector"], one["score"]) for one in found["series"]]
    assert kinds == [
        ("FAST", "CHIP1", [0]), ("FAST", "CHIP2", [1]), ("SLOW", "CHIP1", [0]), ("SLOW", "CHIP2", [0]),
    ]  # fmt: skip
    one = found["series"][1]
    value = QC1Value.objects.get(row=one["row"][0], series__parameter__name="ron_raw")
    assert (one["mjd_obs"], one["value"]) == ([value.mjd_obs], [value.value])
    assert (one["n"], one["n_missing"], one["is_thinned"]) == (1, 0, False)


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("?read_mode=FAST", 2),
        ("?read_mode=FAST&detector=CHIP2", 1),
        ("?detector=CHIP1&detector=CHIP2", 4),
        ("?read_mode=x", 0),
        ("?binning=1x1", 4),
    ],
)
def test_series_are_chosen_by_detector_and_set_up(reader, night, query, n):
    assert len(ask(reader, query)["series"]) == n


def test_the_range_of_time_is_kept(reader, night):
    assert {one["n"] for one in ask(reader, "?to=2026-03-01")["series"]} == {0}
    assert {one["n"] for one in ask(reader, "?from=2026-03-02&to=2026-03-02")["series"]} == {1}


def test_a_value_that_is_missing_is_counted_and_not_drawn(reader, night):
    QC1Value.objects.filter(series__parameter__name="ron_raw", series__detector="CHIP1").update(
        value=None, missing_reason="no value"
    )
    found = {one["detector"]: one for one in ask(reader, "?read_mode=SLOW")["series"]}
    assert (found["CHIP1"]["n"], found["CHIP1"]["n_missing"]) == (0, 1)


def test_a_long_series_is_thinned_and_keeps_every_outlier(reader, history):
    table, n = history
    whole = reader.get(f"/api/v1/qc1/tables/{table}/trend/bias_level/?points=100000").json()
    thinned = reader.get(f"/api/v1/qc1/tables/{table}/trend/bias_level/?points=100").json()
    for all_of, some in zip(whole["series"], thinned["series"], strict=True):
        assert all_of["n"] == some["n"] == n
        assert (all_of["is_thinned"], some["is_thinned"]) == (False, True)
        assert len(some["row"]) < 200
        red = {row for row, score in zip(all_of["row"], all_of["score"], strict=True) if score == 1}
        assert red
        assert red <= set(some["row"])
        assert {all_of["row"][0], all_of["row"][-1]} <= set(some["row"])
        assert np.all(np.diff(some["mjd_obs"]) > 0)


@pytest.fixture
def history(instruments, db):
    """A series of a thousand values, a few of them outside."""
    from django.utils import timezone

    from trending.models import Origin, QC1Table, Series
    from trending.services.batch import NewRow
    from trending.services.rows import Source, store_rows

    table = QC1Table.objects.select_related("instrument").get(name="ccdcam_bias")
    level = np.random.default_rng(4).normal(1000, 1, 1000)
    store_rows(
        table,
        [
            NewRow("CHIP1", 60000.0 + n, "MASTER_BIAS",
                   {"read_mode": "SLOW", "binning": "1x1", "bias_level": float(one)})
            for n, one in enumerate(level)
        ],
        Source(Origin.IMPORT, is_simulated=True),
        timezone.now(),
    )  # fmt: skip
    series = Series.objects.get(parameter__name="bias_level", parameter__table=table)
    QC1Value.objects.filter(series=series).update(score_result=0)
    QC1Value.objects.filter(series=series, value__gt=1002.5).update(score_result=1)
    return "ccdcam_bias", 1000


@pytest.mark.parametrize(
    ("address", "status", "where", "hint"),
    [
        ("/api/v1/qc1/tables/ccdcam_bias/trend/seeing/", 404, "parameter", "ron_raw"),
        ("/api/v1/qc1/tables/ccdcam_bias/trend/read_mode/", 404, "parameter", "ron_raw"),
        ("/api/v1/qc1/tables/x/trend/ron_raw/", 404, "table", "ccdcam_bias"),
        (f"{TREND}?points=0", 400, "points", "1 to 100000"),
        (f"{TREND}?points=1e3", 400, "points", "1 to 100000"),
        (f"{TREND}?format=csv", 400, "format", "json"),
        (f"{TREND}?night=2026-03-01", 400, "night", "read_mode"),
        (f"{TREND}?from=x", 400, "from", "2015"),
    ],
)
def test_a_wrong_question_is_told_what_is_known(reader, night, address, status, where, hint):
    assert_problem(reader.get(address), status, where, hint)
