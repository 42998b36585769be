"""Judges values of series by facts, in memory: for scoring, for the past, and for "what if"."""

from collections.abc import Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np

from trending.domain.batch import score_series
from trending.domain.judgements import Judgements
from trending.domain.references import Reference, around
from trending.domain.scoring import GreyReason, Judgement, Rule
from trending.models import Series

from .facts import Facts, Ints, Values, Version


@dataclass(frozen=True)
class Verdict:
    """How one value was judged, and by which rule version; None is that there is none."""

    series: Series
    row_id: int
    mjd_obs: float
    value: float | None
    version: Version | None
    judgement: Judgement


@dataclass(frozen=True)
class Judged:
    """Values of one series that one rule version judges."""

    series: Series
    version: Version | None
    row: Ints
    mjd: np.ndarray[tuple[int], np.dtype[np.float64]]
    value: np.ndarray[tuple[int], np.dtype[np.float64]]
    judgements: Judgements

    def verdicts(self) -> Iterator[Verdict]:
        for place in range(len(self.judgements)):
            value = float(self.value[place])
            yield Verdict(
                self.series,
                int(self.row[place]),
                float(self.mjd[place]),
                None if np.isnan(value) else value,
                self.version,
                self.judgements[place],
            )


def judge(
    facts: Facts, wanted: Mapping[int, AbstractSet[int] | None], spans: "Spans"
) -> list[Judged]:
    """Judge values of series.

    Parameters
    ----------
    wanted
        By key of the series, the rows whose values are to be judged; None is all of them.
    spans
        First and last MJD of the values to judge, by key of the series.
    """
    series = [one for one in facts.series if one.pk in wanted]
    rules = {one.pk: facts.rules_for(one) for one in series}
    begin = {
        one.pk: spans[one.pk][0] - max((v.reach for v in rules[one.pk]), default=0.0)
        for one in series
    }
    values = facts.values(series, begin, {one.pk: spans[one.pk][1] for one in series})
    found: list[Judged] = []
    for one in series:
        found += judge_series(facts, one, rules[one.pk], values[one.pk], wanted[one.pk])
    return found


Spans = Mapping[int, tuple[float, float]]


def judge_series(
    facts: Facts,
    series: Series,
    versions: Sequence[Version],
    values: Values,
    wanted: AbstractSet[int] | None,
) -> list[Judged]:
    """Judge the wanted values of one series, each by the version that is valid for its time."""
    places = np.arange(len(values))
    if wanted is not None:
        places = places[np.isin(values.row, np.fromiter(wanted, np.int64, len(wanted)))]
    found: list[Judged] = []
    left = places
    for version in versions:
        until = version.stored.valid_until_mjd
        mjd = values.mjd[left]
        is_its = mjd >= version.stored.valid_from_mjd
        if until is not None:
            is_its &= mjd < until
        if is_its.any():
            found.append(_judged(facts, series, version, values, left[is_its]))
            left = left[~is_its]
    if left.size:
        found.append(_judged(facts, series, None, values, left))
    return found


def _judged(
    facts: Facts, series: Series, version: Version | None, values: Values, places: Ints
) -> Judged:
    if version is not None and version.uses_reference:
        judgements = _by_reference(facts.references_for(series), version.rule, values, places)
    else:
        looks_back = version is not None and version.reach > 0
        judgements = _score(
            version.rule if version else None,
            values,
            places,
            facts.cuts_for(series) if looks_back else (),
            looks_back=looks_back,
        )
    return Judged(
        series, version, values.row[places], values.mjd[places], values.value[places], judgements
    )


def _score(
    rule: Rule | None,
    values: Values,
    places: Ints,
    cuts: Sequence[float] = (),
    *,
    looks_back: bool = False,
) -> Judgements:
    # Fixed limits rest on nothing: what else was read by chance must not show in the evidence.
    excluded = values.excluded if looks_back else np.ones(len(values), dtype=bool)
    return score_series(values.mjd, values.value, rule, places, excluded=excluded, cuts=cuts)


def _by_reference(
    references: Sequence[Reference], rule: Rule, values: Values, places: Ints
) -> Judgements:
    """Judge values around the reference of their epoch; without one they are grey."""
    parts: list[tuple[Ints, Judgements]] = []
    left = np.arange(places.size)
    for reference in references:
        mjd = values.mjd[places[left]]
        is_its = mjd >= reference.valid_from
        if reference.valid_until is not None:
            is_its &= mjd < reference.valid_until
        if is_its.any():
            parts.append((left[is_its], _around(reference, rule, values, places[left[is_its]])))
            left = left[~is_its]
    if left.size:
        parts.append((left, Judgements.grey(int(left.size), GreyReason.AVERAGE_UNDEFINED)))
    order = np.argsort(np.concatenate([which for which, _ in parts]))
    return Judgements.joined([found for _, found in parts]).take(order)


def _around(reference: Reference, rule: Rule, values: Values, places: Ints) -> Judgements:
    method = around(rule.method, reference)
    if method is None or reference.n < rule.min_n:
        return Judgements.grey(int(places.size), GreyReason.TOO_FEW_POINTS)
    warning = around(rule.warning, reference) if rule.warning else None
    found = _score(replace(rule, method=method, warning=warning), values, places)
    size = len(found)
    return replace(
        found,
        average=np.full(size, reference.value),
        sigma=np.full(size, np.nan if reference.sigma is None else reference.sigma),
        n=np.full(size, reference.n),
    )
