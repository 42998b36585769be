"""Quality events, and the new references that follow an intervention."""

import datetime as dt
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import QuerySet

from pipelines.models import Instrument
from trending.domain.scoring import Average
from trending.models import (
    EventKind,
    QC1Parameter,
    QC1Table,
    QualityEvent,
    ReferenceValue,
    ScoreRule,
)

from .clock import take_tables
from .corrections import CorrectionError, _needs_reason
from .proposals import Proposal, tables_of
from .rescoring import ask_rescoring


def declare(
    instrument: Instrument,
    kind: EventKind,
    mjd: float,
    title: str,
    *,
    author: str,
    at: dt.datetime,
    description: str = "",
    table: QC1Table | None = None,
    parameter: QC1Parameter | None = None,
    begins_epoch: bool = True,
) -> QualityEvent:
    """Write down that something happened; if an epoch begins with it, what came after is scored again.

    That is done by a worker (`rescoring.rescore_due`); that it is to be done stands with the event.

    Raises
    ------
    CorrectionError
        It has no title, or lies in no time.
    """
    if not title.strip():
        raise CorrectionError("A title is needed: it stands beside the line in every plot.")
    if not 0 < mjd < 200000:
        raise CorrectionError(f"{mjd} is no Modified Julian Date.")
    with transaction.atomic():
        at = take_tables(instrument.qc1_tables.all(), at)
        event = QualityEvent.objects.create(
            instrument=instrument, table=table, parameter=parameter, kind=kind, mjd=mjd,
            title=title.strip(), description=description, begins_epoch=begins_epoch and kind != EventKind.NOTE, author=author,
            recorded_at=at,
        )  # fmt: skip
        _score_after(event, at)
    return event


def withdraw(event: QualityEvent, *, author: str, reason: str, at: dt.datetime) -> None:
    """Take an event back, with the references adopted at it; all of it stays in the history.

    Its epoch is none any more, and the former references go on.
    """
    _needs_reason(reason)
    with transaction.atomic():
        at = take_tables(event.instrument.qc1_tables.all(), at)
        ended = QualityEvent.objects.open().filter(pk=event.pk)
        if not ended.update(superseded_at=at, ended_by=author, end_reason=reason):
            raise CorrectionError("This event has been taken back already.")
        _end_references(ReferenceValue.objects.open().filter(event=event), author, reason, at)
        _score_after(event, at)


def _score_after(event: QualityEvent, at: dt.datetime) -> None:
    if event.begins_epoch:
        ask_rescoring(tables_of(event), event.mjd, at)


def adopt(
    chosen: Sequence[Proposal], event: QualityEvent, *, author: str, reason: str, at: dt.datetime
) -> list[ReferenceValue]:
    """Make proposals the references from the event on; the former ones stay for their epochs."""
    _needs_reason(reason)
    tables = {one.parameter.table_id for one in chosen}
    with transaction.atomic():
        at = take_tables(tables, at)
        if not QualityEvent.objects.open().filter(pk=event.pk).exists():
            raise CorrectionError("This event has been taken back: nothing is adopted at it.")
        made = [_adopt(one, event, author, reason, at) for one in chosen]
        _score_by_references(made, at)
    return made


def take_back_references(
    references: Iterable[ReferenceValue], *, author: str, reason: str, at: dt.datetime
) -> None:
    """Take references back; the former ones go on until the next."""
    _needs_reason(reason)
    wanted = [one.pk for one in references]
    tables = QC1Table.objects.filter(parameters__references__in=wanted).distinct()
    with transaction.atomic():
        at = take_tables(tables, at)
        if not _end_references(
            ReferenceValue.objects.open().filter(pk__in=wanted), author, reason, at
        ):
            raise CorrectionError("This has been taken back already, or another took its place.")


def _end_references(
    references: QuerySet[ReferenceValue], author: str, reason: str, at: dt.datetime
) -> int:
    ended = list(references.select_related("parameter").order_by("valid_from_mjd", "pk"))
    ReferenceValue.objects.filter(pk__in=[one.pk for one in ended]).update(
        superseded_at=at, ended_by=author, end_reason=reason
    )
    # The earliest first: what goes on over one goes on over the next as well.
    for one in ended:
        _let_go_on(one, at)
    _score_by_references(ended, at)
    return len(ended)


def _let_go_on(gone: ReferenceValue, at: dt.datetime) -> None:
    """Let the reference whose place another took hold again, until the other would have ended."""
    same = ReferenceValue.objects.filter(
        parameter=gone.parameter_id, setup=gone.setup, detector=gone.detector
    )
    # Of the same instant: one that gave way to it. Else the one that ended where it began.
    former = (
        same.filter(
            superseded_at=gone.recorded_at, ended_by="", valid_from_mjd=gone.valid_from_mjd
        ).exclude(event=gone.event_id).exclude(event__superseded_at__isnull=False).first()
        or same.filter(superseded_at=None, valid_until_mjd=gone.valid_from_mjd).first()
    )  # fmt: skip
    if former is None:
        return
    same.filter(pk=former.pk, superseded_at=None).update(superseded_at=at)
    former.pk, former.superseded_at, former.recorded_at = None, None, at
    former.valid_until_mjd = gone.valid_until_mjd
    former.save(force_insert=True)


def _score_by_references(changed: Sequence[ReferenceValue], at: dt.datetime) -> None:
    """Ask for what is judged by references that came or went."""
    first: dict[int, float] = {}
    for one in changed:
        key = one.parameter.table_id
        first[key] = min(one.valid_from_mjd, first.get(key, one.valid_from_mjd))
    ruled = ScoreRule.objects.open().filter(parameter__table__in=first, average=Average.REFERENCE)
    for table in QC1Table.objects.filter(pk__in=ruled.values("parameter__table")):
        ask_rescoring([table], first[table.pk], at)


def _adopt(
    one: Proposal, event: QualityEvent, author: str, reason: str, at: dt.datetime
) -> ReferenceValue:
    until = None
    same = ReferenceValue.objects.open().filter(
        parameter=one.parameter, setup=one.setup, detector=one.detector
    )
    for former in same:
        if former.valid_from_mjd > event.mjd:
            until = min(until or former.valid_from_mjd, former.valid_from_mjd)
            continue
        if former.valid_until_mjd is not None and former.valid_until_mjd <= event.mjd:
            continue
        ReferenceValue.objects.filter(pk=former.pk).update(superseded_at=at)
        if former.valid_from_mjd < event.mjd:
            # It was the reference until the event, and stays that.
            former.pk, former.valid_until_mjd, former.recorded_at = None, event.mjd, at
            former.save(force_insert=True)
    return ReferenceValue.objects.create(
        parameter=one.parameter, setup=one.setup, detector=one.detector, event=event,
        value=one.reference.value, sigma=one.reference.sigma, n=one.reference.n,
        valid_from_mjd=event.mjd, valid_until_mjd=until, author=author, reason=reason,
        recorded_at=at,
    )  # fmt: skip
