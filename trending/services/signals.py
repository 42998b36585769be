"""What the course of a series says that no single value does: runs, sums, and the last change."""

from dataclasses import dataclass

import numpy as np

from trending.domain.change import REACH, Change, changes
from trending.domain.memory import independent
from trending.domain.run_rules import Signal, signals
from trending.models import QC1Row, Series

from .facts import Facts, Values
from .judging import judge_series

# The course of so many of the newest values is looked at.
NEWEST = 400


@dataclass(frozen=True)
class RunSignal:
    """A signal of a run rule, with the rows it begins and ends at."""

    signal: Signal
    first_row: int
    last_row: int
    first_mjd: float
    last_mjd: float


@dataclass(frozen=True)
class Since:
    """Since when a series is as it is: the last change, and the first row after it."""

    change: Change
    row: QC1Row


def run_signals(series: Series) -> list[RunSignal]:
    """Return what the run rules of a series find in its newest values, the newest first.

    They look at residuals: how far each value lies from what its rule expects, in its sigma, without
    what it merely remembers of the values before it.
    """
    facts = Facts([series])
    versions = facts.rules_for(series)
    names = tuple(dict.fromkeys(name for one in versions for name in one.rule.run_rules))
    if not names:
        return []
    values = _all(facts, series)
    found: list[RunSignal] = []
    for judged in judge_series(facts, series, versions, values, None):
        if judged.version is None or not judged.version.rule.run_rules:
            continue
        first = max(0, len(judged.judgements) - NEWEST)
        residuals = independent(judged.judgements.residuals(judged.value)[first:])
        for signal in signals(residuals, judged.version.rule.run_rules):
            start, end = first + signal.first, first + signal.last
            found.append(
                RunSignal(
                    signal, int(judged.row[start]), int(judged.row[end]),
                    float(judged.mjd[start]), float(judged.mjd[end]),
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: one.last_mjd, reverse=True)


def since_when(series: Series, mjd: float = np.inf) -> Since | None:
    """Return the last lasting change of a series up to an instant; None if it was steady.

    What came up to `REACH` values later is looked at too: before that nobody can tell what lasts.
    """
    values = _all(Facts([series]), series)
    known = np.isfinite(values.value) & ~values.excluded
    n = int(np.count_nonzero(known))
    last = min(n, int(np.searchsorted(values.mjd[known], mjd, side="right")) + REACH)
    part = slice(max(0, last - NEWEST), last)
    found = changes(values.mjd[known][part], values.value[known][part])
    change = next((one for one in reversed(found) if one.mjd <= mjd), None)
    if change is None:
        return None
    place = int(values.row[known][part][change.index])
    return Since(change, QC1Row.objects.select_related("attempt__block").get(pk=place))


def _all(facts: Facts, series: Series) -> Values:
    return facts.values([series], {series.pk: -np.inf}, {series.pk: np.inf})[series.pk]
