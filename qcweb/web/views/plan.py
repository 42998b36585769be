"""The calibration plan: setups by nights, what is missing, and what expires next."""

import datetime as dt

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from pipelines.models import Instrument
from pipelines.services.calplan import (
    DEFAULT_NIGHTS,
    MAX_NIGHTS,
    Case,
    PlanMatrix,
    PlanState,
    newest_night,
    plan_matrix,
)
from qcweb.looks import Look
from qcweb.problems import Problem, ProblemError
from qcweb.web.views.nights import find_instrument, parse_night

LOOKS: dict[PlanState, Look] = {
    PlanState.NONE: Look("grey", "grey", "no plan", "No rule says what this needs"),
    PlanState.OK: Look("ok", "ok", "OK", "Complete and valid"),
    PlanState.PENDING: Look("queued", "queued", "pending", "The day's calibrations are not over"),
    PlanState.NOK: Look("incomplete", "warn", "NOK", "Complete, but outdated"),
    PlanState.MISS: Look("nok", "nok", "MISS", "A calibration is missing"),
}


def plans(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    matrices = [_matrix(one, None, DEFAULT_NIGHTS, at) for one in Instrument.objects.observing()]
    lines = [(one, LOOKS[one.state]) for one in matrices]
    return render(request, "plans.html", {"lines": lines})


def plan(request: HttpRequest, instrument: str) -> HttpResponse:
    found = find_instrument(instrument)
    until = parse_night(request.GET["until"]) if request.GET.get("until") else None
    matrix = _matrix(found, until, _n_nights(request), timezone.now())
    rows = [
        (row, [_cell(row.cases.get(night)) for night in matrix.nights], LOOKS[row.newest.state])
        for row in matrix.rows
    ]
    return render(
        request,
        "plan.html",
        {
            "instrument": found,
            "matrix": matrix,
            "rows": rows,
            "nights": [
                (night, matrix.n_science[night], matrix.finished[night]) for night in matrix.nights
            ],
            "until": matrix.nights[-1],
            "n_nights": len(matrix.nights),
            "before": matrix.nights[-1] - dt.timedelta(days=len(matrix.nights)),
            "after": matrix.nights[-1] + dt.timedelta(days=len(matrix.nights)),
            "newest": newest_night(found),
            "state": LOOKS[matrix.state],
            "chosen": _chosen(request, matrix),
            "instruments": Instrument.objects.observing(),
        },
    )


def _matrix(
    instrument: Instrument, until: dt.date | None, n_nights: int, at: dt.datetime
) -> PlanMatrix:
    last = until or newest_night(instrument) or at.date()
    return plan_matrix(instrument, last, n_nights, at)


def _cell(case: Case | None) -> tuple[Case, Look] | None:
    return None if case is None else (case, LOOKS[case.state])


def _n_nights(request: HttpRequest) -> int:
    text = request.GET.get("nights", str(DEFAULT_NIGHTS))
    if not (text.isascii() and text.isdigit() and 1 <= len(text) < 4):
        raise ProblemError(_wrong_nights(text))
    if not 1 <= int(text) <= MAX_NIGHTS:
        raise ProblemError(_wrong_nights(text))
    return int(text)


def _wrong_nights(text: str) -> Problem:
    return Problem(
        400, "Unknown span", f"nights={text!r}.", where="nights", hint=f"1 to {MAX_NIGHTS}."
    )


def _chosen(
    request: HttpRequest, matrix: PlanMatrix
) -> tuple[Case, list[tuple[object, Look]]] | None:
    """Return the case whose needs are shown: the one asked for, else the newest that lacks some."""
    cases = [case for row in matrix.rows for case in row.cases.values()]
    night, setup = request.GET.get("night"), request.GET.get("setup")
    asked = [c for c in cases if c.night.isoformat() == night and c.setup == setup]
    lacking = sorted((c for c in cases if c.lacking), key=lambda c: c.night)
    case = next(iter(asked or lacking[-1:]), None)
    if case is None:
        return None
    return case, [(need, LOOKS[need.state]) for need in case.needs]
