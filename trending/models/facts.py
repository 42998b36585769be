"""Facts that scoring reads: each is superseded, never overwritten, so that the past can be asked."""

import datetime as dt
from typing import Any, Self

from django.db import models
from django.db.models import Q


def known_at(at: dt.datetime, prefix: str = "") -> Q:
    """Return the condition of facts that stood at ``at``, by the clock of the database."""
    ended = f"{prefix}superseded_at"
    return Q(**{f"{prefix}recorded_at__lte": at}) & (Q(**{ended: None}) | Q(**{f"{ended}__gt": at}))


class FactQuerySet(models.QuerySet[Any]):
    """Questions to facts that have a time of their own."""

    def open(self) -> Self:
        return self.filter(superseded_at=None)

    def known_at(self, at: dt.datetime) -> Self:
        return self.filter(known_at(at))
