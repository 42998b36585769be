"""A score that comes out otherwise is looked at anew: certified, or shown to a person."""

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock, NextStep
from qcweb import workflow
from qcweb.certification.models import Decision
from qcweb.certification.services.decisions import decide
from qcweb.certification.services.record import latest
from trending.models import ActKind, BlockScore, QC1Row, Score
from trending.services.corrections import correct_block, take_back
from trending.services.rescore import rescore
from trending.services.rules import change_rule

pytestmark = pytest.mark.django_db

WORDS = {"author": "quinn", "reason": "looked at it"}


def fresh(block):
    return AssociationBlock.objects.select_related("current_attempt").get(pk=block.pk)


def settle(block):
    """Do what a worker does with the block."""
    while fresh(block).next_step != NextStep.REST:
        workflow.advance(block.pk)
    return fresh(block)


def tighten(block):
    """Make the rule of one detector's values one that nothing passes."""
    score = Score.objects.filter(
        row__attempt=block.current_attempt_id, result=0, is_current=True, rule__detector="CHIP1"
    ).select_related("rule__parameter").first()  # fmt: skip
    at = timezone.now()
    change_rule(score.rule, {"limits": "VAL 1e9,2e9"}, valid_from_mjd=None, at=at, **WORDS)
    rescore(QC1Row.objects.filter(attempt=block.current_attempt_id), timezone.now())


def test_what_the_system_certified_and_is_red_now_waits_for_a_person(night):
    green = night["green"]
    tighten(green)
    block = settle(green)
    entry = latest(block)
    assert (entry.number, entry.decision, entry.decided_by) == (2, Decision.REOPENED, None)
    assert entry.comment.startswith("Scored again: 1/")
    assert (block.needs_person, block.is_certified) == (True, False)


def test_what_a_person_certified_stands(night, quinn):
    green = night["green"]
    decide(green, Decision.ACCEPTED, quinn, "fine", seen=1, at=timezone.now())
    tighten(green)
    block = settle(green)
    assert latest(block).decision == Decision.ACCEPTED
    assert not block.needs_person


def test_a_red_block_called_ok_is_green_and_still_waits_for_a_persons_name(night):
    red = fresh(night["red"])
    act = correct_block(red.current_attempt, ActKind.OVERRIDE, at=timezone.now(), **WORDS)
    block = settle(red)
    assert BlockScore.objects.get(block=red, is_current=True).n_nok == 0
    assert (latest(block), block.needs_person) == (None, True)
    # Only what was NOK is green by somebody's word.
    assert Score.objects.filter(row__attempt=red.current_attempt, act=act).count() == 1
    take_back(act, author="orla", reason="it was bad", at=timezone.now())
    settle(red)
    assert BlockScore.objects.get(block=red, is_current=True).n_nok == 1


def test_a_block_whose_scores_are_removed_is_never_certified_by_itself(night):
    green = fresh(night["green"])
    correct_block(green.current_attempt, ActKind.REMOVE, at=timezone.now(), **WORDS)
    assert latest(settle(green)).comment.startswith("Scored again: no score")
    assert BlockScore.objects.get(block=green, is_current=True).grey_reason == "removed"


def test_a_rejected_block_keeps_the_score_it_was_rejected_by(night, quinn):
    red = night["red"]
    before = BlockScore.objects.get(block=red, is_current=True)
    decide(red, Decision.REJECTED, quinn, "lamp was on", seen=0, at=timezone.now())
    rescore(QC1Row.objects.all(), timezone.now())
    assert BlockScore.objects.get(block=red, is_current=True) == before
    assert Score.objects.filter(row__attempt=red.current_attempt_id, is_current=True).exists()
    assert latest(settle(red)).decision == Decision.REJECTED
