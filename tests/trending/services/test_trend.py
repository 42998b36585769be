"""A trend comes from one index, with everything a plot needs."""

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from tests.trending.conftest import row, rule
from trending.models import MarkKind, QC1Row, Series, ValueState
from trending.services.corrections import mark
from trending.services.score import score_rows
from trending.services.trend import read_trend

pytestmark = pytest.mark.django_db


@pytest.fixture
def level(load, store):
    load(rule("VAL 90,110"))
    stored = store(*[row(mjd=61101.5 + n, level=value) for n, value in enumerate(
        [100.0, None, 120.0, 101.0]
    )])  # fmt: skip
    score_rows(stored.new, stored.at)
    return Series.objects.get(parameter__name="level")


def test_values_come_in_order_of_time_with_row_result_and_state(level):
    trend = read_trend([level.pk])
    assert trend.mjd.tolist() == [61101.5, 61102.5, 61103.5, 61104.5]
    assert np.array_equal(trend.value, [100.0, np.nan, 120.0, 101.0], equal_nan=True)
    assert trend.result.tolist() == [0, -1, 1, 0]
    assert trend.row.tolist() == list(
        QC1Row.objects.order_by("mjd_obs").values_list("pk", flat=True)
    )
    assert set(trend.series.tolist()) == {level.pk}
    assert len(trend) == 4


def test_a_range_is_closed_and_may_be_empty(level):
    assert read_trend([level.pk], 61102.5, 61103.5).mjd.tolist() == [61102.5, 61103.5]
    assert len(read_trend([level.pk], 1.0, 2.0)) == 0
    assert len(read_trend([])) == 0


def test_hidden_values_are_left_out_unless_asked_for(level):
    first, second = QC1Row.objects.order_by("mjd_obs")[:2]
    mark([first.pk], MarkKind.HIDDEN, author="q", reason="r", at=timezone.now())
    mark([second.pk], MarkKind.EXCLUDED, author="q", reason="r", at=timezone.now())
    assert read_trend([level.pk]).state.tolist() == [ValueState.EXCLUDED, 0, 0]
    assert read_trend([level.pk], with_hidden=True).state.tolist() == [
        ValueState.HIDDEN, ValueState.EXCLUDED, 0, 0,
    ]  # fmt: skip


def test_one_query_however_long_the_history(level, django_assert_num_queries):
    with django_assert_num_queries(1 if connection.vendor == "sqlite" else 0):
        read_trend([level.pk])
