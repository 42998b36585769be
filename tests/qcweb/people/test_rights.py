"""Rights: who may do what where; given, taken, never deleted. The database refuses nonsense."""

import datetime as dt

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from pipelines.models import Instrument
from qcweb import tasks
from qcweb.access import may_certify
from qcweb.people.models import Refresh, Right, Role
from qcweb.people.services.refresh import ask_refresh, take_refreshes
from qcweb.people.services.rights import (
    EVERYTHING,
    NOTHING,
    Reach,
    RightError,
    find_right,
    give,
    rights_of,
    take,
)

pytestmark = pytest.mark.django_db
AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@pytest.fixture
def uves(instruments):
    return Instrument.objects.get(name="UVES")


def test_an_account_without_rights_only_reads(stan):
    found = rights_of(stan)
    assert (found.is_admin, found.science, found.staff) == (False, NOTHING, NOTHING)
    assert not may_certify(stan)


def test_nobody_may_nothing():
    assert rights_of(AnonymousUser()) == rights_of(User(is_active=False, is_superuser=True))
    assert not rights_of(AnonymousUser()).staff


def test_an_administrator_may_everything_by_no_right_at_all(root, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert rights_of(root).science.is_all
    assert may_certify(root, "UVES")


def test_a_scientist_certifies_where_he_is_one(uma, uves):
    assert may_certify(uma)
    assert may_certify(uma, uves)
    assert may_certify(uma, "UVES")
    assert not may_certify(uma, "CCDCAM")


def test_scientists_may_what_staff_may_and_not_the_other_way_round(uma, vera, uves):
    assert rights_of(uma).staff == Reach(frozenset({"UVES"}))
    assert (rights_of(vera).staff, rights_of(vera).science) == (EVERYTHING, NOTHING)


def test_rights_for_several_instruments_add_up_and_one_for_all_is_all(stan, uves):
    give(stan, Role.SCIENTIST, uves, "root", AT)
    give(stan, Role.SCIENTIST, Instrument.objects.get(name="CCDCAM"), "root", AT)
    assert rights_of(stan).science == Reach(frozenset({"CCDCAM", "UVES"}))
    give(stan, Role.SCIENTIST, None, "root", AT)
    assert rights_of(stan).science == EVERYTHING


def test_a_right_that_is_taken_counts_no_more_and_stays(uma, uves):
    right = find_right(uma, Role.SCIENTIST, uves)
    later = right.given_at + dt.timedelta(days=1)
    assert take(right, "root", later)
    assert not take(right, "somebody", later + dt.timedelta(days=1))
    right.refresh_from_db()
    assert (right.taken_by, right.taken_at) == ("root", later)
    assert not may_certify(uma)
    give(uma, Role.SCIENTIST, uves, "root", later)
    assert uma.rights.count() == 2


@pytest.mark.parametrize("is_for_all", [True, False])
def test_the_same_right_is_not_given_twice(stan, uves, is_for_all):
    where = None if is_for_all else uves
    give(stan, Role.STAFF, where, "root", AT)
    with pytest.raises(RightError, match="stan is observatory staff of"):
        give(stan, Role.STAFF, where, "root", AT)


def test_a_right_nobody_has_cannot_be_found(stan, uves):
    with pytest.raises(RightError, match="stan is no QC scientist of UVES"):
        find_right(stan, Role.SCIENTIST, uves)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"role": "KING"}, "right_role_is_known"),
        ({"given_by": ""}, "right_says_who_gave_it"),
        ({"taken_by": "root"}, "right_taken_says_by_whom"),
        ({"taken_at": AT}, "right_taken_says_by_whom"),
    ],
)
def test_the_database_refuses_nonsense(stan, fields, constraint):
    known = {"user": stan, "role": Role.STAFF, "given_by": "root", "given_at": AT}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Right.objects.create(**known | fields)


def test_a_refresh_is_asked_for_once_and_taken_once(vera, uves):
    at = timezone.now()
    assert ask_refresh(uves, vera, at)
    assert not ask_refresh(uves, vera, at)
    assert take_refreshes(at) == ["incoming", "UVES"]
    assert take_refreshes(at) == []
    assert ask_refresh(uves, vera, at)
    assert Refresh.objects.count() == 2


def test_a_refresh_is_not_taken_before_it_was_asked_for(vera, uves):
    with pytest.raises(IntegrityError, match="refresh_taken"), transaction.atomic():
        Refresh.objects.create(
            instrument=uves, asked_by=vera, asked_at=AT, taken_at=AT - dt.timedelta(seconds=1)
        )


def test_the_sweep_asks_for_the_rounds_that_do_it(vera, uves, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(tasks.one_round, "delay", asked.append)
    ask_refresh(uves, vera, timezone.now())
    tasks.sweep()
    tasks.sweep()
    assert asked == ["incoming", "UVES"]


def test_where_the_broker_is_silent_a_refresh_waits_for_the_next_sweep(vera, uves, monkeypatch):
    def refuses(_name):
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.one_round, "delay", refuses)
    ask_refresh(uves, vera, timezone.now())
    tasks.sweep()
    assert Refresh.objects.get().taken_at is None
