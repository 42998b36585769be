"""The database refuses nonsense about values, rows, rules and scores."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests.trending.conftest import row, rule
from trending.models import (
    BlockScore,
    Panel,
    QC1Parameter,
    QC1Row,
    QC1Table,
    QC1Value,
    Report,
    ReportGroup,
    Score,
    ScoreRule,
    Series,
    Setup,
)
from trending.services.score import score_rows

pytestmark = pytest.mark.django_db

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def value(store):
    """A stored value of the read noise."""
    store(row())
    return QC1Value.objects.select_related("series", "row").get(series__parameter__name="ron")


def refused(act, match=None):
    with pytest.raises(IntegrityError, match=match), transaction.atomic():
        act()


@pytest.mark.parametrize("number", [NAN, INF, -INF], ids=["NaN", "+Inf", "-Inf"])
def test_a_value_is_finite_or_missing_with_a_reason(value, number):
    same = QC1Value.objects.filter(pk=value.pk)
    refused(lambda: same.update(value=number), "qc1_value_is_finite|qc1_value_missing_says_why")
    with connection.cursor() as cursor:
        statement = "UPDATE trending_qc1value SET value = %s WHERE row_id = %s AND series_id = %s"
        refused(
            lambda: cursor.execute(statement, [number, value.row_id, value.series_id]),
            "qc1_value_is_finite|qc1_value_missing_says_why",
        )
    assert same.get().value == 3.0


def test_a_value_without_number_text_or_reason_is_refused(value):
    same = QC1Value.objects.filter(pk=value.pk)
    refused(lambda: same.update(value=None), "qc1_value_missing_says_why")
    same.update(value=None, missing_reason="NaN")


@pytest.mark.parametrize("mjd", [0, -1, 200000, NAN, INF])
def test_a_row_has_a_date(value, mjd):
    same = QC1Row.objects.filter(pk=value.row_id)
    refused(lambda: same.update(mjd_obs=mjd), "qc1_row_mjd_is_finite|mjd_obs")


def test_a_key_has_one_current_row(value):
    one = value.row
    one.pk = None
    refused(one.save)
    one.is_current, one.superseded_at = False, timezone.now()
    one.save()
    refused(lambda: QC1Row.objects.filter(pk=one.pk).update(is_current=True, superseded_at=None))


def test_a_row_is_superseded_at_a_time_or_current(value):
    same = QC1Row.objects.filter(pk=value.row_id)
    refused(lambda: same.update(is_current=False), "qc1_row_superseded_says_when")
    refused(lambda: same.update(superseded_at=timezone.now()), "qc1_row_superseded_says_when")


def test_parameter_setup_series_and_value_are_there_once(value):
    refused(lambda: QC1Value.objects.bulk_create([value]))
    for model in (Series, Setup, QC1Parameter, QC1Table):
        one = model.objects.first()
        one.pk = None
        refused(one.save)
    assert (Series.objects.count(), Setup.objects.count()) == (4, 1)
    assert QC1Parameter.objects.filter(name="ron").count() == 1


@pytest.fixture
def judged(load, store):
    """A value with its score."""
    load(rule())
    stored = store(row())
    score_rows(stored.new, timezone.now())
    return Score.objects.get()


def test_a_value_has_one_current_score(judged):
    judged.pk = None
    refused(judged.save)
    judged.is_current, judged.superseded_at = False, timezone.now()
    judged.save()
    refused(lambda: Score.objects.filter(pk=judged.pk).update(is_current=True))


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"result": 2}, "score_is_0_1_or_grey"),
        ({"result": -1}, "score_is_0_1_or_grey"),
        ({"result": None, "grey_reason": ""}, "score_grey_says_why"),
        ({"result": 0, "value": None}, "score_has_a_value"),
        ({"result": 1, "value": None}, "score_has_a_value"),
        ({"lower": 2.0, "upper": 1.0}, "limits_lower_below_upper"),
        ({"value": NAN}, "score_numbers_are_finite|score_has_a_value"),
        ({"value": INF}, "score_numbers_are_finite"),
        ({"upper": INF}, "score_numbers_are_finite"),
        ({"lower": -INF}, "score_numbers_are_finite"),
    ],
    ids=["two", "minus one", "grey without a reason", "green without a value",
         "red without a value", "lower above upper", "NaN", "infinite", "infinite upper",
         "infinite lower"],
)  # fmt: skip
def test_a_score_rests_on_a_value_and_limits(judged, fields, constraint):
    refused(lambda: Score.objects.filter(pk=judged.pk).update(**fields), constraint)


def test_a_rule_has_one_current_version_and_each_version_once(load, table):
    load(rule())
    one = ScoreRule.objects.get()
    one.pk = None
    refused(one.save)
    one.version = 2
    refused(one.save)
    one.superseded_at = timezone.now()
    one.save()


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"valid_until_mjd": 1.0}, "score_rule_valid_from_before_until"),
        ({"window_days": 0.0}, "score_rule_window_is_positive"),
        ({"window_days": -9.0}, "score_rule_window_is_positive"),
    ],
)
def test_a_rule_is_valid_for_some_time(load, table, fields, constraint):
    load(rule())
    refused(lambda: ScoreRule.objects.update(**fields), constraint)


@pytest.mark.parametrize("n_nok", [-1, 5])
def test_a_block_has_no_more_outliers_than_scores_and_one_current_score(camera, n_nok):
    from tests.pipelines.test_models import NIGHT

    at = timezone.now()
    block = camera.blocks.create(
        night=NIGHT, ab_name="one.ab", mjd_obs=1, mjd_mid=1, completeness="COMPLETE",
        rule_set=camera.rule_sets.create(version=1, recorded_at=at), created_at=at, changed_at=at,
    )  # fmt: skip
    attempt = block.attempts.create(number=1, started_at=at)
    counts = {"n_nok": 1, "n_scored": 4, "n_grey": 0, "recorded_at": at}
    made = BlockScore.objects.create(block=block, attempt=attempt, **counts)
    refused(lambda: BlockScore.objects.create(block=block, attempt=attempt, **counts))
    refused(lambda: BlockScore.objects.filter(pk=made.pk).update(n_nok=n_nok))


def test_reports_and_panels_have_their_place_once(camera):
    group = ReportGroup.objects.create(name="g", title="G")
    report = Report.objects.create(instrument=camera, group=group, name="r", title="R")
    refused(lambda: Report.objects.create(instrument=camera, group=group, name="r", title="R"))
    Panel.objects.create(report=report, title="P", order=0)
    refused(lambda: Panel.objects.create(report=report, title="P", order=0))
    refused(lambda: ReportGroup.objects.create(name="g", title="G"))
