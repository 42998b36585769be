"""What the first page and the plots read: the last score decides, no data is never green."""

import datetime as dt

import numpy as np
import pytest
from django.utils import timezone

from pipelines.domain.times import mjd_to_datetime
from tests.trending.conftest import row, rule
from trending.models import Dataset, QC1Row, QC1Value, Report, Series, ValueState
from trending.services.figures import find_series, load_points, milliseconds, rule_of, typed
from trending.services.health import current_scores, report_states, with_last_values
from trending.services.score import score_rows

pytestmark = pytest.mark.django_db

REPORTS = """
[[reports]]
name = "levels"
title = "Levels"
group = "bias_dark"
[[reports.panels]]
title = "Level"
[[reports.panels.datasets]]
table = "cam_bias"
parameter = "level"
setup = { read_mode = "SLOW" }
"""
DAY = 61101.5
AT = mjd_to_datetime(DAY + 1)


@pytest.fixture
def judge(load, store):
    load(rule("VAL 90,110"), REPORTS)

    def act(*rows):
        stored = store(*rows)
        score_rows(stored.changed, timezone.now())
        return stored.changed

    return act


def state():
    reports = Report.objects.prefetch_related("panels__datasets")
    return report_states(reports)[0]


def test_without_data_nothing_is_green(judge):
    found = state()
    assert (found.values, found.n_scored, found.n_nok, found.last_mjd) == ([], 0, 0, None)
    assert not found.is_current(AT)


@pytest.mark.parametrize(("levels", "n_nok"), [([200, 100], 0), ([100, 200], 1), ([200, 200], 1)])
def test_the_last_score_decides(judge, levels, n_nok):
    judge(*(row(mjd=DAY + n / 10, level=level) for n, level in enumerate(levels)))
    assert (state().n_nok, state().n_scored) == (n_nok, 1)


def test_a_value_without_a_score_is_data_and_not_green(judge):
    judge(row(mjd=DAY - 1, level=100), row(mjd=DAY, level=None))
    found = state()
    assert (found.n_scored, len(found.values), found.last_mjd) == (0, 1, DAY)


@pytest.mark.parametrize(
    ("days", "is_current"), [(0, True), (7, True), (7.001, False), (400, False)]
)
def test_data_older_than_a_week_are_not_current(judge, days, is_current):
    judge(row())
    assert state().is_current(mjd_to_datetime(DAY) + dt.timedelta(days=days)) is is_current


@pytest.mark.parametrize("gone", [ValueState.HIDDEN, ValueState.REJECTED])
def test_hidden_and_rejected_values_decide_nothing(judge, gone):
    judge(row(mjd=DAY, level=100))
    [bad] = judge(row(mjd=DAY + 1, level=200))
    QC1Row.objects.filter(pk=bad).update(state=gone)
    QC1Value.objects.filter(row=bad).update(state=gone)
    assert state().n_nok == 0


def test_a_superseded_value_decides_nothing(judge):
    judge(row(level=200))
    judge(row(level=100))
    assert (state().n_nok, state().n_scored) == (0, 1)


def test_each_series_of_a_data_set_counts_and_others_do_not(judge):
    judge(row(), row(detector="CHIP2", level=200), row(read_mode="FAST", level=200))
    assert (state().n_nok, state().n_scored) == (1, 2)
    assert len(find_series(Dataset.objects.get())) == 2


@pytest.mark.parametrize(("days", "n_nok"), [(6, 1), (8, 0)])
def test_a_series_that_fell_silent_does_not_keep_a_report_red(judge, days, n_nok):
    judge(row(mjd=DAY - days, level=200, detector="C9"), row(mjd=DAY, level=100))
    assert (state().n_nok, state().last_mjd) == (n_nok, DAY)


def test_of_two_values_of_one_instant_value_and_score_are_of_the_same_one(judge):
    judge(row(pro_catg="A", level=100), row(pro_catg="B", level=200))
    [last] = with_last_values(Series.objects.filter(parameter__name="level"))
    value = QC1Value.objects.get(series=last.series, row=last.row_id)
    assert (last.value, last.result) == (value.value, value.score_result)
    assert current_scores([last])[last.series.pk].value == last.value


def test_the_number_of_queries_does_not_grow_with_series(judge, django_assert_max_num_queries):
    judge(*(row(detector=f"CHIP{n}", mjd=DAY + m) for n in range(30) for m in range(5)))
    with django_assert_max_num_queries(4):
        assert state().n_scored == 30


def test_points_carry_value_result_and_the_limits_they_were_judged_by(judge, load):
    judge(row(mjd=DAY, level=100))
    load(rule("VAL 0,1"), REPORTS)
    stored = judge(row(mjd=DAY + 1, level=100))
    points = load_points(find_series(Dataset.objects.get()))
    assert points.n == 2
    assert points.mjd.tolist() == [DAY, DAY + 1]
    assert points.result.tolist() == [0, 1]
    assert points.upper.tolist() == [110.0, 1.0]
    assert points.row[1] == stored[0]
    assert rule_of(find_series(Dataset.objects.get())).limits == "VAL 0,1"


def test_points_without_score_or_limits_say_so(load, store):
    load("", REPORTS)
    store(row(), row(mjd=DAY + 1, level=None))
    points = load_points(find_series(Dataset.objects.get()))
    assert points.result.tolist() == [-1]
    assert np.isnan(points.lower).all()
    assert rule_of(find_series(Dataset.objects.get())) is None


@pytest.mark.parametrize(
    ("mjd_from", "mjd_to", "n"),
    [(None, None, 5), (DAY, DAY, 1), (DAY + 1, None, 4), (None, DAY + 1, 2), (DAY + 9, None, 0)],
)
def test_points_of_a_range_of_time(judge, mjd_from, mjd_to, n):
    judge(*(row(mjd=DAY + n) for n in range(5)))
    points = load_points(find_series(Dataset.objects.get()), mjd_from, mjd_to)
    assert points.n == n


def test_times_travel_as_milliseconds_of_ut_and_numbers_as_bytes():
    when = milliseconds(np.array([57080.5]))
    assert when.tolist() == [dt.datetime(2015, 2, 27, 12, tzinfo=dt.UTC).timestamp() * 1000]
    assert typed(np.array([1.0])) == {"dtype": "f8", "bdata": "AAAAAAAA8D8="}
    assert typed(np.array([1], dtype=np.int8)) == {"dtype": "i1", "bdata": "AQ=="}
    assert typed(np.array([1], dtype=np.int64)) == typed(np.array([1.0]))
