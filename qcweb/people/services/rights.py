"""What accounts may do, on which instruments: asked, given and taken."""

import datetime as dt
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction

from pipelines.models import Instrument
from qcweb.people.models import Right, Role


class RightError(Exception):
    """A right that cannot be given or taken; for people."""


@dataclass(frozen=True)
class Reach:
    """The instruments somebody may act on, by name; `names` None is all there are and will be.

    Examples
    --------
    >>> "UVES" in Reach(frozenset({"UVES"})), "FORS2" in Reach(frozenset({"UVES"}))
    (True, False)
    >>> bool(NOTHING), "FORS2" in EVERYTHING, EVERYTHING.is_all
    (False, True, True)
    """

    names: frozenset[str] | None

    def __bool__(self) -> bool:
        return self.names is None or bool(self.names)

    def __contains__(self, instrument: object) -> bool:
        return self.names is None or str(instrument) in self.names

    @property
    def is_all(self) -> bool:
        return self.names is None

    def __or__(self, other: "Reach") -> "Reach":
        if self.names is None or other.names is None:
            return EVERYTHING
        return Reach(self.names | other.names)


NOTHING, EVERYTHING = Reach(frozenset()), Reach(None)


@dataclass(frozen=True)
class Rights:
    """What an account may do: certify and act where it is a scientist, ask where it is staff."""

    is_admin: bool = False
    science: Reach = NOTHING
    staff: Reach = NOTHING
    """Scientists may all that staff may."""


def rights_of(user: User | AnonymousUser) -> Rights:
    """Return what an account may do now; one query, none for administrators and strangers."""
    if not isinstance(user, User) or not user.is_active:
        return Rights()
    if user.is_superuser:
        return Rights(is_admin=True, science=EVERYTHING, staff=EVERYTHING)
    reaches = {Role.SCIENTIST: NOTHING, Role.STAFF: NOTHING}
    for role, name in (
        Right.objects.open()
        .filter(user=user)
        .order_by("pk")
        .values_list("role", "instrument__name")
    ):
        reaches[Role(role)] |= EVERYTHING if name is None else Reach(frozenset({name}))
    science = reaches[Role.SCIENTIST]
    return Rights(science=science, staff=science | reaches[Role.STAFF])


def give(user: User, role: Role, instrument: Instrument | None, by: str, at: dt.datetime) -> Right:
    """Give an account a role on one instrument, or on all (None).

    Raises
    ------
    RightError
        It has it already.
    """
    try:
        with transaction.atomic():
            return Right.objects.create(
                user=user, role=role, instrument=instrument, given_by=by, given_at=at
            )
    except IntegrityError as error:
        where = instrument or "all instruments"
        raise RightError(f"{user.get_username()} is {role.label} of {where} already.") from error


def take(right: Right, by: str, at: dt.datetime) -> bool:
    """Take a right back; one that was taken before keeps its date."""
    taken = Right.objects.open().filter(pk=right.pk).update(taken_by=by, taken_at=at)
    return taken == 1


def find_right(user: User, role: Role, instrument: Instrument | None) -> Right:
    """Return the open right of an account.

    Raises
    ------
    RightError
        It has no such right.
    """
    found = Right.objects.open().filter(user=user, role=role, instrument=instrument).first()
    if found is None:
        where = instrument or "all instruments"
        raise RightError(f"{user.get_username()} is no {role.label} of {where}.")
    return found
