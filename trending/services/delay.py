"""How long it takes from file to score: a QC1 row a night and instrument, of the system itself."""

import datetime as dt
from collections.abc import Iterable

import numpy as np
from django.db import transaction
from django.db.models import Max

from pipelines.domain.times import datetime_to_mjd
from pipelines.models import AssociationBlock, Instrument
from trending.models import BlockScore, Origin, QC1Row, QC1Table, Series

from .batch import NewRow
from .health import with_last_values
from .rows import Source, Stored, store_rows
from .score import score_rows

TABLE = "hcm_delay"
PRO_CATG = "FILE_TO_SCORE"
# The goal: a calibration is scored within so many minutes of its last frame.
GOAL_MIN = 60.0
# Scores are written some time after the moment they are dated with.
OVERLAP = dt.timedelta(hours=1)


def measure_delays(at: dt.datetime) -> Stored:
    """Measure the nights that have got a score since the last measurement, and score the delays."""
    table = QC1Table.objects.filter(name=TABLE).select_related("instrument").first()
    if table is None:
        return Stored(at)
    rows = [
        row
        for instrument, nights in _changed_nights(table).items()
        for row in _rows(instrument, nights)
    ]
    if not rows:
        return Stored(at)
    with transaction.atomic():
        stored = store_rows(table, rows, Source(Origin.IMPORT, is_simulated=False), at)
        score_rows(stored.changed, stored.at, are_new=True)
    return stored


def _changed_nights(table: QC1Table) -> dict[Instrument, list[dt.date]]:
    last = QC1Row.objects.filter(table=table).aggregate(at=Max("recorded_at"))["at"]
    scores = BlockScore.objects.all()
    if last is not None:
        scores = scores.filter(recorded_at__gte=last - OVERLAP)
    nights: dict[int, list[dt.date]] = {}
    for key, night in scores.values_list("block__instrument", "block__night").distinct():
        nights.setdefault(key, []).append(night)
    return {one: sorted(nights[one.pk]) for one in Instrument.objects.filter(pk__in=nights)}


def _rows(instrument: Instrument, nights: Iterable[dt.date]) -> Iterable[NewRow]:
    for night in nights:
        delays = list(block_delays(instrument, night))
        if delays:
            yield _row(instrument, night, delays)


def block_delays(instrument: Instrument, night: dt.date) -> Iterable[float]:
    """Yield the minutes from a block's last frame to its first score after that, for each block."""
    blocks = AssociationBlock.objects.filter(instrument=instrument, night=night)
    complete_at = dict(
        blocks.annotate(last=Max("block_frames__raw_file__recorded_at")).values_list("pk", "last")
    )
    scores = BlockScore.objects.filter(block__in=blocks).order_by("recorded_at")
    seen: set[int] = set()
    for block, scored_at in scores.values_list("block_id", "recorded_at"):
        last = complete_at.get(block)
        # A score from before its last frame came is one of fewer frames.
        if last is not None and block not in seen and scored_at >= last:
            seen.add(block)
            yield (scored_at - last).total_seconds() / 60


def _row(instrument: Instrument, night: dt.date, delays: list[float]) -> NewRow:
    midnight = dt.datetime.combine(night + dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)
    return NewRow(
        detector="",
        mjd_obs=datetime_to_mjd(midnight),
        pro_catg=PRO_CATG,
        values={
            "instrument": instrument.name,
            "delay_median": _rounded(np.median(delays)),
            "delay_p90": _rounded(np.percentile(delays, 90)),
            "delay_max": _rounded(max(delays)),
            "n_blocks": len(delays),
            "n_late": sum(one > GOAL_MIN for one in delays),
        },
    )


def _rounded(minutes: float | np.floating) -> float:
    return round(float(minutes), 3)


def latest_delays() -> dict[tuple[str, str], float]:
    """Return the newest delays (min) by instrument and parameter, ``delay_median`` and others."""
    series = Series.objects.filter(parameter__table__name=TABLE)
    return {
        (one.series.setup.text, one.series.parameter.name): one.value
        for one in with_last_values(series)
        if one.value is not None
    }
