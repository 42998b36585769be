"""Health Check reports: whether an instrument is steady."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone

from pipelines.domain.times import datetime_to_mjd
from qcweb import looks
from qcweb.looks import Look
from qcweb.notes.models import News
from qcweb.problems import Problem, ProblemError
from qcweb.web import snippets
from qcweb.web.plots import as_dataset, events_of
from qcweb.web.snippets import Snippet
from qcweb.web.views.people import take_typed
from trending.domain.aggregate import Node, State
from trending.models import Dataset, Panel, QC1Row, Report, ScoreRule
from trending.services import figures
from trending.services.figures import Points, find_series, load_points
from trending.services.health import (
    CURRENT_DAYS,
    LastValue,
    ReportState,
    matches,
    report_states,
)
from trending.services.standing import health_tree

RANGES: dict[str, float | None] = {"90": 90.0, "365": 365.0, "all": None}
# How many scores the squares of a panel show.
SQUARES = 7


@dataclass(frozen=True)
class DatasetView:
    """A line of the table below the plots, and the numbers under a plot."""

    dataset: Dataset
    look: Look
    average: float | None
    average_kind: str
    lower: float | None
    upper: float | None
    rule: ScoreRule | None
    n: int
    latest: float | None
    n_outliers: int
    squares: list[str]
    is_simulated: bool
    snippets: list[Snippet]
    # Where its values are as CSV: of how long, and the address.
    downloads: list[tuple[str, str]]

    @property
    def limits(self) -> tuple[float | None, float | None]:
        return self.lower, self.upper


@dataclass(frozen=True)
class PanelView:
    number: int
    panel: Panel
    look: Look
    datasets: list[DatasetView]


def reports(request: HttpRequest) -> HttpResponse:
    found = Report.objects.select_related("instrument", "group").prefetch_related(
        "panels__datasets__parameter"
    )
    states = report_states(found)
    by_instrument: dict[str, list[Any]] = {}
    at = timezone.now()
    for state in states:
        line = (state.report, _state_look(state, at))
        by_instrument.setdefault(state.report.instrument.name, []).append(line)
    trees = {node.name: _tree_view(node) for node in health_tree(found, at)}
    instruments = {name: (trees.get(name), lines) for name, lines in by_instrument.items()}
    return render(request, "reports.html", {"instruments": instruments})


@dataclass(frozen=True)
class TreeView:
    """How an instrument stands, and the way down to what to look at first."""

    look: Look
    path: str


def _tree_view(node: Node) -> TreeView:
    look = looks.tally(node.tally.n_nok, node.tally.n_scored)
    if node.state == State.GREY:
        look = looks.NO_DATA
    path = " › ".join(one.name for one in node.worst_path) if node.state == State.NOK else ""
    return TreeView(look, path)


def _state_look(state: ReportState, at: dt.datetime) -> Look:
    return looks.tally(state.n_nok, state.n_scored) if state.is_current(at) else looks.NO_DATA


def find_report(instrument: str, name: str) -> Report:
    report = (
        Report.objects.filter(instrument__name=instrument, name=name)
        .select_related("instrument", "group")
        .prefetch_related("panels__datasets__parameter__table")
        .first()
    )
    if report is None:
        raise ProblemError(
            Problem(404, "Unknown report", f"{instrument} has no report {name!r}.",
                    where="name", hint="See the list of reports.")
        )  # fmt: skip
    return report


def _range(request: HttpRequest) -> str:
    chosen = request.GET.get("days", "90")
    if chosen not in RANGES:
        raise ProblemError(
            Problem(400, "Unknown range", f"days={chosen!r}.",
                    where="days", hint=f"Known are {', '.join(RANGES)}.")
        )  # fmt: skip
    return chosen


def report(request: HttpRequest, instrument: str, name: str) -> HttpResponse:
    found = find_report(instrument, name)
    chosen = _range(request)
    at = timezone.now()
    states = report_states(
        Report.objects.filter(instrument=found.instrument, group=found.group).prefetch_related(
            "panels__datasets"
        )
    )
    newest = next((state.values for state in states if state.report == found), [])
    panels = [
        _panel_view(request, n, panel, newest, _since(chosen, at), at)
        for n, panel in enumerate(found.panels.all(), 1)
    ]
    tabs = [(state.report, _state_look(state, at)) for state in states]
    return render(
        request,
        "report.html",
        {
            "report": found,
            "panels": panels,
            "comments": found.instrument.comments.standing().filter(report=found.name),
            "plots": [one.title for one in found.panels.all()],
            "typed_comment": take_typed(request, f"comment {request.path}"),
            "news_here": News.objects.seen_on(
                timezone.now().date(), found.instrument.name, found.name
            ),
            "n_nok": sum(1 for one in panels if one.look.css == "nok"),
            "look": _worst([one.look for one in panels]),
            "tabs": tabs,
            "days": chosen,
            "ranges": [("90", "90 days"), ("365", "1 year"), ("all", "All")],
            "newest": _newest(found),
            "is_simulated": any(one.is_simulated for panel in panels for one in panel.datasets),
            "pipeline": _pipeline(found),
        },
    )


def _since(chosen: str, at: dt.datetime) -> float | None:
    days = RANGES[chosen]
    return None if days is None else datetime_to_mjd(at) - days


def _worst(found: list[Look]) -> Look:
    for css in ("nok", "ok", "grey"):
        for look in found:
            if look.css == css:
                return look
    return looks.NO_DATA


def _panel_view(
    request: HttpRequest,
    number: int,
    panel: Panel,
    newest: Sequence[LastValue],
    since: float | None,
    at: dt.datetime,
) -> PanelView:
    datasets = [_dataset_view(request, one, newest, since, at) for one in panel.datasets.all()]
    return PanelView(number, panel, _worst([one.look for one in datasets]), datasets)


def _dataset_view(
    request: HttpRequest,
    dataset: Dataset,
    newest: Sequence[LastValue],
    since: float | None,
    at: dt.datetime,
) -> DatasetView:
    series = find_series(dataset)
    points = load_points(series, since)
    squares = [_square(int(result)) for result in points.result[-SQUARES:]]
    return DatasetView(
        dataset=dataset,
        look=_look([one for one in newest if matches(dataset, one.series)], at),
        average=average(points, dataset.average),
        average_kind=dataset.average,
        lower=_last(points.lower),
        upper=_last(points.upper),
        rule=figures.rule_of(series),
        n=points.n,
        latest=_last(points.value),
        n_outliers=int(np.count_nonzero(points.result == 1)),
        squares=squares,
        is_simulated=points.is_simulated,
        downloads=[(word, snippets.address_of_dataset(dataset, day)) for word, day in _spans(at)],
        snippets=snippets.of_dataset(request, dataset, "" if since is None else f"{since:.5f}"),
    )


def _spans(at: dt.datetime) -> list[tuple[str, str]]:
    days = {"90 d": 90, "1 year": 365}
    spans = [(word, f"{at - dt.timedelta(days=n):%Y-%m-%d}") for word, n in days.items()]
    return [*spans, ("all", "")]


def _look(newest: Sequence[LastValue], at: dt.datetime) -> Look:
    """Return the state of a data set: how the newest value of each of its series was judged.

    A newest value that is missing counts too: yesterday's green says nothing about it.
    """
    oldest = datetime_to_mjd(at) - CURRENT_DAYS
    results = [one.result for one in newest if one.mjd_obs >= oldest]
    if not results:
        return looks.NO_DATA
    return looks.result(max((one for one in results if one is not None), default=None))


def average(points: Points, kind: str) -> float | None:
    if points.n == 0 or kind == "none":
        return None
    return float(np.median(points.value) if kind == "MEDIAN" else np.mean(points.value))


def _last(array: figures.Array) -> float | None:
    if array.size == 0 or not np.isfinite(array[-1]):
        return None
    return float(array[-1])


def _square(result: int) -> str:
    return {0: "ok", 1: "nok"}.get(result, "grey")


def _newest(report: Report) -> dt.datetime | None:
    tables = {d.parameter.table_id for panel in report.panels.all() for d in panel.datasets.all()}
    row = QC1Row.objects.current().filter(table__in=tables).order_by("-recorded_at").first()
    return row.recorded_at if row else None


def _pipeline(report: Report) -> str:
    tables = {d.parameter.table_id for panel in report.panels.all() for d in panel.datasets.all()}
    row = QC1Row.objects.current().filter(table__in=tables).order_by("-mjd_obs").first()
    return row.pipeline_version if row else ""


def figure(request: HttpRequest, instrument: str, name: str, number: int) -> JsonResponse:
    """Give the numbers of one panel's plot; colours and marks are the page's."""
    found = find_report(instrument, name)
    panels = list(found.panels.all())
    if not 1 <= number <= len(panels):
        raise ProblemError(
            Problem(404, "Unknown panel", f"The report has panels 1 to {len(panels)}.",
                    where="number")
        )  # fmt: skip
    at = timezone.now()
    since = _since(_range(request), at)
    datasets = list(panels[number - 1].datasets.all())
    drawn = [(one, find_series(one)) for one in datasets]
    sets = [(one, load_points(series, since)) for one, series in drawn]
    first = min((float(points.mjd[0]) for _, points in sets if points.n), default=0.0)
    every = [one for _, series in drawn for one in series]
    return JsonResponse(
        {
            "unit": datasets[0].parameter.unit if datasets else "",
            "parameter": datasets[0].parameter.name if datasets else "",
            "datasets": [
                as_dataset(
                    f"{one.parameter.name} {one.detector}".strip(),
                    points,
                    average(points, one.average),
                )
                for one, points in sets
            ],
            "events": events_of(every, since or first, datetime_to_mjd(at)),
        }
    )
