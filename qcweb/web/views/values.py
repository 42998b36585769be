"""One value of a QC1 table: why it is as it is, and what people may say of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.domain.times import datetime_to_mjd
from pipelines.models import AssociationBlock
from qcweb import looks
from qcweb.certification.models import Certification
from qcweb.looks import Look
from qcweb.problems import Problem, ProblemError
from qcweb.web import snippets
from qcweb.web.plots import as_dataset, events_of
from qcweb.web.views.blocks import find_block
from qcweb.web.views.people import keep_typed, person, reason_of
from trending.models import (
    ActKind,
    Mark,
    MarkKind,
    QC1Row,
    QC1Value,
    Score,
    ScoreAct,
    Series,
    ValueState,
)
from trending.services import corrections, signals
from trending.services.corrections import CorrectionError
from trending.services.explain import Explanation, Neighbour, explain
from trending.services.figures import load_points

# What a person can do with a value: the word in the form, what it does, what is said afterwards.
ACTIONS = {
    "exclude": (
        "Leave this value out of statistics",
        "It stays in plots and keeps its score; limits are computed without it.",
    ),
    "hide": (
        "Hide the whole row",
        "No plot, export or limit uses it, until it is shown again.",
    ),
    "override": (
        "Call it OK",
        "The limits stay as they are; the score says who called it OK.",
    ),
    "remove": ("Remove its score", "It counts neither as OK nor as NOK."),
    "rescore": ("Score it again", "By the rules of today."),
}
DONE = {
    "exclude": "This value is left out of statistics.",
    "hide": "The row is hidden.",
    "override": "It is called OK.",
    "remove": "Its score is removed.",
    "rescore": "It is scored again.",
}
# Values that are neither drawn nor judged.
OUT = {ValueState.HIDDEN, ValueState.REJECTED}
Decided = TypeVar("Decided", Mark, ScoreAct)


@dataclass(frozen=True)
class Case:
    """A former outlier, and what was decided about its block then."""

    score: Score
    decision: Certification | None
    look: Look | None


def _find(table: str, parameter: str, row: int) -> tuple[Series, QC1Row]:
    value = (
        QC1Value.objects.select_related(
            "series__parameter__table__instrument", "series__setup", "row__attempt__block",
            "row__product", "row__came_with",
        )
        .filter(row__id=row, series__parameter__name=parameter, series__parameter__table__name=table)
        .first()
    )  # fmt: skip
    if value is None:
        raise ProblemError(
            Problem(404, "Unknown value", f"{table} has no {parameter} in a row {row}.",
                    where="row", hint="See the table's rows.")
        )  # fmt: skip
    return value.series, value.row


def value(request: HttpRequest, table: str, parameter: str, row: int) -> HttpResponse:
    """Show one value with all that its score rests on."""
    return _page(request, *_find(table, parameter, row))


@dataclass(frozen=True)
class Asked:
    """What a person wanted to do, and why it was not done."""

    action: str
    reason: str
    error: str


def _page(
    request: HttpRequest, series: Series, found: QC1Row, asked: Asked | None = None
) -> HttpResponse:
    said = explain(series, found)
    return render(
        request,
        "value.html",
        {
            "series": series,
            "row": found,
            "said": said,
            "look": _look(said),
            "since": signals.since_when(series, found.mjd_obs),
            "run_signals": signals.run_signals(series)[:5],
            "neighbours": _neighbours([*said.same_parameter, *said.same_place]),
            "cases": _cases(said),
            "open_marks": [one for one in said.marks if one.superseded_at is None],
            "open_acts": [one for one in said.acts if one.superseded_at is None],
            "versions": _versions(series, found),
            "actions": _possible(said),
            "asked": asked,
            "snippets": snippets.of_series(request, series),
        },
        status=400 if asked else 200,
    )


def _look(said: Explanation) -> Look:
    if said.score is not None:
        return looks.result(said.score.result)
    if said.value.state in OUT:
        return Look("grey", "grey", ValueState(said.value.state).label)
    return looks.NO_DATA if said.value.value is None else looks.NOT_SCORED


def _neighbours(found: Sequence[Neighbour]) -> list[tuple[Neighbour, Look]]:
    return [(one, looks.result(one.result)) for one in found]


def _cases(said: Explanation) -> list[Case]:
    blocks = [one.row.attempt.block_id for one in said.similar if one.row.attempt]
    latest: dict[int, Certification] = {}
    for entry in Certification.objects.filter(block__in=blocks).order_by("number"):
        latest[entry.block_id] = entry
    cases = []
    for one in said.similar:
        decision = latest.get(one.row.attempt.block_id) if one.row.attempt else None
        look = looks.DECISIONS[decision.decision] if decision else None
        cases.append(Case(one, decision, look))
    return cases


def _versions(series: Series, row: QC1Row) -> QuerySet[QC1Value]:
    """Return the values of the same measurement from other runs and imports, newest first."""
    return (
        QC1Value.objects.filter(series=series, row__mjd_obs=row.mjd_obs, row__pro_catg=row.pro_catg)
        .exclude(row=row)
        .select_related("row")
        .order_by("-row__recorded_at")
    )


def _possible(said: Explanation) -> dict[str, tuple[str, str]]:
    """Return the actions that make sense for this value now."""
    marks = {one.kind for one in said.marks if one.superseded_at is None}
    score = said.score
    is_possible = {
        "exclude": MarkKind.EXCLUDED not in marks and said.value.value is not None,
        "hide": MarkKind.HIDDEN not in marks,
        "override": score is not None and score.result == 1,
        "remove": score is not None and score.act_id is None,
        "rescore": said.row.is_current,
    }
    if not said.row.is_current:
        return {}
    return {name: words for name, words in ACTIONS.items() if is_possible[name]}


@require_POST
def act(request: HttpRequest, table: str, parameter: str, row: int) -> HttpResponse:
    """Do what a person asks for with a value."""
    series, found = _find(table, parameter, row)
    reason = reason_of(request)
    asked = request.POST.get("action", "")
    if asked not in ACTIONS:
        raise ProblemError(
            Problem(400, "Unknown action", f"action={asked!r}.", where="action",
                    hint=f"Known are {', '.join(ACTIONS)}.")
        )  # fmt: skip
    words: dict[str, Any] = {
        "author": person(request).get_username(), "reason": reason, "at": timezone.now()
    }  # fmt: skip
    try:
        if asked == "exclude":
            corrections.mark([found.pk], MarkKind.EXCLUDED, series=series, **words)
        elif asked == "hide":
            corrections.mark([found.pk], MarkKind.HIDDEN, **words)
        else:
            corrections.correct_value(series, found, ActKind(asked), **words)
    except CorrectionError as error:
        return _page(request, series, found, Asked(asked, reason, str(error)))
    messages.success(request, f"{DONE[asked]} What looks back on it is scored again.")
    return redirect("value", table=table, parameter=parameter, row=row)


@require_POST
def undo(request: HttpRequest, table: str, parameter: str, row: int) -> HttpResponse:
    """Take back what was said of a value, its row or its block's scores."""
    series, found = _find(table, parameter, row)
    said = explain(series, found)
    reason = reason_of(request)
    words: dict[str, Any] = {
        "author": person(request).get_username(), "reason": reason, "at": timezone.now()
    }  # fmt: skip
    try:
        if "mark" in request.POST:
            mark = _one(said.marks, request.POST["mark"])
            if mark.kind == MarkKind.REJECTED:
                raise CorrectionError(
                    "Its block is rejected: that is taken back on the block's page."
                )
            corrections.unmark([mark], **words)
        else:
            corrections.take_back(_one(said.acts, request.POST.get("act", "")), **words)
    except CorrectionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Taken back. What looks back on it is scored again.")
    return redirect("value", table=table, parameter=parameter, row=row)


