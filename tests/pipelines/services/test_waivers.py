"""A waiver takes blocks off the worklist and out of every count of what waits, and nothing else."""

import datetime as dt
from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.models import AssociationBlock, Waiver
from pipelines.services.nights import what_is_left
from pipelines.services.waivers import WaiverError, waive, waivers_of, withdraw
from tests.frames import FLAT, later, taken

pytestmark = pytest.mark.django_db
SHORT_FLAT = replace(FLAT, n_frames=2)
NIGHT = dt.date(2026, 3, 1)


@pytest.fixture
def short(take, tmp_path):
    """An incomplete block in each of two nights."""
    take(taken(tmp_path, SHORT_FLAT, later(SHORT_FLAT, 1)))
    blocks = list(AssociationBlock.objects.order_by("night"))
    assert [one.completeness for one in blocks] == ["INCOMPLETE"] * 2
    assert AssociationBlock.objects.for_people().count() == 2
    return blocks


def test_it_covers_its_nights_and_no_later_one(short, quinn):
    one, late = short
    waiver = waive(one, "shutter is out", quinn, timezone.now(), last_night=one.night)
    assert list(AssociationBlock.objects.for_people()) == [late]
    assert waivers_of(short) == {one.pk: waiver}
    assert what_is_left(one.instrument, one.night).get("to review") is None
    assert what_is_left(one.instrument, late.night)["to review"] == 1
    one.refresh_from_db()
    assert (one.completeness, one.is_certified, one.needs_person) == ("INCOMPLETE", False, True)
    withdraw(waiver, quinn, timezone.now())
    assert AssociationBlock.objects.for_people().count() == 2
    with pytest.raises(WaiverError, match="already"):
        withdraw(waiver, quinn, timezone.now())


@pytest.mark.parametrize(("every_setup", "n"), [(False, 1), (True, 0)])
def test_it_is_for_a_set_up_or_for_all(short, quinn, every_setup, n):
    one, late = short
    AssociationBlock.objects.filter(pk=late.pk).update(setup="OTHER")
    waive(one, "x", quinn, timezone.now(), last_night=late.night, every_setup=every_setup)
    assert AssociationBlock.objects.for_people().count() == n
    assert len(waivers_of(AssociationBlock.objects.all())) == 2 - n


def test_what_is_complete_or_fails_is_not_covered_by_a_waiver_for_what_is_missing(short, quinn):
    one, late = short
    waive(one, "x", quinn, timezone.now(), last_night=late.night)
    AssociationBlock.objects.filter(pk=one.pk).update(
        completeness="COMPLETE", incomplete_reason="", process_status="FAILED"
    )
    assert list(AssociationBlock.objects.for_people()) == [one]
    one.refresh_from_db()
    waive(one, "no pipeline for it", quinn, timezone.now(), last_night=one.night)
    assert not AssociationBlock.objects.for_people().exists()


@pytest.mark.parametrize(
    ("reason", "days", "said"),
    [(" ", 0, "Say why"), ("x", -1, "before the night"), ("x", 400, "At most 366 nights")],
)
def test_what_makes_no_sense_is_refused(short, quinn, reason, days, said):
    last = short[0].night + dt.timedelta(days=days)
    with pytest.raises(WaiverError, match=said):
        waive(short[0], reason, quinn, timezone.now(), last_night=last)
    assert not Waiver.objects.exists()


def test_a_block_that_is_all_right_cannot_be_waived(short, quinn):
    block = short[0]
    block.completeness = "COMPLETE"
    with pytest.raises(WaiverError, match="nothing to waive"):
        waive(block, "x", quinn, timezone.now(), last_night=block.night)


def test_the_database_refuses_one_that_ends_before_it_begins(short, quinn):
    common = {"instrument": short[0].instrument, "raw_type": "FLAT", "kind": "MISSING",
              "author": quinn, "made_at": timezone.now(), "first_night": NIGHT}  # fmt: skip
    with pytest.raises(IntegrityError, match="ends_after"), transaction.atomic():
        Waiver.objects.create(reason="x", last_night=NIGHT - dt.timedelta(days=1), **common)
    with pytest.raises(IntegrityError, match="says_why"), transaction.atomic():
        Waiver.objects.create(reason="", last_night=NIGHT, **common)
