"""REJECT, HIDE and BADQUAL are three switches: what each does, and taking them back."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument, RawFile
from pipelines.services.requests import request_again
from qcweb.certification.models import Certification, Decision
from qcweb.certification.services.decisions import FollowUps, decide, reasons_of, take_back
from qcweb.certification.services.record import CertificationError, standing
from tests.conftest import run_to_rest

pytestmark = pytest.mark.django_db


def reject(block, quinn, **more):
    return decide(
        block, Decision.REJECTED, quinn, "saturated", seen=0, at=timezone.now(),
        follow_ups=FollowUps(**more),
    )  # fmt: skip


def fresh(block):
    return AssociationBlock.objects.get(pk=block.pk)


@pytest.mark.parametrize("is_badqual", [True, False])
def test_badqual_is_kept_with_the_block_until_it_is_taken_back(night, quinn, is_badqual):
    entry = reject(night["red"], quinn, is_badqual=is_badqual, reason="saturated")
    assert (entry.is_badqual, entry.is_hiding, entry.reason) == (is_badqual, False, "saturated")
    assert (fresh(night["red"]).is_withdrawn, fresh(night["red"]).is_badqual) == (True, is_badqual)
    assert not RawFile.objects.filter(hidden_at__isnull=False).exists()
    take_back(night["red"], quinn, "", seen=1, at=timezone.now())
    assert (fresh(night["red"]).is_withdrawn, fresh(night["red"]).is_badqual) == (False, False)


def test_hiding_hides_the_raw_frames_and_taking_it_back_shows_them(night, quinn):
    frames = set(night["red"].block_frames.values_list("raw_file_id", flat=True))
    other = RawFile.objects.exclude(pk__in=frames).first()
    entry = reject(night["red"], quinn, hides=True)
    hidden = RawFile.objects.filter(hidden_at__isnull=False)
    assert set(hidden.values_list("pk", flat=True)) == frames
    assert set(hidden.values_list("hidden_by", "hidden_reason")) == {(quinn.pk, "saturated")}
    # It keeps the frames it was rejected with.
    assert set(night["red"].block_frames.values_list("raw_file_id", flat=True)) == frames
    assert standing(fresh(night["red"])) == entry
    take_back(night["red"], quinn, "", seen=1, at=timezone.now())
    assert not RawFile.objects.filter(hidden_at__isnull=False).exists()
    assert RawFile.objects.get(pk=other.pk).hidden_at is None


def test_accepting_hides_nothing(night, quinn):
    entry = decide(
        night["red"], Decision.ACCEPTED, quinn, "seen", seen=0, at=timezone.now(),
        follow_ups=FollowUps(hides=True),
    )  # fmt: skip
    assert (entry.is_hiding, entry.is_badqual) == (False, False)
    assert not RawFile.objects.filter(hidden_at__isnull=False).exists()


def test_reasons_are_the_instruments_own(night, quinn):
    Instrument.objects.update(reasons={"reject": ["bad seeing"]})
    block = AssociationBlock.objects.select_related("instrument").get(pk=night["red"].pk)
    assert reasons_of(block.instrument)["reject"] == ["bad seeing"]
    assert "slight departure" in reasons_of(block.instrument)["accept"]
    with pytest.raises(CertificationError, match="no reason that CCDCAM knows: bad seeing"):
        reject(block, quinn, reason="saturated")
    assert reject(block, quinn, reason="bad seeing").reason == "bad seeing"


def test_the_database_refuses_an_accepted_block_that_is_badqual(night, quinn):
    with pytest.raises(IntegrityError, match="block_badqual_is_withdrawn"), transaction.atomic():
        AssociationBlock.objects.filter(pk=night["red"].pk).update(is_badqual=True)
    with pytest.raises(IntegrityError, match="only_a_rejection_hides"), transaction.atomic():
        Certification.objects.create(
            block=night["red"], number=1, decision="ACCEPTED", decided_by=quinn,
            decided_at=timezone.now(), is_hiding=True,
        )  # fmt: skip


def test_a_rejected_block_that_runs_again_stays_badqual_until_somebody_decides(night, quinn):
    reject(night["red"], quinn, is_badqual=True)
    assert request_again(night["red"], timezone.now())
    run_to_rest()
    block = fresh(night["red"])
    assert (block.is_withdrawn, block.is_badqual, block.needs_person) == (True, True, True)
