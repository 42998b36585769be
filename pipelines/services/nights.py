"""A night is open or closed, by whom and when; closing says what is left."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction

from pipelines.domain.times import night_end
from pipelines.models import (
    AssociationBlock,
    Completeness,
    Instrument,
    NextStep,
    NightEvent,
    NightEventKind,
    ProcessStatus,
    RawFile,
)


class NightError(Exception):
    """A night that cannot be closed or opened as asked."""


@dataclass(frozen=True)
class NightState:
    """Whether a night is closed, and its last such entry; without one nobody ever closed it."""

    entry: NightEvent | None

    @property
    def is_closed(self) -> bool:
        return self.entry is not None and self.entry.kind == NightEventKind.CLOSED


def state_of(instrument: Instrument, night: dt.date) -> NightState:
    entries = NightEvent.objects.of_night(instrument, night).about_closing()
    return NightState(entries.select_related("decided_by").last())


def closed_nights(nights: Iterable[tuple[int, dt.date]]) -> set[tuple[int, dt.date]]:
    """Return those of some (instrument, night) that are closed; one query."""
    wanted = set(nights)
    if not wanted:
        return set()
    events = NightEvent.objects.about_closing().filter(
        instrument__in={one for one, _ in wanted}, night__in={night for _, night in wanted}
    )
    last = {(event.instrument_id, event.night): event.kind for event in events}
    return {key for key, kind in last.items() if kind == NightEventKind.CLOSED and key in wanted}


def what_is_left(instrument: Instrument, night: dt.date) -> dict[str, int]:
    """Count what a person would want to see before a night is closed; only what there is."""
    blocks = AssociationBlock.objects.filter(instrument=instrument, night=night)
    frames = RawFile.objects.of_night(instrument, night).filter(hidden_at=None)
    counts = {
        "at work or waiting": blocks.exclude(next_step=NextStep.REST).count(),
        "to review": blocks.for_people().count(),
        "failed": blocks.for_people().filter(process_status=ProcessStatus.FAILED).count(),
        "incomplete": blocks.for_people().filter(completeness=Completeness.INCOMPLETE).count(),
        "frames no rule classifies": frames.filter(raw_type="", pro_catg="").count(),
        "damaged frames": frames.exclude(problem="").count(),
        "frames gone from disk": frames.exclude(gone_at=None).count(),
    }
    return {what: n for what, n in counts.items() if n}


def close_night(
    instrument: Instrument,
    night: dt.date,
    by: User,
    comment: str,
    seen: dict[str, int],
    at: dt.datetime,
) -> NightEvent:
    """Close a night; `seen` is what the person was told is left.

    Raises
    ------
    NightError
        It is closed already, or more is left now than the person has seen.
    """
    with transaction.atomic():
        _lock(instrument)
        if state_of(instrument, night).is_closed:
            raise NightError(f"Night {night} is closed already.")
        left = what_is_left(instrument, night)
        if left != seen:
            raise NightError(
                "Not closed: what is left has changed meanwhile. Look at it, then close again."
            )
        return _add(instrument, night, NightEventKind.CLOSED, by, comment, at, left)


def reopen_night(
    instrument: Instrument,
    night: dt.date,
    by: User | None,
    comment: str,
    at: dt.datetime,
) -> NightEvent:
    """Open a closed night again.

    Raises
    ------
    NightError
        It is open.
    """
    with transaction.atomic():
        _lock(instrument)
        if not state_of(instrument, night).is_closed:
            raise NightError(f"Night {night} is open.")
        return _add(instrument, night, NightEventKind.REOPENED, by, comment, at, {})


def reopen_for_arrivals(instrument: Instrument, night: dt.date, at: dt.datetime) -> None:
    """Open a closed night when frames have come that nobody has organised yet."""
    n = RawFile.objects.of_night(instrument, night).filter(organised_at=None).count()
    if n:
        word = "frame has" if n == 1 else "frames have"
        reopen_changed(instrument, night, f"{n} {word} arrived", at)


def reopen_changed(instrument: Instrument, night: dt.date, what: str, at: dt.datetime) -> None:
    """Open a night if it is closed, because something of it has changed; the entry says what."""
    if state_of(instrument, night).is_closed:
        _add(instrument, night, NightEventKind.REOPENED, None, what, at, {})


def note_frame(
    frame: RawFile, kind: NightEventKind, by: User, reason: str, at: dt.datetime
) -> None:
    """Keep in a night's history that a frame was hidden, or shown again."""
    event = _add(frame.instrument, frame.night, kind, by, reason, at, {})
    NightEvent.objects.filter(pk=event.pk).update(raw_file=frame)


def note_calibrated(
    instrument: Instrument, night: dt.date, by: User | None, at: dt.datetime
) -> None:
    """Say that a night's daytime calibrations are finished: from now on a missing one is missed."""
    if not is_calibrated(instrument, night, at):
        _add(instrument, night, NightEventKind.CALIBRATED, by, "", at, {})


def is_calibrated(instrument: Instrument, night: dt.date, at: dt.datetime) -> bool:
    """Whether a night's daytime calibrations are finished: somebody said so, or its day is over."""
    if at >= night_end(night, instrument.night_rollover_hour):
        return True
    return (
        NightEvent.objects.of_night(instrument, night)
        .filter(kind=NightEventKind.CALIBRATED)
        .exists()
    )


def _lock(instrument: Instrument) -> None:
    # Two people who close at once: the second one reads what the first has written.
    Instrument.objects.select_for_update(no_key=True).get(pk=instrument.pk)


def _add(
    instrument: Instrument,
    night: dt.date,
    kind: NightEventKind,
    by: User | None,
    comment: str,
    at: dt.datetime,
    left: dict[str, int],
) -> NightEvent:
    return NightEvent.objects.create(
        instrument=instrument,
        night=night,
        kind=kind,
        decided_by=by,
        decided_at=at,
        comment=comment.strip()[:2000],
        left=left,
    )
