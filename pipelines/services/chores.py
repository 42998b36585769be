"""Keeps a record of work that is no block's: what it was, how long it took, what came of it."""

import contextlib
import datetime as dt
import logging
import os
import socket
from collections.abc import Iterator

from django.db import DatabaseError
from django.db.models import F
from django.utils import timezone

from pipelines.models import Chore

logger = logging.getLogger(__name__)

# So many runs of a name are kept.
KEPT = 200


class Note:
    """What a chore says of itself when it ends."""

    said = ""


@contextlib.contextmanager
def chore(name: str, subject: str = "", *, is_frequent: bool = False) -> Iterator[Note]:
    """Record a run of a chore, also one that ends with an error, which passes through.

    Of a frequent one a single row is kept, with the latest run and their number.
    """
    note = Note()
    row = _begin(name, subject, is_frequent=is_frequent)
    try:
        yield note
    except BaseException as error:
        _end(row, succeeded=False, said=f"{type(error).__name__}: {error}")
        raise
    _end(row, succeeded=True, said=note.said)


def _begin(name: str, subject: str, *, is_frequent: bool) -> int | None:
    at = timezone.now()
    worker = f"{socket.gethostname()}:{os.getpid()}"
    fresh = {"started_at": at, "finished_at": None, "succeeded": None, "worker": worker}
    # A chore is done even where it cannot be recorded.
    with contextlib.suppress(DatabaseError):
        if is_frequent:
            known = Chore.objects.filter(name=name, subject=subject).order_by("pk").first()
            if known is not None:
                Chore.objects.filter(pk=known.pk).update(n_runs=F("n_runs") + 1, **fresh)
                return known.pk
        else:
            _forget(name)
        return Chore.objects.create(name=name, subject=subject[:255], **fresh).pk
    return None


def _forget(name: str) -> None:
    old = Chore.objects.filter(name=name).order_by("-started_at").values_list("pk", flat=True)
    Chore.objects.filter(pk__in=list(old[KEPT : KEPT + 500])).delete()


def _end(row: int | None, *, succeeded: bool, said: str) -> None:
    if row is None:
        return
    try:
        Chore.objects.filter(pk=row).update(
            finished_at=timezone.now(), succeeded=succeeded, said=said.replace("\x00", "")[:2000]
        )
    except DatabaseError as error:
        logger.warning("a chore could not be recorded: %s", error)


def is_silent(row: Chore, at: dt.datetime, patience: dt.timedelta) -> bool:
    """Whether a chore began so long ago without an end that its process must be gone."""
    return row.finished_at is None and at - row.started_at > patience
