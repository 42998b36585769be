"""The present state of series and reports: the last score decides, and no data is never green."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import OuterRef, QuerySet, Subquery

from pipelines.domain.times import datetime_to_mjd
from trending.domain.setups import fits_setup
from trending.models import STANDING, Dataset, QC1Value, Report, Score, Series

# Without a value for so long a series has no current state.
CURRENT_DAYS = 7.0


@dataclass(frozen=True)
class LastValue:
    """The newest value of a series and how it was judged."""

    series: Series
    mjd_obs: float
    value: float | None
    result: int | None
    row_id: int


@dataclass
class ReportState:
    """What the first page says of a report."""

    report: Report
    values: list[LastValue] = field(default_factory=list)

    @property
    def n_nok(self) -> int:
        return sum(1 for one in self.values if one.result == 1)

    @property
    def n_scored(self) -> int:
        return sum(1 for one in self.values if one.result is not None)

    @property
    def last_mjd(self) -> float | None:
        return max((one.mjd_obs for one in self.values), default=None)

    def is_current(self, at: dt.datetime) -> bool:
        return self.last_mjd is not None and datetime_to_mjd(at) - self.last_mjd <= CURRENT_DAYS


def with_last_values(series: QuerySet[Series], *, present: bool = False) -> list[LastValue]:
    """Return the newest value that counts of each series, in one query; or that is not missing."""
    # By row too: of two values of one instant all four columns must be of the same one.
    newest = QC1Value.objects.filter(series=OuterRef("pk"), state__in=STANDING).order_by(
        "-mjd_obs", "-row_id"
    )
    if present:
        newest = newest.filter(value__isnull=False)
    found = series.select_related("parameter__table", "setup").annotate(
        last_mjd=Subquery(newest.values("mjd_obs")[:1]),
        last_value=Subquery(newest.values("value")[:1]),
        last_result=Subquery(newest.values("score_result")[:1]),
        last_row=Subquery(newest.values("row_id")[:1]),
    )
    return [
        LastValue(one, one.last_mjd, one.last_value, one.last_result, one.last_row)
        for one in found
        if one.last_mjd is not None
    ]


def matches(dataset: Dataset, series: Series) -> bool:
    """Return whether a data set draws a series."""
    if dataset.parameter_id != series.parameter_id:
        return False
    if dataset.detector and dataset.detector != series.detector:
        return False
    return fits_setup(dataset.setup, series.setup.values)


def report_states(reports: Iterable[Report]) -> list[ReportState]:
    """Return the state of reports; their panels and data sets must be prefetched."""
    reports = list(reports)
    parameters = {
        dataset.parameter_id
        for report in reports
        for panel in report.panels.all()
        for dataset in panel.datasets.all()
    }
    by_parameter: dict[int, list[LastValue]] = {}
    for last in with_last_values(Series.objects.filter(parameter__in=parameters)):
        by_parameter.setdefault(last.series.parameter_id, []).append(last)
    states = []
    for report in reports:
        state = ReportState(report)
        for panel in report.panels.all():
            for dataset in panel.datasets.all():
                state.values += [
                    last
                    for last in by_parameter.get(dataset.parameter_id, [])
                    if matches(dataset, last.series)
                ]
        state.values = _recent(state.values)
        states.append(state)
    return states


def _recent(values: list[LastValue]) -> list[LastValue]:
    """Leave out series that fell silent: what was red a year ago says nothing of today."""
    newest = max((one.mjd_obs for one in values), default=0.0)
    return [one for one in values if one.mjd_obs >= newest - CURRENT_DAYS]


def current_scores(values: Iterable[LastValue]) -> dict[int, Score]:
    """Return the standing score of each value, by series."""
    pairs = {(one.series.pk, one.row_id) for one in values}
    found = Score.objects.filter(
        row__in=[row for _, row in pairs], series__in=[one for one, _ in pairs], is_current=True
    ).select_related("row__attempt__block", "rule")
    return {score.series_id: score for score in found if (score.series_id, score.row_id) in pairs}
