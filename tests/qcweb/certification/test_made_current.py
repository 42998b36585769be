"""A former run is made the current one again: what was said of it then holds again."""

from typing import Any

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock
from pipelines.services.control import make_current
from pipelines.services.reprocess import run_again
from qcweb.certification.models import Decision
from qcweb.certification.services.decisions import decide
from tests.conftest import run_to_rest
from trending.models import (
    ActKind,
    BlockScore,
    Mark,
    MarkKind,
    QC1Row,
    QC1Value,
    Score,
    ScoreAct,
    ValueState,
)
from trending.services.corrections import correct_block, correct_value, mark
from trending.services.rescore import reproduce

pytestmark = pytest.mark.django_db

WORDS: dict[str, Any] = {"author": "quinn", "reason": "looked at it"}


def fresh(block):
    return AssociationBlock.objects.select_related("current_attempt").get(pk=block.pk)


def again_and_back(block, quinn):
    """Run a block again, then make its first run the current one."""
    run_to_rest()
    first = fresh(block).current_attempt
    run_again([fresh(block)], timezone.now(), quinn, is_anew=True)
    run_to_rest()
    assert fresh(block).current_attempt.number == 2
    assert make_current(first, timezone.now(), quinn, "the first was right")
    run_to_rest()
    assert fresh(block).current_attempt.number == 1


def score_of(block):
    return BlockScore.objects.get(block=block, is_current=True)


def prove():
    done = reproduce(timezone.now(), QC1Row.objects.all())
    assert [str(one) for one in done.differences] == []


def test_a_correction_of_the_run_holds_again(night, quinn):
    red = fresh(night["red"])
    correct_block(red.current_attempt, ActKind.OVERRIDE, at=timezone.now(), **WORDS)
    again_and_back(red, quinn)
    assert score_of(red).n_nok == 0
    prove()


def test_what_was_said_of_values_holds_again(night, quinn):
    red = fresh(night["red"])
    bad = (
        Score.objects.filter(row__attempt=red.current_attempt, result=1).select_related("row").get()
    )
    other = QC1Row.objects.filter(attempt=red.current_attempt).exclude(pk=bad.row_id).first()
    correct_value(bad.series, bad.row, ActKind.OVERRIDE, at=timezone.now(), **WORDS)
    mark([other.pk], MarkKind.HIDDEN, at=timezone.now(), **WORDS)
    again_and_back(red, quinn)
    assert score_of(red).n_nok == 0
    current = QC1Row.objects.filter(attempt=red.current_attempt_id, is_current=True)
    assert current.filter(state=ValueState.HIDDEN).count() == 1
    assert Mark.objects.open().get(kind=MarkKind.HIDDEN).row.is_current
    assert ScoreAct.objects.open().get().row.is_current
    prove()


def test_a_rejected_run_leaves_statistics_again(night, quinn):
    red = fresh(night["red"])
    decide(red, Decision.REJECTED, quinn, "lamp was on", seen=0, at=timezone.now())
    again_and_back(red, quinn)
    values = QC1Value.objects.filter(row__attempt=red.current_attempt_id, row__is_current=True)
    assert set(values.values_list("state", flat=True)) == {ValueState.REJECTED}
    prove()
