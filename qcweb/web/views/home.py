"""The first page: whether everything is all right, and if not, where."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection
from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pipelines.domain.times import datetime_to_mjd
from pipelines.models import (
    AssociationBlock,
    Instrument,
    NextStep,
    ProcessStatus,
    RawFile,
    RefusedFile,
    Round,
)
from pipelines.services.rounds import INCOMING
from qcweb import looks
from qcweb.looks import Look
from qcweb.metrics import registry
from qcweb.nightlines import NightLine, night_lines
from qcweb.notes.models import News
from trending.models import Report, ReportGroup, Score
from trending.services.health import LastValue, ReportState, current_scores, report_states

# How many nights back the table of nights goes.
NIGHTS = 5


@dataclass(frozen=True)
class Cell:
    """One report group of one instrument: its worst report."""

    group: str
    look: Look
    css: str
    url_name: str
    age: str
    is_late: bool


@dataclass
class MatrixLine:
    instrument: Instrument
    cells: list[Cell | None] = field(default_factory=list)

    @property
    def is_red(self) -> bool:
        return any(cell.css == "nok" for cell in self.cells if cell)

    @property
    def weight(self) -> int:
        """Return how far up the line stands: red before late before the rest."""
        return sum(3 * (cell.css == "nok") + cell.is_late for cell in self.cells if cell)


@dataclass(frozen=True)
class Late:
    """A report whose data have not come for longer than expected."""

    report: Report
    age: str


@dataclass(frozen=True)
class NeedsLook:
    """A red series, with its value and limits."""

    last: LastValue
    score: Score
    report: Report
    age: str


def home(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    reports = Report.objects.select_related("instrument", "group").prefetch_related(
        "panels__datasets"
    )
    states = report_states(reports)
    groups = list(ReportGroup.objects.filter(reports__isnull=False).distinct())
    lines = _matrix(states, groups, at)
    needs = _needs_look(states, at)
    counts = _count([cell for line in lines for cell in line.cells if cell])
    return render(
        request,
        "home.html",
        {
            "groups": groups,
            "news_here": News.objects.seen_on(timezone.now().date()),
            "lines": lines,
            "needs": needs,
            "late": _late(states, at),
            "red_instruments": [line.instrument for line in lines if line.is_red],
            "counts": counts,
            "failed": AssociationBlock.objects.for_people()
            .filter(process_status=ProcessStatus.FAILED)
            .select_related("instrument")
            .order_by("-night")[:6],
            "refused": RefusedFile.objects.order_by("-last_seen_at")[:5],
            "nights": _nights(),
            "service": _service(),
            "n_instruments": Instrument.objects.count(),
        },
    )


def _matrix(
    states: list[ReportState], groups: list[ReportGroup], at: dt.datetime
) -> list[MatrixLine]:
    lines: dict[int, MatrixLine] = {}
    by_cell: dict[tuple[int, int], list[ReportState]] = {}
    for state in states:
        by_cell.setdefault((state.report.instrument_id, state.report.group_id), []).append(state)
        lines.setdefault(state.report.instrument_id, MatrixLine(state.report.instrument))
    for line in lines.values():
        for group in groups:
            found = by_cell.get((line.instrument.pk, group.pk))
            line.cells.append(_cell(found, at) if found else None)
    return sorted(lines.values(), key=lambda line: (-line.weight, line.instrument.name))


def _cell(states: list[ReportState], at: dt.datetime) -> Cell:
    """Sum up the reports of a cell; the address is the worst one's."""
    worst = max(states, key=lambda state: (state.n_nok, state.last_mjd or 0))
    newest = max((state.last_mjd for state in states if state.last_mjd), default=None)
    age = _age(newest, at)
    group = worst.report.group.title
    url_name = f"{worst.report.instrument.name}/{worst.report.name}"
    if not any(state.is_current(at) for state in states):
        return Cell(group, looks.NO_DATA, "none", url_name, age, False)
    n_nok, n_scored = sum(s.n_nok for s in states), sum(s.n_scored for s in states)
    look = looks.tally(n_nok, n_scored)
    css = {"nok": "nok", "ok": "ok"}.get(look.css, "none")
    return Cell(group, look, css, url_name, age, any(_is_late(state, at) for state in states))


def _is_late(state: ReportState, at: dt.datetime) -> bool:
    """Whether current data stay away for longer than the report expects."""
    if state.last_mjd is None or not state.is_current(at):
        return False
    return datetime_to_mjd(at) - state.last_mjd > 1.5 * state.report.cadence_days


def _late(states: list[ReportState], at: dt.datetime) -> list[Late]:
    return [Late(one.report, _age(one.last_mjd, at)) for one in states if _is_late(one, at)]


def _age(mjd: float | None, at: dt.datetime) -> str:
    if mjd is None:
        return ""
    hours = max(0.0, datetime_to_mjd(at) - mjd) * 24
    if hours < 1:
        return f"{hours * 60:.0f}m"
    return f"{hours:.0f}h" if hours < 48 else f"{hours / 24:.0f}d"


def _count(cells: Iterable[Cell]) -> dict[str, int]:
    counts = {"ok": 0, "nok": 0, "grey": 0, "nodata": 0, "late": 0}
    for cell in cells:
        counts[cell.look.css] = counts.get(cell.look.css, 0) + 1
        counts["late"] += cell.is_late
    return counts


def _needs_look(states: list[ReportState], at: dt.datetime) -> list[NeedsLook]:
    red: dict[int, tuple[LastValue, Report]] = {}
    for state in states:
        for last in state.values:
            if last.result == 1:
                red.setdefault(last.series.pk, (last, state.report))
    scores = current_scores(last for last, _ in red.values())
    return [
        NeedsLook(last, scores[pk], report, _age(last.mjd_obs, at))
        for pk, (last, report) in red.items()
        if pk in scores
    ]


def _nights() -> list[tuple[str, list[NightLine]]]:
    """Return the last nights of each instrument, the newest first; a night without data is one."""
    newest = list(
        AssociationBlock.objects.order_by("-night")
        .values_list("night", flat=True)
        .distinct()[:NIGHTS]
    )
    lines = {
        (line.instrument, line.night): line
        for line in night_lines(AssociationBlock.objects.filter(night__in=newest))
    }
    names = sorted({name for name, _ in lines})
    return [
        (name, [lines.get((name, night)) or NightLine(name, night) for night in newest])
        for name in names
    ]


def _service() -> dict[str, object]:
    return {
        **AssociationBlock.objects.exclude(next_step=NextStep.REST).aggregate(
            running=Count("pk", filter=Q(process_status=ProcessStatus.RUNNING)),
            waiting=Count("pk"),
            oldest=Min("changed_at"),
        ),
        # The one recorded last, and no sums over an archive: this page is asked for all day.
        "frames_gone": RawFile.objects.exclude(gone_at=None).count(),
        "last_round": Round.objects.filter(subject=INCOMING, finished_at__isnull=False)
        .order_by("-pk")
        .first(),
        "last_frame": RawFile.objects.order_by("-pk").values_list("recorded_at", flat=True).first(),
    }


def health(request: HttpRequest) -> JsonResponse:
    """Say whether the service works: for whoever watches the watchers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok", "version": settings.VERSION})


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape of Prometheus."""
    text = generate_latest(registry(timezone.now()))
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)
