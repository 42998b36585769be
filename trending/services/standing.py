"""How things stand: trees of scores, from the parameters of a block to a night, from plots up."""

import datetime as dt
from collections.abc import Iterable, Sequence

from pipelines.domain.times import datetime_to_mjd
from pipelines.models import AssociationBlock
from trending.domain.aggregate import CURRENT_DAYS, Level, Node, Tally, current
from trending.domain.scoring import GreyReason, ScoreResult
from trending.models import STANDING, Dataset, QC1Value, Report, Score, Series

from .health import matches

Verdict = tuple[float, ScoreResult | GreyReason]


def night_tree(name: str, blocks: Iterable[AssociationBlock]) -> Node:
    """Return the scores of a night: instruments, their blocks, and the parameters of each."""
    blocks = list(blocks)
    by_attempt: dict[int, list[Score]] = {}
    attempts = [one.current_attempt_id for one in blocks if one.current_attempt_id]
    for score in Score.objects.filter(
        row__attempt__in=attempts, row__is_current=True, is_current=True
    ).select_related("series__parameter", "row"):
        by_attempt.setdefault(score.row.attempt_id or 0, []).append(score)
    of: dict[str, list[Node]] = {}
    for block in blocks:
        scores = by_attempt.get(block.current_attempt_id or 0, [])
        of.setdefault(block.instrument.name, []).append(block_node(block.ab_name, scores))
    instruments = tuple(
        Node(one, Level.INSTRUMENT, tuple(children)) for one, children in sorted(of.items())
    )
    return Node(name, Level.NIGHT, instruments)


def block_node(name: str, scores: Sequence[Score]) -> Node:
    """Return a block with its parameters, of all detectors together."""
    by_name: dict[str, list[Score]] = {}
    for one in sorted(scores, key=lambda one: one.series.parameter.order):
        by_name.setdefault(one.series.parameter.name, []).append(one)
    leaves = tuple(Node(name, Level.PARAMETER, own=_tally(some)) for name, some in by_name.items())
    return Node(name, Level.BLOCK, leaves)


def _tally(scores: Iterable[Score]) -> Tally:
    results = [one.result for one in scores]
    n_grey = results.count(None)
    return Tally(results.count(1), len(results) - n_grey, n_grey)


def health_tree(reports: Iterable[Report], at: dt.datetime) -> list[Node]:
    """Return instruments with their groups, reports and plots, as they stand at a time.

    Of each data set the newest values decide, and the last seven days are counted. Reports must
    have instrument and group, panels, data sets and their parameters at hand.
    """
    reports = list(reports)
    datasets = [
        dataset
        for report in reports
        for panel in report.panels.all()
        for dataset in panel.datasets.all()
    ]
    verdicts = _verdicts(datasets, at)
    of: dict[str, dict[str, list[Node]]] = {}
    for report in reports:
        plots = tuple(
            Node(
                panel.title,
                Level.PLOT,
                tuple(_leaf(one, verdicts[one.pk], at) for one in panel.datasets.all()),
            )
            for panel in report.panels.all()
        )
        node = Node(report.title, Level.REPORT, plots)
        of.setdefault(report.instrument.name, {}).setdefault(report.group.title, []).append(node)
    return [
        Node(
            instrument,
            Level.INSTRUMENT,
            tuple(Node(title, Level.GROUP, tuple(found)) for title, found in groups.items()),
        )
        for instrument, groups in of.items()
    ]


def _leaf(dataset: Dataset, verdicts: Sequence[Verdict], at: dt.datetime) -> Node:
    name = f"{dataset.parameter.name} {dataset.detector}".strip()
    found = current(verdicts, datetime_to_mjd(at))
    return Node(name, Level.PARAMETER, own=found.tally, now=found.state)


def _verdicts(datasets: Sequence[Dataset], at: dt.datetime) -> dict[int, list[Verdict]]:
    """Return what was said of the last days' values, by data set."""
    now = datetime_to_mjd(at)
    parameters = {one.parameter_id for one in datasets}
    by_parameter: dict[int, list[Series]] = {}
    for series in Series.objects.filter(parameter__in=parameters).select_related("setup"):
        by_parameter.setdefault(series.parameter_id, []).append(series)
    of_series: dict[int, list[Verdict]] = {}
    recent = QC1Value.objects.filter(
        series__parameter__in=parameters, state__in=STANDING,
        mjd_obs__gte=now - CURRENT_DAYS, mjd_obs__lte=now,
    )  # fmt: skip
    for series_id, mjd, value, result in recent.values_list(
        "series_id", "mjd_obs", "value", "score_result"
    ):
        of_series.setdefault(series_id, []).append((mjd, _verdict(value, result)))
    return {
        dataset.pk: [
            verdict
            for series in by_parameter.get(dataset.parameter_id, [])
            if matches(dataset, series)
            for verdict in of_series.get(series.pk, [])
        ]
        for dataset in datasets
    }


def _verdict(value: float | None, result: int | None) -> ScoreResult | GreyReason:
    if result is not None:
        return ScoreResult(result)
    # Why a value that is there has no score stands in the score; here it is enough that it has none.
    return GreyReason.MISSING if value is None else GreyReason.NO_RULE
