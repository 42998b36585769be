"""Making waivers and taking them back; which stand for which blocks."""

import datetime as dt
from collections.abc import Iterable

from django.contrib.auth.models import User

from pipelines.models import AssociationBlock, Completeness, ProcessStatus, Waiver, WaiverKind

# Longer, and nobody remembers why: it is made anew, with a reason of its own day.
MOST_NIGHTS = 366


class WaiverError(Exception):
    """A waiver that cannot be made or taken back; for people."""


def kind_for(block: AssociationBlock) -> WaiverKind | None:
    """Return what could be waived of a block as it is; None: it is neither incomplete nor failed."""
    if block.completeness == Completeness.INCOMPLETE:
        return WaiverKind.MISSING
    return WaiverKind.FAILING if block.process_status == ProcessStatus.FAILED else None


def waive(
    block: AssociationBlock,
    reason: str,
    by: User,
    at: dt.datetime,
    *,
    last_night: dt.date,
    every_setup: bool = False,
) -> Waiver:
    """Let blocks like one, from its night on, need nobody.

    Raises
    ------
    WaiverError
        The block is neither incomplete nor failed, there is no reason, or its end is none.
    """
    kind, reason = kind_for(block), reason.strip()[:2000]
    if kind is None:
        raise WaiverError("This block is neither incomplete nor failed: there is nothing to waive.")
    if not reason:
        raise WaiverError("Say why: it is read as long as the waiver stands.")
    if last_night < block.night:
        raise WaiverError(f"It would end with {last_night}, before the night of this block.")
    if (last_night - block.night).days > MOST_NIGHTS:
        raise WaiverError(f"At most {MOST_NIGHTS} nights: then somebody should look again.")
    return Waiver.objects.create(
        instrument=block.instrument, raw_type=block.raw_type,
        setup="" if every_setup else block.setup, kind=kind, reason=reason, author=by, made_at=at,
        first_night=block.night, last_night=last_night,
    )  # fmt: skip


def withdraw(waiver: Waiver, by: User, at: dt.datetime) -> None:
    """Take a waiver back: its blocks wait for a person again.

    Raises
    ------
    WaiverError
        It is taken back already.
    """
    changed = Waiver.objects.open().filter(pk=waiver.pk).update(withdrawn_at=at, withdrawn_by=by)
    if not changed:
        raise WaiverError("It is taken back already.")


def waivers_of(blocks: Iterable[AssociationBlock]) -> dict[int, Waiver]:
    """Return the waiver that stands for each block that has one: one query, none where none could."""
    could = [block for block in blocks if kind_for(block)]
    if not could:
        return {}
    found = list(
        Waiver.objects.open()
        .filter(instrument__in={block.instrument_id for block in could})
        .select_related("author")
        .order_by("pk")
    )
    return {block.pk: one for block in could for one in found if one.covers(block)}
