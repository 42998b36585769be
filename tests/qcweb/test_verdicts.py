"""What a run changed: verdict by verdict, and what was decided on each of the two."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pipelines.models import AssociationBlock
from pipelines.services.control import make_current
from pipelines.services.reprocess import run_again
from qcweb.certification.models import Decision
from qcweb.certification.services.decisions import decide
from qcweb.verdicts import changes_of, judged_in
from tests.conftest import run_to_rest
from trending.models import QC1Value, Score


def changes(block):
    found = AssociationBlock.objects.select_related("current_attempt").get(pk=block.pk)
    return changes_of(found, list(found.attempts.all()))


@pytest.fixture
def twice(night):
    """Return the red bias after another run that measured the same."""
    run_again([night["red"]], timezone.now(), None, chosen={"outlier-kappa": 20.0})
    run_to_rest()
    return AssociationBlock.objects.get(pk=night["red"].pk)


def test_one_run_changes_nothing(night):
    assert changes(night["red"]) is None


def test_the_same_again_changes_no_verdict(twice):
    found = changes(twice)
    assert (found.former.number, found.current.number) == (1, 2)
    assert found.lines == []


def test_a_value_that_was_red_and_is_ok_is_named_with_both_values(twice):
    score = Score.objects.filter(
        row__attempt__block=twice, row__attempt__number=1, result=1
    ).first()
    Score.objects.filter(
        row__attempt=twice.current_attempt, series=score.series, row__detector=score.row.detector
    ).update(result=0)
    (line,) = changes(twice).lines
    assert line.key.parameter == score.series.parameter.name
    assert (line.former_look.word, line.current_look.word) == ("NOK", "OK")
    assert (line.former.result, line.current.result) == (1, 0)
    assert line.former.value.value == QC1Value.objects.get(
        series=score.series_id, row=score.row_id
    ).value  # fmt: skip


def test_a_score_that_is_gone_and_a_value_that_is_gone_are_told_apart(twice):
    scores = Score.objects.filter(row__attempt=twice.current_attempt)
    one, other = scores.filter(result=0).order_by("pk")[:2]
    one.delete()
    QC1Value.objects.filter(series=other.series_id, row=other.row_id).delete()
    words = {line.current_look.word for line in changes(twice).lines}
    assert words == {"not scored", "not measured"}


def test_what_was_never_scored_is_no_change(twice):
    unscored = QC1Value.objects.filter(row__attempt=twice.current_attempt).exclude(
        series__in=Score.objects.values("series")
    )
    assert unscored.exists()
    unscored.delete()
    assert changes(twice).lines == []


def test_each_run_has_the_decision_that_was_made_on_it(night, quinn):
    block = night["red"]
    decide(block, Decision.REJECTED, quinn, "noisy", seen=0, seen_attempt=1, at=timezone.now())
    run_again([block], timezone.now(), None, chosen={"outlier-kappa": 20.0})
    run_to_rest()
    found = changes(block)
    assert (found.former_decision.word, found.current_decision.word) == (
        "rejected", "nothing decided",
    )  # fmt: skip


def test_an_earlier_run_that_was_made_current_stands_against_the_newest(twice):
    assert make_current(twice.attempts.get(number=1), timezone.now(), None, "better")
    run_to_rest()
    found = changes(twice)
    assert (found.former.number, found.current.number) == (2, 1)


def test_it_asks_three_times_whatever_the_number_of_values(twice):
    attempts = list(twice.attempts.all())
    with CaptureQueriesContext(connection) as queries:
        assert changes_of(twice, attempts)
    assert len(queries) == 3
    with CaptureQueriesContext(connection) as queries:
        judged_in(attempts)
    assert len(queries) == 2


def test_the_page_shows_it_below_the_attempts(twice, night, client, vera):
    client.force_login(vera)
    Score.objects.filter(row__attempt=twice.current_attempt).update(result=0)
    page = client.get(f"/blocks/{twice.ab_name}/").content.decode()
    assert "What the run changed" in page
    assert f"/blocks/{twice.ab_name}/compare/?a=1&amp;b=2" in page
    single = client.get(f"/blocks/{night['green'].ab_name}/").content.decode()
    assert "What the run changed" not in single
