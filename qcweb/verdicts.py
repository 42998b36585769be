"""What a run changed: values that were OK and are NOK now, or the other way round, run against run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.models import AssociationBlock, Attempt, Outcome
from qcweb import looks
from qcweb.certification.models import Certification
from qcweb.looks import Look
from trending.models import QC1Value, Score

_UNDECIDED = Look("open", "open", "nothing decided")
_NOT_MEASURED = Look("nodata", "nodata", "not measured")


@dataclass(frozen=True)
class Key:
    """What a value is of: recipes measure the same in several products, and in several set-ups."""

    table: str
    category: str
    setup: int
    detector: str
    parameter: str


@dataclass(frozen=True)
class Judged:
    """A value and the result of its last score; None: it was not scored."""

    value: QC1Value
    result: int | None


@dataclass(frozen=True)
class Change:
    """A value that two runs of a block were judged differently by."""

    key: Key
    unit: str
    former: Judged | None
    current: Judged | None

    @property
    def former_look(self) -> Look:
        return _look(self.former)

    @property
    def current_look(self) -> Look:
        return _look(self.current)


@dataclass(frozen=True)
class Changes:
    """The current run against the one before, what was decided on each, and what differs."""

    former: Attempt
    current: Attempt
    former_decision: Look
    current_decision: Look
    lines: list[Change]


def judged_in(runs: Iterable[Attempt]) -> dict[int, dict[Key, Judged]]:
    """Return the values of runs with their last scores, current or not; two queries for all."""
    keys = [run.pk for run in runs]
    results = {
        (series, row): result
        for series, row, result in Score.objects.filter(row__attempt__in=keys)
        .order_by("pk").values_list("series_id", "row_id", "result")
    }  # fmt: skip
    values = (
        QC1Value.objects.filter(row__attempt__in=keys)
        .select_related("series__parameter__table", "row")
        .order_by("row_id")
    )
    found: dict[int, dict[Key, Judged]] = {key: {} for key in keys}
    for one in values:
        if one.row.attempt_id is not None:
            judged = Judged(one, results.get((one.series_id, one.row_id)))
            found[one.row.attempt_id][key_of(one)] = judged
    return found


def key_of(one: QC1Value) -> Key:
    return Key(
        one.series.parameter.table.name,
        one.row.pro_catg,
        one.row.setup_id,
        one.row.detector,
        one.series.parameter.name,
    )


def changes_of(block: AssociationBlock, attempts: Sequence[Attempt]) -> Changes | None:
    """Return what differs from the run before the current one; None without two of them."""
    pair = _pair(block, attempts)
    if pair is None:
        return None
    former, current = pair
    judged = judged_in(pair)
    decisions = _decisions(pair)
    return Changes(
        former,
        current,
        decisions.get(former.pk, _UNDECIDED),
        decisions.get(current.pk, _UNDECIDED),
        _differing(judged[former.pk], judged[current.pk]),
    )


def _pair(block: AssociationBlock, attempts: Sequence[Attempt]) -> tuple[Attempt, Attempt] | None:
    """Return the run before the current one and the current one.

    Where an earlier run was made the current one and none is before it, the newest takes the place.
    """
    made = [one for one in attempts if one.outcome in {Outcome.SUCCESSFUL, Outcome.DEGRADED}]
    made.sort(key=lambda one: one.number, reverse=True)
    current = next((one for one in made if one.pk == block.current_attempt_id), None)
    others = [one for one in made if one is not current]
    if current is None or not others:
        return None
    before = next((one for one in others if one.number < current.number), others[0])
    return before, current


def _decisions(runs: Sequence[Attempt]) -> dict[int, Look]:
    """Return the last decision on each run: what stood on it while it was the current one."""
    entries = Certification.objects.filter(attempt__in=[run.pk for run in runs]).order_by("number")
    found = entries.values_list("attempt_id", "decision")
    return {key: looks.DECISIONS[decision] for key, decision in found if key is not None}


def _differing(former: Mapping[Key, Judged], current: Mapping[Key, Judged]) -> list[Change]:
    changes = []
    for key in dict.fromkeys([*current, *former]):
        before, now = former.get(key), current.get(key)
        some = now or before
        if some is not None and _result(before) != _result(now):
            changes.append(Change(key, some.value.series.parameter.unit, before, now))
    return changes


def _result(judged: Judged | None) -> int | None:
    return judged.result if judged else None


def _look(judged: Judged | None) -> Look:
    return looks.result(judged.result) if judged else _NOT_MEASURED
