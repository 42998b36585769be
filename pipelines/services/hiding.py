"""Hides a frame: it is used for nothing any more, by whom and why; showing it undoes that.

Blocks that hold it are organised without it and run again, and a master on disk is no longer
associated: what was made with it waits for a person. A rejected block keeps the frames it was
rejected with.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from pipelines.models import (
    AssociationBlock,
    CalibrationLink,
    Instrument,
    NextStep,
    NightEventKind,
    ProcessStatus,
    RawFile,
)

from .nights import note_frame, reopen_changed
from .organise import organise_nights

_HAS_USED = [ProcessStatus.RUNNING, ProcessStatus.SUCCESSFUL]


class HidingError(Exception):
    """A frame that cannot be hidden or shown as asked; for people."""


@dataclass(frozen=True)
class Affected:
    """The names of blocks organised anew, and of those that were made with what is hidden now."""

    anew: tuple[str, ...]
    used: tuple[str, ...] = ()

    def __str__(self) -> str:
        n, n_used = len(self.anew), len(self.used)
        said = f"{n} block{'' if n == 1 else 's'} organised anew"
        if n_used:
            have, wait = ("has", "waits") if n_used == 1 else ("have", "wait")
            said += f", {n_used} that {have} used it {wait} for a person"
        return said


def hide_frame(frame: RawFile, by: User, reason: str, at: dt.datetime) -> Affected:
    """Hide a frame; return which blocks that concerns. Raises as `hide_frames`."""
    return hide_frames([frame], by, reason, at)


def show_frame(frame: RawFile, by: User, at: dt.datetime) -> Affected:
    """Use a hidden frame again; return which blocks that concerns. Raises as `show_frames`."""
    return show_frames([frame], by, at)


def hide_frames(frames: Sequence[RawFile], by: User, reason: str, at: dt.datetime) -> Affected:
    """Hide frames of one instrument, all or none; return which blocks that concerns.

    Raises
    ------
    HidingError
        One is hidden already, or the reason is missing.
    """
    reason = reason.strip()[:255]
    if not reason:
        raise HidingError("Say why: whoever looks for the frame reads it.")
    with transaction.atomic():
        for frame in frames:
            _change(frame, {"hidden_at": at, "hidden_by": by, "hidden_reason": reason})
            note_frame(frame, NightEventKind.HIDDEN, by, reason, at)
        anew = _organise(frames, f"was hidden: {reason}")
        used = [name for frame in frames for name in _ask_again(frame)]
        return Affected(anew, tuple(dict.fromkeys(used)))


def show_frames(frames: Sequence[RawFile], by: User, at: dt.datetime) -> Affected:
    """Use hidden frames of one instrument again; return which blocks that concerns.

    Raises
    ------
    HidingError
        One is not hidden.
    """
    with transaction.atomic():
        for frame in frames:
            _change(frame, {"hidden_at": None, "hidden_by": None, "hidden_reason": ""})
            note_frame(frame, NightEventKind.SHOWN, by, "", at)
        return Affected(_organise(frames, "is used again"))


def uses_hidden(block: AssociationBlock) -> bool:
    """Whether a block was given a calibration on disk that is hidden now."""
    return block.calibrations.filter(file__hidden_at__isnull=False).exists()


def holds_hidden(block: AssociationBlock) -> bool:
    """Whether a frame of the block is hidden: of a rejected one, which is not organised anew."""
    return block.block_frames.filter(raw_file__hidden_at__isnull=False).exists()


def _change(frame: RawFile, fields: dict[str, object]) -> None:
    is_hiding = fields["hidden_at"] is not None
    # First the instrument, then its frames: the order in which a night is organised.
    Instrument.objects.select_for_update(no_key=True).get(pk=frame.instrument_id)
    changed = RawFile.objects.filter(pk=frame.pk, hidden_at__isnull=is_hiding).update(
        **fields, organised_at=None
    )
    if not changed:
        raise HidingError(f"{frame.name} is {'hidden already' if is_hiding else 'not hidden'}.")


def _organise(frames: Sequence[RawFile], what: str) -> tuple[str, ...]:
    """Organise the frames' nights again; return the names of the blocks which that has changed."""
    stamp = timezone.now()
    by_night: dict[dt.date, list[RawFile]] = {}
    for frame in frames:
        by_night.setdefault(frame.night, []).append(frame)
    for night, its in by_night.items():
        # Before its night is organised, which would say that the frame has arrived.
        more = f" and {len(its) - 1} more" if len(its) > 1 else ""
        reopen_changed(its[0].instrument, night, f"{its[0].name}{more} {what}", stamp)
        organise_nights([(its[0].instrument_id, night)], stamp)
    instruments = {frame.instrument_id for frame in frames}
    anew = AssociationBlock.objects.filter(instrument__in=instruments, changed_at=stamp)
    return tuple(anew.order_by("pk").values_list("ab_name", flat=True))


def _ask_again(frame: RawFile) -> tuple[str, ...]:
    """Let a person decide on what was made with a calibration; one at work gets there itself."""
    used = AssociationBlock.objects.filter(
        pk__in=CalibrationLink.objects.filter(file=frame).values("block"),
        process_status__in=_HAS_USED,
        is_withdrawn=False,
    ).order_by("pk")
    found = list(used.select_for_update(of=("self",), no_key=True))
    at_rest = [block for block in found if block.next_step == NextStep.REST]
    AssociationBlock.objects.filter(pk__in=[block.pk for block in at_rest]).update(
        needs_person=True, is_certified=False, changed_at=timezone.now()
    )
    for night in sorted({block.night for block in found}):
        names = ", ".join(block.ab_name for block in found if block.night == night)
        reopen_changed(
            frame.instrument,
            night,
            f"{frame.name}, now hidden, was used by {names}",
            timezone.now(),
        )
    return tuple(block.ab_name for block in found)
