"""Accounts: made, closed, opened again, given a password. None is deleted."""

import datetime as dt
import secrets
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from pipelines.models import Instrument
from qcweb.people.models import Right, Role

from .rights import give

# Bits of a password that is made here: as good as one that nobody has to type twice.
PASSWORD_BYTES = 15
NAME_MOST = 150


class AccountError(Exception):
    """An account that cannot be made or changed so: says why; `field` is what to correct."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


def make_account(
    name: str,
    *,
    email: str = "",
    is_admin: bool = False,
    password: str | None = None,
    rights: Iterable[tuple[Role, Instrument | None]] = (),
    by: str,
    at: dt.datetime,
) -> tuple[User, str]:
    """Make an account with its rights; return it and its password, made here unless it is given."""
    name, email = name.strip(), email.strip()
    user = User(username=_checked_name(name), email=_checked_email(email), is_superuser=is_admin)
    password = make_password() if password is None else _checked_password(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
            for role, instrument in dict.fromkeys(rights):
                give(user, role, instrument, by, at)
    except IntegrityError as error:
        raise AccountError(f"There is an account {name} already.", field="username") from error
    return user, password


def make_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def set_password(user: User, password: str | None = None) -> str:
    """Give an account another password, made here unless it is given; its sessions end with it."""
    password = make_password() if password is None else _checked_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    return password


def close(user: User) -> bool:
    """Let an account log in no more, nor its tokens; what it did stays. False: it is closed."""
    with transaction.atomic():
        _check_not_last(user)
        return _set(user, is_active=False)


def reopen(user: User) -> bool:
    return _set(user, is_active=True)


def make_admin(user: User) -> bool:
    return _set(user, is_superuser=True)


def unmake_admin(user: User) -> bool:
    """Let an account give no more rights; it keeps those it was given."""
    with transaction.atomic():
        _check_not_last(user)
        return _set(user, is_superuser=False)


def _set(user: User, **fields: bool) -> bool:
    was_so = {name: not value for name, value in fields.items()}
    changed = User.objects.filter(pk=user.pk, **was_so).update(**fields)
    user.refresh_from_db()
    return changed == 1


def _check_not_last(user: User) -> None:
    """Refuse what would leave nobody who gives rights."""
    admins = User.objects.select_for_update().filter(is_active=True, is_superuser=True)
    if list(admins.values_list("pk", flat=True)) == [user.pk]:
        raise AccountError(
            f"{user.get_username()} is the last administrator: make another one first.",
            field="act",
        )


def _checked_name(name: str) -> str:
    if not name or len(name) > NAME_MOST:
        raise AccountError(f"A name has 1 to {NAME_MOST} characters.", field="username")
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError as error:
        raise AccountError(
            "A name has letters, digits and @ . + - _ only.", field="username"
        ) from error
    # Two that differ in case only are mistaken for each other in every list.
    if (other := User.objects.filter(username__iexact=name).first()) is not None:
        raise AccountError(f"There is an account {other} already.", field="username")
    return name


def _checked_email(email: str) -> str:
    try:
        if email:
            validate_email(email)
    except ValidationError as error:
        raise AccountError(f"{email!r} is no address of mail.", field="email") from error
    return email


def _checked_password(password: str, user: User) -> str:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise AccountError(" ".join(error.messages), field="password") from error
    return password


def state_of(user: User) -> dict[str, object]:
    """Return how an account stands, for the audit log."""
    rights = Right.objects.open().filter(user=user).select_related("instrument").order_by("pk")
    return {
        "is_open": user.is_active,
        "is_administrator": user.is_superuser,
        "email": user.email,
        "rights": [str(right) for right in rights],
    }