def _one(known: "Sequence[Decided]", key: str) -> "Decided":
    for one in known:
        if str(one.pk) == key:
            return one
    raise ProblemError(Problem(404, "Unknown decision", "This value has no such decision."))


@require_POST
def correct_block(request: HttpRequest, ab_name: str) -> HttpResponse:
    """Score a block again, remove its scores, or call what is NOK in it OK."""
    found = find_block(ab_name)
    asked = request.POST.get("action", "")
    words: dict[str, Any] = {
        "author": person(request).get_username(),
        "reason": reason_of(request),
        "at": timezone.now(),
    }
    try:
        if "act" in request.POST:
            said = list(ScoreAct.objects.filter(attempt__block=found))
            corrections.take_back(_one(said, request.POST["act"]), **words)
            messages.success(request, "Taken back: the rules decide again.")
        else:
            _correct_scores(found, asked, words)
            messages.success(request, f"{BLOCK_DONE[ActKind(asked)]} The block's score says so.")
    except CorrectionError as error:
        messages.error(request, str(error))
        keep_typed(request, f"scores {ab_name}", words["reason"])
        keep_typed(request, f"scores action {ab_name}", asked)
    return redirect(f"{reverse('block', args=[ab_name])}#scores")


BLOCK_DONE = {
    ActKind.RESCORE: "Scored again by the rules of today.",
    ActKind.REMOVE: "The scores are removed.",
    ActKind.OVERRIDE: "What was NOK is called OK.",
}


def _correct_scores(found: AssociationBlock, asked: str, words: dict[str, Any]) -> None:
    if asked not in ActKind.values:
        raise ProblemError(
            Problem(400, "Unknown action", f"action={asked!r}.", where="action",
                    hint=f"Known are {', '.join(ActKind.values)}.")
        )  # fmt: skip
    if found.current_attempt is None:
        raise CorrectionError("This block has no result: there is nothing to score.")
    corrections.correct_block(found.current_attempt, ActKind(asked), **words)


def figure(request: HttpRequest, pk: int) -> JsonResponse:
    """Give the numbers of one series' plot, as a report's panels have them."""
    series = Series.objects.select_related("parameter__table").filter(pk=pk).first()
    if series is None:
        raise ProblemError(Problem(404, "Unknown series", f"There is no series {pk}."))
    points = load_points([series])
    name = f"{series.parameter.name} {series.detector}".strip()
    middle = float(np.median(points.value)) if points.n else None
    first = float(points.mjd[0]) if points.n else 0.0
    names = series.parameter.table.name, series.parameter.name
    return JsonResponse(
        {
            "unit": series.parameter.unit,
            "parameter": series.parameter.name,
            "datasets": [
                as_dataset(name, points, middle)
                | {"rows": points.row.tolist(), "row_url": reverse("value", args=[*names, 0])}
            ],
            "events": events_of([series], first, datetime_to_mjd(timezone.now())),
        }
    )
