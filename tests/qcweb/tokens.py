"""Tokens for tests: what a program would send."""

import datetime as dt

from django.utils import timezone

from qcweb.people.services.tokens import make_token


def made(user, *scopes, age_days=0.0, **given):
    """Make a token so many days ago; return it and its secret."""
    at = timezone.now() - dt.timedelta(days=age_days)
    return make_token(user, "nightly export", scopes or ("read",), at=at, **given)


def expired(user, *scopes):
    end = timezone.now() - dt.timedelta(days=1)
    return made(user, *scopes, age_days=90, expires_at=end)


def bearer(secret, word="Bearer"):
    return {"Authorization": f"{word} {secret}"}
