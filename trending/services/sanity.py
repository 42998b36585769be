"""Do the rules make sense? Each is tried on the history it is for, and what is odd is said."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipelines.models import Instrument
from trending.domain.sanity import (
    Finding,
    FindingKind,
    check_judgements,
    mixed_modes,
    over_definition_changes,
)
from trending.domain.setups import fits_setup
from trending.models import (
    Dataset,
    EventKind,
    QC1Parameter,
    QualityEvent,
    ScoreRule,
    Series,
)

from .facts import Facts, Values, Version
from .judging import judge_series

# A rule is tried on so many of the newest values of each series.
NEWEST = 2000
# Values of so many days are looked at.
DAYS = 1100.0


@dataclass(frozen=True)
class Odd:
    """A finding, with what it is about; `series` and `rule` are None where it is about neither."""

    parameter: QC1Parameter
    finding: Finding
    series: Series | None = None
    rule: ScoreRule | None = None


def check_instrument(instrument: Instrument) -> list[Odd]:
    """Return what is odd about the rules of an instrument, the gravest first."""
    found = [*_rules(instrument), *_plots_without_rule(instrument)]
    order = list(FindingKind)
    found.sort(
        key=lambda one: (
            order.index(one.finding.kind), one.parameter.table.name, one.parameter.order,
            -one.finding.n,
        )
    )  # fmt: skip
    return found


def _rules(instrument: Instrument) -> Iterator[Odd]:
    rules = (
        ScoreRule.objects.open()
        .filter(parameter__table__instrument=instrument)
        .select_related("parameter__table")
    )
    series = list(
        Series.objects.filter(parameter__in=rules.values("parameter")).select_related(
            "parameter__table", "setup"
        )
    )
    filled = {one.setup.table_id for one in series}
    for rule in rules:
        # A table that has no rows yet says nothing of its rules.
        if rule.parameter.table_id in filled and not any(_is_for(rule, one) for one in series):
            finding = Finding(FindingKind.RULE_WITHOUT_DATA, "no series has values it is for")
            yield Odd(rule.parameter, finding, rule=rule)
    yield from _series(instrument, series)


def _is_for(rule: ScoreRule, series: Series) -> bool:
    return (
        rule.parameter_id == series.parameter_id
        and rule.detector in {"", series.detector}
        and fits_setup(rule.setup, series.setup.values)
    )


def _series(instrument: Instrument, series: list[Series]) -> Iterator[Odd]:
    facts = Facts(series)
    changes = list(
        QualityEvent.objects.open()
        .filter(instrument=instrument, kind=EventKind.DEFINITION)
        .values_list("mjd", "table_id", "parameter_id")
    )
    first = _newest(instrument) - DAYS
    begin = {one.pk: first for one in series}
    values = facts.values(series, begin, dict.fromkeys(begin, np.inf))
    for one in series:
        of_it = [
            mjd for mjd, table, parameter in changes
            if table in {None, one.setup.table_id} and parameter in {None, one.parameter_id}
        ]  # fmt: skip
        versions = facts.rules_for(one)
        yield from _check(facts, one, versions, values[one.pk], of_it)


def _check(
    facts: Facts, series: Series, versions: list[Version], values: Values, changes: list[float]
) -> Iterator[Odd]:
    for judged in judge_series(facts, series, versions, values, None):
        if judged.version is None or judged.version.stored.limits == "none":
            continue
        newest = slice(max(0, len(judged.judgements) - NEWEST), None)
        places = np.arange(len(judged.judgements))[newest]
        said = judged.judgements.take(places)
        findings = check_judgements(judged.value[places], said)
        over = over_definition_changes(
            judged.mjd, judged.version.rule, changes, facts.cuts_for(series)
        )
        for finding in [*findings, *([over] if over else [])]:
            yield Odd(series.parameter, finding, series, judged.version.stored)
    mixed = mixed_modes(values.value)
    if mixed is not None:
        yield Odd(series.parameter, mixed, series)


def _newest(instrument: Instrument) -> float:
    newest = [
        table.rows.order_by("-mjd_obs").values_list("mjd_obs", flat=True).first()
        for table in instrument.qc1_tables.all()
    ]
    return max((mjd for mjd in newest if mjd is not None), default=0.0)


def _plots_without_rule(instrument: Instrument) -> Iterator[Odd]:
    """Find what a report draws and nothing judges."""
    ruled: dict[int, list[ScoreRule]] = {}
    for rule in ScoreRule.objects.open().filter(parameter__table__instrument=instrument):
        ruled.setdefault(rule.parameter_id, []).append(rule)
    seen = set()
    for dataset in Dataset.objects.filter(panel__report__instrument=instrument).select_related(
        "parameter__table", "panel__report"
    ):
        fitting = [
            one for one in ruled.get(dataset.parameter_id, [])
            if one.detector in {"", dataset.detector} or not dataset.detector
        ]  # fmt: skip
        if not fitting and dataset.parameter_id not in seen:
            seen.add(dataset.parameter_id)
            words = f"drawn in the report “{dataset.panel.report.title}”, and no rule judges it"
            yield Odd(dataset.parameter, Finding(FindingKind.PLOT_WITHOUT_RULE, words))
