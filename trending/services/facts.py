"""What scoring reads: rules, references, events, decisions of people, and the values themselves.

Everything is asked as it stands, or as it stood at a time: each fact says when it was written and
when another took its place.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trending.domain.baseline import Baseline, BaselineKind
from trending.domain.limits import parse_limits
from trending.domain.references import Reference
from trending.domain.scoring import Average, Rule, window_days
from trending.domain.setups import fits_setup
from trending.models import (
    STANDING,
    Mark,
    MarkKind,
    QC1Row,
    QC1Value,
    QualityEvent,
    ReferenceValue,
    ScoreAct,
    ScoreRule,
    Series,
    ValueState,
    known_at,
)

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
# Series whose values are read together.
_SERIES = 50
# Keys in one question: a database takes only so many.
_KEYS = 500


def in_chunks(keys: Iterable[int]) -> Iterator[list[int]]:
    """Yield keys in lots that every database takes in one question."""
    wanted = list(keys)
    for n in range(0, len(wanted), _KEYS):
        yield wanted[n : n + _KEYS]


@dataclass(frozen=True)
class Version:
    """A rule version with its domain form, made once."""

    stored: ScoreRule
    rule: Rule

    @property
    def uses_reference(self) -> bool:
        """Whether limits are laid around a reference value."""
        return self.stored.average == Average.REFERENCE and self.rule.method.is_statistical

    @property
    def reach(self) -> float:
        """How many days back it looks; infinite for all of the series, 0 for nothing."""
        methods = (self.rule.method, self.rule.warning, self.rule.fallback)
        if self.uses_reference or not any(
            one is not None and one.is_statistical for one in methods
        ):
            return 0.0
        # A baseline knows epochs and levels, which begin long before its window.
        return np.inf if self.rule.baseline is not None else window_days(self.rule)


def version_of(stored: ScoreRule) -> Version:
    """Return the domain form of a stored rule, which need not have been saved."""
    baseline = None
    if stored.baseline:
        baseline = Baseline(
            kind=BaselineKind(stored.baseline),
            min_effect=stored.min_effect,
            gap_days=stored.gap_days,
            points=stored.baseline_points,
            drop_repeats=stored.drop_repeats,
        )
    return Version(
        stored,
        Rule(
            method=parse_limits(stored.limits),
            average=Average(stored.average),
            window_days=stored.window_days,
            window_points=stored.window_points,
            min_n=stored.min_n,
            fallback=parse_limits(stored.fallback) if stored.fallback else None,
            clip=stored.clip_sigma,
            warning=parse_limits(stored.warning) if stored.warning else None,
            baseline=baseline,
            run_rules=tuple(stored.run_rules),
        ),
    )


def specificity(version: Version) -> tuple[bool, int, str, float]:
    """Return what sorts versions: of two that are for a value, the greater one judges it."""
    # The key decides between equals: the database's order is another one every time.
    stored = version.stored
    return bool(stored.detector), len(stored.setup), stored.key, stored.valid_from_mjd


@dataclass(frozen=True)
class Values:
    """The standing values of one series in order of time."""

    row: Ints
    mjd: Floats
    value: Floats
    excluded: Flags

    def __len__(self) -> int:
        return int(self.row.size)


@dataclass
class Facts:
    """The facts about some series; `at` is the time of which they are, None is now.

    `tried` is a version that is not stored: what it rests on is read too.
    """

    series: Sequence[Series]
    at: dt.datetime | None = None
    tried: Version | None = None
    versions: dict[int, list[Version]] = field(default_factory=dict)
    _references: list[ReferenceValue] = field(default_factory=list)
    _events: list[QualityEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        parameters = {one.parameter_id for one in self.series}
        tables = {one.setup.table_id for one in self.series}
        rules = self._known(ScoreRule.objects.filter(parameter__in=parameters))
        for stored in rules:
            self.versions.setdefault(stored.parameter_id, []).append(version_of(stored))
        every = [one for found in self.versions.values() for one in found]
        every += [self.tried] if self.tried else []
        if any(one.uses_reference for one in every):
            self._references = list(
                self._known(ReferenceValue.objects.filter(parameter__in=parameters))
            )
        self._events = list(
            self._known(
                QualityEvent.objects.filter(
                    begins_epoch=True, instrument__qc1_tables__in=tables
                ).distinct()
            )
            if any(one.reach for one in every)
            else ()
        )

    def _known(self, facts: Any) -> Any:
        return facts.open() if self.at is None else facts.known_at(self.at)

    def rules_for(self, series: Series) -> list[Version]:
        """Return the rules that are for a series, the most specific first."""
        fitting = [
            one
            for one in self.versions.get(series.parameter_id, [])
            if one.stored.detector in {"", series.detector}
            and fits_setup(one.stored.setup, series.setup.values)
        ]
        return sorted(fitting, key=specificity, reverse=True)

    def references_for(self, series: Series) -> list[Reference]:
        """Return the references of a series, the most specific and newest first."""
        fitting = [
            one
            for one in self._references
            if one.parameter_id == series.parameter_id
            and one.detector in {"", series.detector}
            and fits_setup(one.setup, series.setup.values)
        ]
        fitting.sort(key=lambda one: (bool(one.detector), len(one.setup), one.valid_from_mjd))
        return [
            Reference(one.value, one.sigma, one.n, one.valid_from_mjd, one.valid_until_mjd)
            for one in reversed(fitting)
        ]

    def cuts_for(self, series: Series) -> list[float]:
        """Return when new epochs of a series began."""
        return sorted(
            one.mjd
            for one in self._events
            if one.table_id in {None, series.setup.table_id}
            and one.parameter_id in {None, series.parameter_id}
        )

    def values(
        self, series: Sequence[Series], begin: Mapping[int, float], end: Mapping[int, float]
    ) -> dict[int, Values]:
        """Return the values of series, by key, each at least within its own two MJDs."""
        found: dict[int, list[tuple[int, float, float | None, bool]]] = {}
        ordered = sorted(series, key=lambda one: (begin[one.pk], end[one.pk]))
        for n in range(0, len(ordered), _SERIES):
            some = [one.pk for one in ordered[n : n + _SERIES]]
            self._read(some, min(begin[pk] for pk in some), max(end[pk] for pk in some), found)
        return {one.pk: _columns(found.get(one.pk, [])) for one in series}

    def _read(
        self,
        series: Sequence[int],
        begin: float,
        end: float,
        found: dict[int, list[tuple[int, float, float | None, bool]]],
    ) -> None:
        values = QC1Value.objects.filter(series__in=series, mjd_obs__lte=end)
        if np.isfinite(begin):
            values = values.filter(mjd_obs__gte=begin)
        if self.at is None:
            values = values.filter(state__in=STANDING)
            gone, excluded = _Marked(), None
        else:
            values = values.filter(known_at(self.at, "row__"))
            gone, excluded = self._marked(series)
        columns = ("series_id", "row_id", "mjd_obs", "value", "state")
        for one, row, mjd, value, state in values.order_by(
            "series_id", "mjd_obs", "row_id"
        ).values_list(*columns):
            if (one, row) not in gone:
                is_out = (
                    state == ValueState.EXCLUDED if excluded is None else (one, row) in excluded
                )
                found.setdefault(one, []).append((row, mjd, value, is_out))

    def _marked(self, series: Sequence[int]) -> tuple["_Marked", "_Marked"]:
        """Return what was taken out of everything at the time, and what out of statistics only."""
        gone, excluded = _Marked(), _Marked()
        tables = {one.setup.table_id for one in self.series if one.pk in set(series)}
        for one in self._known(Mark.objects.filter(row__table__in=tables)):
            (excluded if one.kind == MarkKind.EXCLUDED else gone).add(one)
        return gone, excluded

    def acts(self, row_ids: Iterable[int]) -> "Acts":
        """Return the corrections of people that stand above the rules for some rows."""
        acts = Acts()
        attempts: dict[int, list[int]] = {}
        standing = self._known(ScoreAct.objects.all())
        for rows in in_chunks(row_ids):
            of_runs = QC1Row.objects.filter(pk__in=rows, attempt__isnull=False)
            for row, attempt in of_runs.values_list("pk", "attempt_id"):
                attempts.setdefault(attempt, []).append(row)
            for one in standing.filter(row__in=rows):
                acts.of_value[one.series_id, one.row_id] = one
        for some in in_chunks(attempts):
            for one in standing.filter(attempt__in=some):
                for row in attempts[one.attempt_id]:
                    acts.of_row[row] = one
        return acts


@dataclass
class _Marked:
    rows: set[int] = field(default_factory=set)
    values: set[tuple[int, int]] = field(default_factory=set)

    def add(self, mark: Mark) -> None:
        if mark.series_id is None:
            self.rows.add(mark.row_id)
        else:
            self.values.add((mark.series_id, mark.row_id))

    def __contains__(self, value: tuple[int, int]) -> bool:
        return value[1] in self.rows or value in self.values


@dataclass
class Acts:
    """Corrections, by value and by row; of a value's own one and its row's, its own counts."""

    of_value: dict[tuple[int, int], ScoreAct] = field(default_factory=dict)
    of_row: dict[int, ScoreAct] = field(default_factory=dict)

    def of(self, series_id: int, row_id: int) -> ScoreAct | None:
        return self.of_value.get((series_id, row_id)) or self.of_row.get(row_id)


def _columns(rows: Sequence[tuple[int, float, float | None, bool]]) -> Values:
    return Values(
        row=np.array([one[0] for one in rows], dtype=np.int64),
        mjd=np.array([one[1] for one in rows], dtype=float),
        value=np.array([np.nan if one[2] is None else one[2] for one in rows], dtype=float),
        excluded=np.array([one[3] for one in rows], dtype=bool),
    )
