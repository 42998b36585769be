"""Writes the audit log, and reads what of it somebody may see."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from qcweb.people.models import AuditEntry

# Longer texts are cut: the log says that something was said, its place keeps it whole.
TEXT_MOST, LIST_MOST = 2000, 200
# Fields of forms that are never written down, nor anything named like them.
_SECRET = ("password", "secret", "token", "csrf")


@dataclass(frozen=True)
class Actor:
    """Who does something: the account's name, or the command; from where; by which token."""

    name: str
    source: str | None = None
    token: str = ""


@dataclass(frozen=True)
class About:
    """What something is done to: its kind, name, the address of its page, its instrument."""

    kind: str
    name: str
    address: str = ""
    instrument: str = ""


def record(
    actor: Actor,
    verb: str,
    about: About,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    asked: Mapping[str, Any] | None = None,
    at: dt.datetime | None = None,
) -> AuditEntry:
    """Add a line; `at` None is now."""
    asked = without_secrets(asked or {})
    return AuditEntry.objects.create(
        at=at or timezone.now(), person=actor.name[:150] or "?", verb=verb, kind=about.kind,
        subject=about.name[:255], address=about.address[:255], instrument=about.instrument,
        words=_words(asked), asked=asked, before=before, after=after, source=actor.source,
        token=actor.token[:128],
    )  # fmt: skip


def was_recorded(actor: Actor, verb: str, since: dt.datetime) -> bool:
    """Whether there is such a line of somebody, from the same address, since an instant."""
    return AuditEntry.objects.filter(
        person=actor.name, verb=verb, source=actor.source, at__gte=since
    ).exists()


def without_secrets(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked as far as it may be kept.

    Examples
    --------
    >>> without_secrets({"reason": "seen", "new_password1": "x", "csrfmiddlewaretoken": "y"})
    {'reason': 'seen'}
    """
    return {
        name: _cut(value)
        for name, value in asked.items()
        if not any(word in name.lower() for word in _SECRET)
    }


def _cut(value: Any) -> Any:
    if isinstance(value, list):
        return [_cut(one) for one in value[:LIST_MOST]]
    return value[:TEXT_MOST] if isinstance(value, str) else value


def _words(asked: Mapping[str, Any]) -> str:
    """Return the reason or comment that was typed."""
    said = asked.get("reason") or asked.get("comment") or ""
    return said if isinstance(said, str) else ""
