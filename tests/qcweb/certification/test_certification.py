"""Decisions: who, when, on which evidence; added and never edited."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from pipelines.models import AssociationBlock, CalibrationLink, CertificationMode, RawFile, RawType
from pipelines.services.hiding import hide_frame
from pipelines.services.requests import request_again
from qcweb import workflow
from qcweb.certification.models import AppendOnlyError, Certification, Decision
from qcweb.certification.services.automatic import is_sampled, may_be_automatic
from qcweb.certification.services.decisions import decide, take_back
from qcweb.certification.services.record import (
    CertificationError,
    ConflictError,
    OutdatedError,
    evidence,
    standing,
)
from tests.conftest import run_to_rest
from tests.frames import DARK, later, taken
from tests.qcweb.web.html import parse
from trending.models import BlockScore, QC1Value, ValueState

pytestmark = pytest.mark.django_db


def say(block, decision, by, comment="seen", seen=0):
    return decide(block, decision, by, comment, seen=seen, at=timezone.now())


def fresh(block):
    return AssociationBlock.objects.get(pk=block.pk)


def test_a_green_block_is_certified_by_the_system(night):
    entry = Certification.objects.get(block=night["green"])
    assert (entry.decision, entry.decided_by) == (Decision.AUTO, None)
    assert (entry.n_nok, bool(entry.n_scored)) == (0, True)
    assert {"parameter", "value", "lower", "upper", "rule_version"} <= set(entry.scores[0])
    assert not fresh(night["green"]).needs_person


def test_a_red_block_waits_for_a_person(night):
    assert not Certification.objects.filter(block=night["red"]).exists()
    assert fresh(night["red"]).needs_person


def test_a_person_may_accept_a_red_one_with_a_comment(night, quinn):
    entry = say(night["red"], Decision.ACCEPTED, quinn, "true state of the read-out")
    assert standing(night["red"]) == entry
    assert (entry.n_nok, entry.decided_by) == (1, quinn)
    block = fresh(night["red"])
    assert (block.needs_person, block.is_withdrawn) == (False, False)


@pytest.mark.parametrize("decision", [Decision.ACCEPTED, Decision.REJECTED])
def test_a_red_one_needs_a_comment(night, quinn, decision):
    with pytest.raises(CertificationError, match="A comment is needed"):
        say(night["red"], decision, quinn, "   ")


def test_a_green_one_is_accepted_without_words(night, quinn):
    assert say(night["green"], Decision.ACCEPTED, quinn, "", seen=1).comment == ""


def test_a_rejected_master_leaves_the_pool(night, quinn, take, tmp_path):
    say(night["green"], Decision.REJECTED, quinn, "lamp was on", seen=1)
    take(taken(tmp_path / "next", later(DARK, 1)))
    lacking = AssociationBlock.objects.get(raw_type="DARK", night="2026-03-02")
    assert (lacking.completeness, lacking.incomplete_reason) == (
        "INCOMPLETE",
        "MASTER_BIAS 0 of 1",
    )
    take_back(fresh(night["green"]), quinn, "it was off", seen=2, at=timezone.now())
    take(tmp_path / "next")
    taken(tmp_path / "more", later(DARK, 1.01))
    take(tmp_path / "more")
    lacking.refresh_from_db()
    assert lacking.completeness == "COMPLETE"
    run_to_rest()


def test_a_rejected_block_leaves_plots_and_statistics(night, quinn):
    values = QC1Value.objects.filter(row__attempt=night["red"].current_attempt)
    assert set(values.values_list("state", flat=True)) == {ValueState.CURRENT}
    say(night["red"], Decision.REJECTED, quinn)
    assert set(values.values_list("state", flat=True)) == {ValueState.REJECTED}
    take_back(night["red"], quinn, "", seen=1, at=timezone.now())
    assert set(values.values_list("state", flat=True)) == {ValueState.CURRENT}
    assert fresh(night["red"]).needs_person


def test_nobody_overwrites_a_decision_unseen(night, quinn, vera):
    say(night["red"], Decision.REJECTED, quinn, "noise")
    with pytest.raises(ConflictError, match="quinn has written “rejected” meanwhile"):
        say(night["red"], Decision.ACCEPTED, vera, "fine", seen=0)
    assert Certification.objects.filter(block=night["red"]).count() == 1


def test_the_history_keeps_both_a_decision_and_its_undoing(night, quinn):
    say(night["red"], Decision.REJECTED, quinn)
    take_back(night["red"], quinn, "", seen=1, at=timezone.now())
    decisions = Certification.objects.filter(block=night["red"]).order_by("number")
    assert [one.decision for one in decisions] == ["REJECTED", "REOPENED"]
    assert standing(night["red"]) is None


def test_an_entry_is_never_edited_or_deleted(night):
    entry = Certification.objects.get(block=night["green"])
    for act in (entry.save, entry.delete, Certification.objects.all().delete):
        with pytest.raises(AppendOnlyError):
            act()
    with pytest.raises(AppendOnlyError):
        Certification.objects.update(comment="better")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE certification_certification SET comment = 'better'",
        "DELETE FROM certification_certification",
    ],
)
def test_the_database_refuses_what_goes_past_the_program(night, statement):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE certification_seal SET is_open = 0")
        with pytest.raises(DatabaseError, match="a certification is history"), transaction.atomic():
            cursor.execute(statement)
        cursor.execute("UPDATE certification_seal SET is_open = 1")


@pytest.mark.parametrize(
    "fields",
    [
        {"decision": "AUTO", "n_nok": 1, "n_scored": 4},
        {"decision": "AUTO", "n_nok": 0, "n_scored": 0},
        {"decision": "AUTO", "n_nok": None, "n_scored": None},
        {"decision": "REJECTED", "comment": "", "decided_by": "quinn"},
        {"decision": "ACCEPTED", "decided_by": None},
        {"decision": "ACCEPTED", "decided_by": "quinn", "n_nok": 3, "n_scored": 2},
    ],
    ids=["red", "nothing scored", "no score", "no reason", "nobody", "more NOK than scored"],
)
def test_the_database_refuses_nonsense(night, quinn, fields):
    people = {"quinn": quinn}
    fields["decided_by"] = people.get(fields.get("decided_by") or "")
    with pytest.raises(IntegrityError), transaction.atomic():
        Certification.objects.create(
            block=night["dark"], number=9, decided_at=timezone.now(), **fields
        )


def test_a_failed_block_cannot_be_accepted(night, quinn):
    block = fresh(night["red"])
    AssociationBlock.objects.filter(pk=block.pk).update(process_status="FAILED")
    with pytest.raises(CertificationError, match="there is no product to accept"):
        say(fresh(block), Decision.ACCEPTED, quinn)
    assert say(fresh(block), Decision.REJECTED, quinn, "shutter").decision == "REJECTED"


def test_a_block_that_is_worked_on_cannot_be_decided(night, quinn):
    AssociationBlock.objects.filter(pk=night["red"].pk).update(next_step="SCORE")
    with pytest.raises(CertificationError, match="still being worked on"):
        say(fresh(night["red"]), Decision.ACCEPTED, quinn)


def test_a_degraded_block_is_never_automatic(night):
    AssociationBlock.objects.filter(pk=night["green"].pk).update(is_degraded=True)
    assert not may_be_automatic(fresh(night["green"]))


def test_modes_say_what_is_automatic(night):
    raw_type = RawType.objects.filter(instrument__name="CCDCAM", name="BIAS")
    block = fresh(night["green"])
    raw_type.update(certification=CertificationMode.ALL)
    assert not may_be_automatic(block)
    raw_type.update(certification=CertificationMode.RANDOM, sample_percent=100)
    assert not may_be_automatic(block)
    raw_type.update(certification=CertificationMode.RANDOM, sample_percent=0)
    assert may_be_automatic(block)


def test_the_sample_is_the_same_every_time(night):
    raw_type = RawType.objects.get(instrument__name="CCDCAM", name="BIAS")
    block = fresh(night["green"])
    assert {is_sampled(block, raw_type) for _ in range(5)} in ({True}, {False})


def failed_again(block):
    """Leave a block as a second run does that failed."""
    AssociationBlock.objects.filter(pk=block.pk).update(
        attempt=2, process_status="FAILED", needs_person=True
    )
    return fresh(block)


def test_when_a_later_run_fails_the_former_certificate_does_not_stand(night, client, quinn):
    client.force_login(quinn)
    block = failed_again(night["green"])
    assert standing(block) is None
    page = parse(client.get("/nights/CCDCAM/2026-03-01/"))
    cells = page.one("tr", id=f"row-{block.pk}")
    assert cells.one("td", css="c-cert").text == "review"
    assert cells.one("td", css="c-score").text == "–"
    assert BlockScore.objects.standing().filter(block=block).count() == 0


def test_what_failed_can_be_rejected_and_that_stands(night, quinn):
    block = failed_again(night["green"])
    with pytest.raises(CertificationError, match="no product to accept"):
        say(block, Decision.ACCEPTED, quinn, seen=1)
    say(block, Decision.REJECTED, quinn, "the shutter is stuck", seen=1)
    assert standing(fresh(block)).decision == Decision.REJECTED


def test_a_decision_is_on_the_run_that_was_looked_at(night, quinn):
    seen = night["red"]
    AssociationBlock.objects.filter(pk=seen.pk).update(attempt=2)
    with pytest.raises(OutdatedError, match="has run again meanwhile"):
        decide(seen, Decision.ACCEPTED, quinn, "fine", seen=0, seen_attempt=1, at=timezone.now())
    assert standing(fresh(seen)) is None


def test_a_decision_on_an_old_picture_sees_the_block_as_it_is_now(night, quinn):
    stale = fresh(night["red"])
    AssociationBlock.objects.filter(pk=stale.pk).update(next_step="PROCESS")
    with pytest.raises(CertificationError, match="still being worked on"):
        say(stale, Decision.ACCEPTED, quinn)


def test_what_a_person_rejected_never_passes_by_itself_again(night, quinn):
    say(night["green"], Decision.REJECTED, quinn, "lamp was on", seen=1)
    assert request_again(fresh(night["green"]), timezone.now())
    run_to_rest()
    block = fresh(night["green"])
    assert (block.attempt, block.process_status) == (2, "SUCCESSFUL")
    assert (block.is_withdrawn, block.needs_person, standing(block)) == (True, True, None)


def test_taking_a_rejection_back_wakes_what_waited_for_it(night, quinn):
    say(night["green"], Decision.REJECTED, quinn, "lamp was on", seen=1)
    request_again(fresh(night["dark"]), timezone.now())
    workflow.advance(night["dark"].pk)
    waiting = fresh(night["dark"])
    assert (waiting.process_status, waiting.blocked_by) == ("BLOCKED", night["green"])
    assert waiting.next_try_at is not None
    take_back(fresh(night["green"]), quinn, "it was off", seen=2, at=timezone.now())
    assert fresh(waiting).next_try_at is None
    run_to_rest()
    assert fresh(waiting).process_status == "SUCCESSFUL"


def rejected_with_a_hidden_frame(block, quinn, seen):
    say(block, Decision.REJECTED, quinn, "lamp was on", seen=seen)
    frame = block.block_frames.first().raw_file
    hide_frame(frame, quinn, "lamp was on", timezone.now())
    assert block.block_frames.filter(raw_file=frame).exists()
    return frame


def test_a_block_that_holds_a_hidden_frame_is_not_accepted(night, quinn):
    rejected_with_a_hidden_frame(night["green"], quinn, 1)
    with pytest.raises(CertificationError, match="A frame of this block is hidden"):
        say(night["green"], Decision.ACCEPTED, quinn, "fine", seen=2)


def test_a_rejection_taken_back_leaves_hidden_frames_out(night, quinn):
    frame = rejected_with_a_hidden_frame(night["green"], quinn, 1)
    take_back(fresh(night["green"]), quinn, "", seen=2, at=timezone.now())
    assert not night["green"].block_frames.filter(raw_file=frame).exists()
    assert fresh(night["green"]).process_status != "SUCCESSFUL"


def test_what_was_made_with_a_hidden_calibration_is_not_certified_by_the_system(night, quinn):
    block = fresh(night["green"])
    assert may_be_automatic(block)
    file = RawFile.objects.filter(block_frames__isnull=False).exclude(block_frames__block=block)[0]
    link = CalibrationLink(block=block, label="M", pro_catg="M", file=file)
    link.save()
    assert may_be_automatic(block)
    RawFile.objects.filter(pk=file.pk).update(hidden_at=timezone.now(), hidden_reason="light leak")
    assert not may_be_automatic(block)


def test_the_page_of_a_block_says_that_its_calibration_is_hidden(night, quinn, client):
    client.force_login(quinn)
    block = fresh(night["green"])
    file = RawFile.objects.exclude(block_frames__block=block)[0]
    CalibrationLink.objects.create(block=block, label="M", pro_catg="M", file=file)
    hide_frame(file, quinn, "light leak", timezone.now())
    text = parse(client.get(f"/blocks/{block.ab_name}/")).one("main").text
    assert "Hidden meanwhile." in text
    assert "light leak" in text
    assert fresh(block).needs_person


def test_a_decision_is_on_the_result_that_was_seen(night, quinn):
    """An earlier run may have been made the result while somebody looked at the later one."""
    block = night["red"]
    with pytest.raises(OutdatedError):
        decide(block, Decision.ACCEPTED, quinn, "seen", seen=0, seen_attempt=1, seen_result=2,
               at=timezone.now())  # fmt: skip
    decide(block, Decision.ACCEPTED, quinn, "seen", seen=0, seen_attempt=1, seen_result=1,
           at=timezone.now())  # fmt: skip


def test_the_score_of_another_run_is_no_evidence(night):
    block = night["green"]
    score = block.block_scores.get(is_current=True)
    score.attempt = night["dark"].current_attempt
    score.save()
    assert evidence(fresh(block)).n_scored is None
    assert not may_be_automatic(fresh(block))
