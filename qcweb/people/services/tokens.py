"""Makes, finds and revokes tokens."""

import datetime as dt
import hashlib
import logging
import secrets
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.db.models import Q

from pipelines.models import Instrument
from qcweb.people.models import MARK, NAME_MOST, PREFIX_LENGTH, ApiToken, Scope, TokenState

logger = logging.getLogger(__name__)

SECRET_BYTES = 32
# The use of a token is written down once in so long: reading must not mean writing.
NOTED_EVERY = dt.timedelta(minutes=1)


class TokenError(Exception):
    """A token that cannot be made: says why; `field` is what to correct."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class RefusedTokenError(Exception):
    """A secret that opens nothing: says which and since when, and never the secret."""

    title = "Token refused"


class UnknownTokenError(RefusedTokenError):
    title = "Unknown token"

    def __init__(self) -> None:
        super().__init__("There is no such token.")


class ExpiredTokenError(RefusedTokenError):
    title = "Expired token"

    def __init__(self, token: ApiToken) -> None:
        super().__init__(f"The token {token} expired at {token.expires_at:%Y-%m-%d %H:%M} UT.")


class RevokedTokenError(RefusedTokenError):
    title = "Revoked token"

    def __init__(self, token: ApiToken) -> None:
        super().__init__(
            f"The token {token} was revoked at {token.revoked_at:%Y-%m-%d %H:%M} UT "
            f"by {token.revoked_by}."
        )


class ClosedAccountError(RefusedTokenError):
    title = "Closed account"

    def __init__(self, token: ApiToken) -> None:
        super().__init__(f"The account of the token {token} is closed.")


def digest_of(secret: str) -> str:
    """Return what is kept of a secret: with 256 random bits no slow sum is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make_token(
    user: User,
    name: str,
    scopes: Iterable[str],
    *,
    instruments: Iterable[str] = (),
    expires_at: dt.datetime | None = None,
    at: dt.datetime,
) -> tuple[ApiToken, str]:
    """Make a token; return it with its secret, which nobody can ask for again."""
    if expires_at is not None and expires_at <= at:
        raise TokenError("It would have expired already.", field="expires_at")
    secret = MARK + secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken.objects.create(
        user=user, name=_checked_name(name), digest=digest_of(secret),
        prefix=secret[:PREFIX_LENGTH], scopes=_known_scopes(set(scopes)),
        instruments=_known_instruments(set(instruments)), created_at=at, expires_at=expires_at,
    )  # fmt: skip
    return token, secret


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= NAME_MOST:
        raise TokenError(f"Say what it is for, in at most {NAME_MOST} characters.", field="name")
    return name


def _known_scopes(names: set[str]) -> list[str]:
    known = ", ".join(Scope.values)
    if unknown := names - set(Scope.values):
        raise TokenError(f"No scope: {_listed(unknown)}. Known: {known}.", field="scopes")
    if not names:
        raise TokenError(f"Say what it may do: {known}.", field="scopes")
    return [one for one in Scope.values if one in names]


def _known_instruments(names: set[str]) -> list[str]:
    known = Instrument.objects.order_by("name").values_list("name", flat=True)
    if unknown := names - set(known):
        raise TokenError(
            f"There is no instrument {_listed(unknown)}. Known: {', '.join(known) or 'none'}.",
            field="instruments",
        )
    return sorted(names)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def find_token(secret: str, at: dt.datetime) -> ApiToken:
    """Return the token with this secret; one that opens nothing raises a `RefusedTokenError`.

    The database compares sums: how long that takes tells nothing of a secret.
    """
    token = ApiToken.objects.select_related("user").filter(digest=digest_of(secret)).first()
    if token is None:
        raise UnknownTokenError
    state = token.state(at)
    if state == TokenState.REVOKED:
        raise RevokedTokenError(token)
    if state == TokenState.EXPIRED:
        raise ExpiredTokenError(token)
    if token.user is None or not token.user.is_active:
        raise ClosedAccountError(token)
    return token


def note_use(token: ApiToken, address: str | None, at: dt.datetime) -> None:
    """Write down when and from where a token was used, at most once a minute."""
    before = at - NOTED_EVERY
    if token.last_used_at is not None and token.last_used_at > before:
        return
    # Of two requests at once one writes.
    due = ApiToken.objects.filter(pk=token.pk).filter(
        Q(last_used_at=None) | Q(last_used_at__lte=before)
    )
    try:
        with transaction.atomic():
            due.update(last_used_at=at, last_used_from=address)
    except DatabaseError as error:
        # Whoever reads need not fail because nothing can be written just now.
        logger.warning("the use of token %s is not noted: %s", token, error)


def revoke(token: ApiToken, by: str, at: dt.datetime) -> bool:
    """Let a token open nothing from now on; one that was revoked before keeps its date."""
    taken = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(
        revoked_at=at, revoked_by=by
    )
    return taken == 1
