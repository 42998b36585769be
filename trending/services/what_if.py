"""What a rule would have done: the history judged by it in memory, beside the rule in force."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trending.domain.judgements import Judgements
from trending.domain.setups import fits_setup
from trending.domain.whatif import WhatIf, compare
from trending.models import ScoreRule, Series

from .facts import Facts, Floats, Ints, Values, Version, specificity, version_of
from .judging import Judged, judge_series


@dataclass(frozen=True)
class Trial:
    """The history of one series under two rules; items of all arrays belong together."""

    series: Series
    row: Ints
    mjd: Floats
    value: Floats
    now: Judgements
    then: Judgements

    @property
    def compared(self) -> WhatIf:
        """What turns, and how many false alarms either rule has."""
        return compare(self.now, self.then, self.mjd)


def try_rule(rule: ScoreRule, instead_of: ScoreRule | None = None) -> list[Trial]:
    """Judge all values that a rule is for, by it and by what is in force.

    Parameters
    ----------
    rule
        A rule that need not be saved.
    instead_of
        The stored version whose place it would take.
    """
    series = [
        one
        for one in Series.objects.filter(parameter=rule.parameter_id).select_related(
            "setup", "parameter"
        )
        if rule.detector in {"", one.detector} and fits_setup(rule.setup, one.setup.values)
    ]
    if not series:
        return []
    trial = version_of(rule)
    facts = Facts(series, tried=trial)
    endless = {one.pk: -np.inf for one in series}
    values = facts.values(series, endless, dict.fromkeys(endless, np.inf))
    return [
        _trial(facts, one, trial, instead_of, values[one.pk])
        for one in series
        if len(values[one.pk])
    ]


def _trial(
    facts: Facts, series: Series, trial: Version, instead_of: ScoreRule | None, values: Values
) -> Trial:
    versions = facts.rules_for(series)
    now = _in_order(judge_series(facts, series, versions, values, None), values.row)
    new = _with(versions, trial, instead_of)
    then = _in_order(judge_series(facts, series, new, values, None), values.row)
    return Trial(series, values.row, values.mjd, values.value, now, then)


def _with(
    versions: Sequence[Version], trial: Version, instead_of: ScoreRule | None
) -> list[Version]:
    """Return the versions as they would be with the new one, the most specific first."""
    gone = instead_of.pk if instead_of is not None else None
    before_it = trial.stored.valid_from_mjd
    kept = [
        one for one in versions
        if one.stored.pk != gone or one.stored.valid_from_mjd < before_it
    ]  # fmt: skip
    return sorted([trial, *kept], key=specificity, reverse=True)


def _in_order(parts: Sequence[Judged], rows: Ints) -> Judgements:
    places = {int(row): place for place, row in enumerate(rows)}
    order = np.argsort([places[int(row)] for part in parts for row in part.row])
    return Judgements.joined([part.judgements for part in parts]).take(order)
