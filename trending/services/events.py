"""Quality events, and the new references that follow an intervention."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import transaction

from pipelines.models import Instrument
from trending.domain.references import Reference, propose
from trending.domain.setups import fits_setup
from trending.models import (
    EventKind,
    QC1Parameter,
    QC1Table,
    QualityEvent,
    ReferenceValue,
    ScoreRule,
    Series,
    ValueState,
)

from .clock import take_tables
from .corrections import CorrectionError
from .rescore import rescore
from .trend import read_trend

# A reference is proposed from so many good blocks after the event.
FIRST_BLOCKS = 10


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
    """Write down that something happened; if an epoch begins with it, score what came after again.

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
            title=title.strip(), description=description, begins_epoch=begins_epoch, author=author,
            recorded_at=at,
        )  # fmt: skip
    _score_after(event, at)
    return event


def withdraw(event: QualityEvent, *, author: str, reason: str, at: dt.datetime) -> None:
    """Take an event back; it stays in the history, and its epoch is none any more.

    References that were made from it end with it, and those of before go on.
    """
    with transaction.atomic():
        at = take_tables(event.instrument.qc1_tables.all(), at)
        ended = QualityEvent.objects.open().filter(pk=event.pk)
        if not ended.update(superseded_at=at, ended_by=author, end_reason=reason):
            raise CorrectionError("This event has been taken back already.")
        for one in ReferenceValue.objects.open().filter(event=event):
            _take_back(one, at)
    _score_after(event, at)


def _score_after(event: QualityEvent, at: dt.datetime) -> None:
    if not event.begins_epoch:
        return
    for table in tables_of(event):
        rescore(table.rows.filter(is_current=True, mjd_obs__gte=event.mjd), at)


def tables_of(event: QualityEvent) -> list[QC1Table]:
    """Return the tables an event is about."""
    if event.parameter is not None:
        return [event.parameter.table]
    if event.table is not None:
        return [event.table]
    return list(event.instrument.qc1_tables.all())


@dataclass(frozen=True)
class Proposal:
    """A reference that the first good values after an event suggest for one rule's values."""

    series_id: int
    parameter: QC1Parameter
    setup: dict[str, str]
    detector: str
    former: ReferenceValue | None
    reference: Reference
    before: Reference | None
    """The same of as many values before the event: what has changed."""

    @property
    def shift(self) -> float | None:
        """How far the level has moved, in sigma of both; None where there is no scatter."""
        if self.before is None or not self.reference.sigma:
            return None
        scatter = max(self.reference.sigma, self.before.sigma or 0.0)
        return (self.reference.value - self.before.value) / scatter


def proposals(event: QualityEvent, n: int = FIRST_BLOCKS) -> list[Proposal]:
    """Propose references from the first `n` good values after an event: what moved most comes first.

    Good is what was neither hidden, rejected nor left out of statistics. Limits of before the event
    do not choose: after an intervention all of it may lie outside them. With fewer than three values
    there is no proposal.
    """
    ruled = ScoreRule.objects.open().values("parameter")
    parameters = QC1Parameter.objects.filter(table__in=tables_of(event), pk__in=ruled)
    if event.parameter_id is not None:
        parameters = parameters.filter(pk=event.parameter_id)
    found = []
    for series in (
        Series.objects.filter(parameter__in=parameters)
        .select_related("parameter__table", "setup")
        .order_by("parameter__table__name", "parameter__order", "setup__text", "detector")
    ):
        trend = read_trend([series.pk])
        good = np.isfinite(trend.value) & (trend.state == ValueState.CURRENT)
        after = trend.value[good & (trend.mjd >= event.mjd)][:n]
        before = trend.value[good & (trend.mjd < event.mjd)][-n:]
        reference = propose(after, event.mjd) if after.size >= 3 else None
        if reference is not None:
            values = dict(series.setup.values)
            found.append(
                Proposal(
                    series.pk, series.parameter, values, series.detector,
                    reference_of(series.parameter, values, series.detector, event.mjd),
                    reference, propose(before, event.mjd),
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: -abs(one.shift or 0.0))


def _take_back(gone: ReferenceValue, at: dt.datetime) -> None:
    """End a reference, and let the one it followed go on for its time."""
    ReferenceValue.objects.filter(pk=gone.pk).update(superseded_at=at)
    before = ReferenceValue.objects.open().filter(
        parameter=gone.parameter, setup=gone.setup, detector=gone.detector,
        valid_until_mjd=gone.valid_from_mjd,
    ).first()  # fmt: skip
    if before is None:
        return
    ReferenceValue.objects.filter(pk=before.pk).update(superseded_at=at)
    before.pk, before.valid_until_mjd, before.recorded_at = None, gone.valid_until_mjd, at
    before.save(force_insert=True)


def reference_of(
    parameter: QC1Parameter, setup: dict[str, str], detector: str, mjd: float
) -> ReferenceValue | None:
    """Return the reference in force for a setup and detector at an instant."""
    standing = ReferenceValue.objects.open().filter(
        parameter=parameter, valid_from_mjd__lte=mjd, detector__in={"", detector}
    )
    fitting = [
        one
        for one in standing
        if fits_setup(one.setup, setup)
        and (one.valid_until_mjd is None or mjd < one.valid_until_mjd)
    ]
    fitting.sort(key=lambda one: (bool(one.detector), len(one.setup), one.valid_from_mjd))
    return fitting[-1] if fitting else None


def adopt(
    chosen: Sequence[Proposal], event: QualityEvent, *, author: str, reason: str, at: dt.datetime
) -> list[ReferenceValue]:
    """Make proposals the references from the event on; the former ones stay for their epochs."""
    if not reason.strip():
        raise CorrectionError("A reason is needed: who reads this in years will ask.")
    tables = {one.parameter.table_id for one in chosen}
    with transaction.atomic():
        at = take_tables(tables, at)
        made = [_adopt(one, event, author, reason, at) for one in chosen]
    for table in QC1Table.objects.filter(pk__in=tables):
        if ScoreRule.objects.open().filter(parameter__table=table, average="REFERENCE").exists():
            rescore(table.rows.filter(is_current=True, mjd_obs__gte=event.mjd), at)
    return made


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
