"""Hides a frame: it is used for nothing any more, by whom and why; showing it undoes that.

Blocks that hold it are organised without it and run again, and a master on disk is no longer
associated. A rejected block keeps the frames it was rejected with.
"""

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from pipelines.models import AssociationBlock, RawFile

from .organise import organise_nights


class HidingError(Exception):
    """A frame that cannot be hidden or shown as asked; for people."""


def hide_frame(frame: RawFile, by: User, reason: str, at: dt.datetime) -> int:
    """Hide a frame; return how many blocks have changed.

    Raises
    ------
    HidingError
        It is hidden already, or the reason is missing.
    """
    reason = reason.strip()[:255]
    if not reason:
        raise HidingError("Say why: whoever looks for the frame reads it.")
    return _change(frame, {"hidden_at": at, "hidden_by": by, "hidden_reason": reason}, at)


def show_frame(frame: RawFile, at: dt.datetime) -> int:
    """Use a hidden frame again; return how many blocks have changed.

    Raises
    ------
    HidingError
        It is not hidden.
    """
    return _change(frame, {"hidden_at": None, "hidden_by": None, "hidden_reason": ""}, at)


def _change(frame: RawFile, fields: dict[str, object], at: dt.datetime) -> int:
    is_hiding = fields["hidden_at"] is not None
    with transaction.atomic():
        changed = RawFile.objects.filter(pk=frame.pk, hidden_at__isnull=is_hiding).update(
            **fields, organised_at=None
        )
        if not changed:
            raise HidingError(f"{frame.name} is {'hidden already' if is_hiding else 'not hidden'}.")
        organise_nights([(frame.instrument_id, frame.night)], timezone.now())
    return AssociationBlock.objects.filter(
        instrument=frame.instrument_id, changed_at__gte=at
    ).count()
