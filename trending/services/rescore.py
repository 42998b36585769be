"""Scores the past again: by the facts of its own time, to prove it; or by those of today."""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet

from trending.models import QC1Row, QC1Table, Score, Series, known_at

from .clock import take_tables
from .corrections import score_again
from .facts import Facts
from .judging import judge
from .score import EVIDENCE, as_score

# Rows that are scored again in one transaction.
LOT = 200
ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """A score that does not come out as it is stored: what, as stored and as it comes out."""

    score: Score
    name: str
    stored: object
    found: object

    @property
    def is_rounding(self) -> bool:
        """Whether both are numbers that agree to 1e-12."""
        return (
            isinstance(self.stored, float)
            and isinstance(self.found, float)
            and math.isclose(self.stored, self.found, rel_tol=ROUNDING, abs_tol=0.0)
        )

    def __str__(self) -> str:
        one = self.score
        return (
            f"{one.series.parameter} {one.series.setup} {one.series.detector} "
            f"MJD {one.row.mjd_obs}: {self.name} was {self.stored!r}, comes out as {self.found!r}"
        )


@dataclass
class Reproduction:
    """How many scores were computed anew from the facts of their time, and what differs."""

    n_scores: int = 0
    n_close: int = 0
    """Scores whose numbers agree to 1e-12, and not to the last bit: another numpy may do that."""
    differences: list[Difference] = field(default_factory=list)

    @property
    def n_different(self) -> int:
        return len({one.score.pk for one in self.differences})

    @property
    def n_identical(self) -> int:
        return self.n_scores - self.n_close - self.n_different


def scores_at(at: dt.datetime, rows: QuerySet[QC1Row]) -> QuerySet[Score]:
    """Return the scores of rows that stood at a time."""
    return Score.objects.filter(known_at(at), row__in=rows)


def reproduce(at: dt.datetime, rows: QuerySet[QC1Row]) -> Reproduction:
    """Compute the scores that stood at a time from what was known when each was made.

    Nothing is written. Numbers are compared to the last bit.
    """
    done = Reproduction()
    standing = (
        scores_at(at, rows)
        .select_related("series__parameter", "series__setup", "row")
        .order_by("recorded_at", "series_id", "row_id")
    )
    lot: list[Score] = []
    for score in standing.iterator():
        if lot and score.recorded_at != lot[0].recorded_at:
            _compare(lot, done)
            lot = []
        lot.append(score)
    if lot:
        _compare(lot, done)
    return done


def _compare(scores: Sequence[Score], done: Reproduction) -> None:
    """Compare scores of one time with what the facts of that time give."""
    at = scores[0].recorded_at
    series: dict[int, Series] = {}
    wanted: dict[int, set[int]] = {}
    spans: dict[int, tuple[float, float]] = {}
    for one in scores:
        series[one.series_id] = one.series
        wanted.setdefault(one.series_id, set()).add(one.row_id)
        first, last = spans.get(one.series_id, (one.row.mjd_obs, one.row.mjd_obs))
        spans[one.series_id] = min(first, one.row.mjd_obs), max(last, one.row.mjd_obs)
    facts = Facts(list(series.values()), at)
    acts = facts.acts({one.row_id for one in scores})
    found = {
        (verdict.series.pk, verdict.row_id): as_score(
            verdict, acts.of(verdict.series.pk, verdict.row_id), at
        )
        for judged in judge(facts, wanted, spans)
        for verdict in judged.verdicts()
    }
    for one in scores:
        done.n_scores += 1
        all_of_them = list(_differences(one, found.get((one.series_id, one.row_id))))
        real = [each for each in all_of_them if not each.is_rounding]
        done.differences += real
        done.n_close += bool(all_of_them) and not real


def _differences(stored: Score, found: Score | None) -> Iterator[Difference]:
    if found is None:
        yield Difference(stored, "score", "there", "not there")
        return
    for name in EVIDENCE:
        if getattr(stored, name) != getattr(found, name):
            yield Difference(stored, name, getattr(stored, name), getattr(found, name))


def rescore(rows: QuerySet[QC1Row], at: dt.datetime) -> int:
    """Score rows by the facts of today; return how many scores have changed.

    Former scores stay as history. Lots of rows are written one after the other, so that others can
    write between them.
    """
    n_changed = 0
    tables = QC1Table.objects.filter(rows__in=rows).distinct()
    for table in tables:
        ids = list(rows.filter(table=table).order_by("mjd_obs", "pk").values_list("pk", flat=True))
        for n in range(0, len(ids), LOT):
            with transaction.atomic():
                n_changed += score_again(ids[n : n + LOT], take_tables([table], at))
    return n_changed
