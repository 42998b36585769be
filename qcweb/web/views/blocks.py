"""A block's page: whether this calibration may be used, and the decision itself."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.models import AssociationBlock, Outcome, Product
from pipelines.services.attempts import read_log
from pipelines.services.previews import last_certified
from pipelines.services.waivers import kind_for, waivers_of
from qcweb import looks
from qcweb.board import BoardRow, make_row
from qcweb.certification.models import Certification, Decision
from qcweb.certification.services.claims import claims_on
from qcweb.certification.services.decisions import FollowUps, decide, reasons_of, take_back
from qcweb.certification.services.record import CertificationError, latest, standing
from qcweb.looks import Look
from qcweb.problems import Problem, ProblemError
from qcweb.verdicts import changes_of
from qcweb.web.previews import views_beside
from qcweb.web.progress import work_of
from qcweb.web.undo import forget, note_decision, undoable
from qcweb.web.views.people import keep_typed, person, take_typed
from qcweb.worklist import next_to
from trending.models import (
    STANDING,
    ActKind,
    BlockScore,
    Dataset,
    QC1Parameter,
    QC1Value,
    Report,
    Score,
    ScoreAct,
)
from trending.services.health import matches

# What a person can do with all scores of a block: the word in the form, and what it does.
SCORE_ACTIONS = {
    ActKind.RESCORE: ("Score them again", "By the rules of today."),
    ActKind.OVERRIDE: (
        "Call the NOK ones OK",
        "The limits stay; each score says who called it OK.",
    ),
    ActKind.REMOVE: ("Remove them", "They count neither as OK nor as NOK."),
}
# How much of a series a block's sparkline shows.
SPARK_POINTS = 60


def find_block(ab_name: str) -> AssociationBlock:
    block = (
        AssociationBlock.objects.select_related(
            "instrument", "blocked_by", "current_attempt", "rule_set"
        )
        .filter(ab_name=ab_name)
        .first()
    )
    if block is None:
        raise ProblemError(
            Problem(404, "Unknown block", f"There is no block {ab_name!r}.",
                    where="ab_name", hint="Find it through its night.")
        )  # fmt: skip
    return block


@dataclass(frozen=True)
class ScoreLine:
    """One value of the block with how it was judged."""

    parameter: QC1Parameter
    detector: str
    setup: str
    value: QC1Value
    score: Score | None
    look: Look
    spark: "Spark | None"
    why: str
    report: "Report | None"


@dataclass(frozen=True)
class Spark:
    """A small plot of a series: coordinates in a box of 112 × 22."""

    points: list[tuple[float, float]]
    last: tuple[float, float]
    lower_y: float | None
    upper_y: float | None


def block(request: HttpRequest, ab_name: str) -> HttpResponse:
    found = find_block(ab_name)
    row = _row(found)
    lines = score_lines(found)
    entry = latest(found)
    attempts, products = list(found.attempts.all()), _products(found)
    return render(
        request,
        "block.html",
        {
            "ab": found,
            "row": row,
            "scored": [line for line in lines if line.score],
            "unscored": [line for line in lines if not line.score],
            "red": [line for line in lines if line.score and line.score.result == 1],
            "frames": found.block_frames.select_related("raw_file").order_by("raw_file__mjd_obs"),
            "calibrations": found.calibrations.select_related("producer", "file").order_by("pk"),
            "used_by": found.used_by.select_related("block").order_by("block__mjd_obs"),
            "attempts": attempts,
            "changes": changes_of(found, attempts),
            "products": products,
            "previews": views_beside(products, last_certified(found, products)),
            "attempts_made": sum(
                one.outcome in {Outcome.SUCCESSFUL, Outcome.DEGRADED} for one in attempts
            ),
            "work": work_of(found),
            "history": _history(found),
            "standing": standing(found),
            "seen": entry.number if entry else 0,
            "neighbours": _neighbours(found),
            "waiver": waivers_of([found]).get(found.pk),
            "can_waive": kind_for(found),
            "typed_waiver": take_typed(request, f"waive {ab_name}"),
            "comments": found.comments.standing(),
            "typed_comment": take_typed(request, f"comment {request.path}"),
            "claim": claims_on([found], timezone.now()).get(found.pk),
            "reasons": reasons_of(found.instrument),
            "undo": undoable(request),
            "typed": take_typed(request, ab_name),
            "typed_reason": take_typed(request, f"reason {ab_name}"),
            "score_acts": ScoreAct.objects.open().filter(attempt=found.current_attempt_id),
            "score_actions": SCORE_ACTIONS,
            "typed_scores": {
                "reason": take_typed(request, f"scores {ab_name}"),
                "action": take_typed(request, f"scores action {ab_name}"),
            },
        },
    )


def _row(found: AssociationBlock) -> BoardRow:
    order = (
        AssociationBlock.objects.filter(instrument=found.instrument, night=found.night)
        .in_cascade_order()
        .values_list("pk", flat=True)
    )
    index = f"CAL{list(order).index(found.pk) + 1:03d}"
    score = BlockScore.objects.standing().filter(block=found).first()
    return make_row(
        index, found, score, latest(found), timezone.now(), waivers_of([found]).get(found.pk)
    )


def _neighbours(found: AssociationBlock) -> dict[str, object]:
    """Return the blocks to review before and after one in the worklist, and how many there are."""
    before, after, n = next_to(found.ab_name)
    return {"before": before, "after": after, "n": n}


def _products(found: AssociationBlock) -> list[Product]:
    return list(Product.objects.filter(attempt=found.current_attempt_id).order_by("name"))


def _history(found: AssociationBlock) -> list[tuple[Certification, Look]]:
    entries = Certification.objects.filter(block=found).select_related("decided_by")
    return [(entry, looks.DECISIONS[entry.decision]) for entry in entries.order_by("-number")]


def score_lines(found: AssociationBlock) -> list[ScoreLine]:
    """Return the block's values with scores, detector by detector; reds first, unscored last."""
    if found.current_attempt_id is None:
        return []
    values = list(
        QC1Value.objects.filter(row__attempt=found.current_attempt_id, row__is_current=True)
        .select_related("series__parameter__table", "series__setup", "row")
        .order_by("row__table__name", "row__detector", "series__parameter__order")
    )
    scores = {
        (score.series_id, score.row_id): score
        for score in Score.objects.filter(
            row__attempt=found.current_attempt_id, is_current=True
        ).select_related("rule")
    }
    sparks = _sparks([value for value in values if (value.series_id, value.row_id) in scores])
    trends = _trends(found, values)
    lines = [
        _line(
            value,
            scores.get((value.series_id, value.row_id)),
            sparks.get(value.series_id),
            trends.get(value.series_id),
        )
        for value in values
    ]
    return sorted(lines, key=_redness)


def _redness(line: ScoreLine) -> int:
    """Return the place of a value in the report: red, OK, and what could not be scored."""
    results: list[int | None] = [1, 0, None]
    return results.index(line.score.result) if line.score else len(results)


def _trends(found: AssociationBlock, values: list[QC1Value]) -> dict[int, Report]:
    """Return the report that draws each series, if one does."""
    datasets = Dataset.objects.filter(
        panel__report__instrument=found.instrument_id,
        parameter__in={value.series.parameter_id for value in values},
    ).select_related("panel__report__instrument")
    return {
        value.series_id: dataset.panel.report
        for dataset in datasets
        for value in values
        if matches(dataset, value.series)
    }


def _line(
    value: QC1Value, score: Score | None, spark: "Spark | None", report: Report | None
) -> ScoreLine:
    return ScoreLine(
        parameter=value.series.parameter,
        detector=value.row.detector,
        setup=value.series.setup.text,
        value=value,
        score=score,
        look=looks.result(score.result) if score else looks.NOTHING_YET,
        spark=spark,
        why=_why(value, score),
        report=report,
    )


def _why(value: QC1Value, score: Score | None) -> str:
    if value.missing_reason:
        return value.missing_reason
    if score is None or score.result is not None:
        return ""
    return score.get_grey_reason_text()


def _sparks(values: list[QC1Value]) -> dict[int, Spark]:
    """Return the recent past of each series up to the block; one query for all of them."""
    if not values:
        return {}
    until = values[0].mjd_obs
    found = QC1Value.objects.filter(
        series__in=[value.series_id for value in values],
        state__in=STANDING,
        mjd_obs__lte=until,
        mjd_obs__gte=until - 90,
        value__isnull=False,
    ).order_by("series", "mjd_obs")
    series: dict[int, list[tuple[float, float]]] = {}
    for one, mjd, number in found.values_list("series_id", "mjd_obs", "value"):
        series.setdefault(one, []).append((mjd, number or 0.0))
    limits = {
        score.series_id: score
        for score in Score.objects.filter(row__in=[v.row_id for v in values], is_current=True)
    }
    return {
        one: make_spark(points[-SPARK_POINTS:], limits[one].lower, limits[one].upper)
        for one, points in series.items()
        if one in limits
    }


def make_spark(
    points: list[tuple[float, float]], lower: float | None, upper: float | None
) -> Spark:
    numbers = [value for _, value in points] + [x for x in (lower, upper) if x is not None]
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0
    first, last = points[0][0], points[-1][0]
    width = (last - first) or 1.0

    def y(value: float) -> float:
        return round(20 - 18 * (value - low) / span, 1)

    drawn = [(round(2 + 106 * (mjd - first) / width, 1), y(value)) for mjd, value in points]
    return Spark(
        points=drawn[:-1],
        last=drawn[-1],
        lower_y=None if lower is None else y(lower),
        upper_y=None if upper is None else y(upper),
    )


def log(request: HttpRequest, ab_name: str, number: int) -> HttpResponse:
    """Show the log of an attempt: of a running one, as far as it has come."""
    found = find_block(ab_name)
    attempt = found.attempts.filter(number=number).first()
    if attempt is None:
        raise ProblemError(
            Problem(404, "Unknown attempt", f"{ab_name} has no attempt {number}.", where="number")
        )
    return render(
        request,
        "log.html",
        {"ab": found, "attempt": attempt, "log": read_log(attempt), "row": _row(found)},
    )


@require_POST
def certify(request: HttpRequest, ab_name: str) -> HttpResponse:
    found = find_block(ab_name)
    try:
        entry = decide(
            found,
            _decision(request),
            person(request),
            request.POST.get("comment", "")[:5000],
            seen=_seen(request),
            seen_attempt=_number(request, "attempt"),
            seen_result=_number(request, "result"),
            follow_ups=_follow_ups(request),
            at=timezone.now(),
        )
    except CertificationError as error:
        messages.error(request, error.message)
        keep_typed(request, ab_name, request.POST.get("comment", "")[:5000])
        keep_typed(request, f"reason {ab_name}", request.POST.get("reason", "")[:64])
        return redirect("block", ab_name=ab_name)
    note_decision(request, ab_name, entry.number, f"{ab_name} {entry.get_decision_display()}")
    messages.success(request, f"{ab_name}: {entry.get_decision_display()}.")
    n_users = found.used_by.values("block").distinct().count()
    if entry.decision == Decision.REJECTED and n_users:
        messages.warning(
            request,
            f"Blocks that used its products keep their results: {n_users}. They are named under "
            "Inputs, “Used by”.",
        )
        # What it has touched is looked at first.
        return redirect("block-replace", ab_name=ab_name)
    after = request.POST.get("next", "")
    is_known = after and AssociationBlock.objects.filter(ab_name=after).exists()
    return redirect("block", ab_name=after if is_known else ab_name)


def _follow_ups(request: HttpRequest) -> FollowUps:
    return FollowUps(
        request.POST.get("reason", "")[:64],
        hides="hide" in request.POST,
        is_badqual="badqual" in request.POST,
    )


@require_POST
def undo(request: HttpRequest, ab_name: str) -> HttpResponse:
    found = find_block(ab_name)
    try:
        take_back(found, person(request), "", seen=_seen(request), at=timezone.now())
    except CertificationError as error:
        messages.error(request, error.message)
    else:
        forget(request)
        messages.success(
            request, f"{ab_name}: the decision is taken back, the block is open again."
        )
    return redirect("block", ab_name=ab_name)


def _decision(request: HttpRequest) -> Decision:
    try:
        return Decision(request.POST.get("decision", ""))
    except ValueError as error:
        raise CertificationError("Choose to accept or to reject.", field="decision") from error


def _seen(request: HttpRequest) -> int:
    number = _number(request, "seen")
    return -1 if number is None else number


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.POST.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def product(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send a product as a file."""
    found = Product.objects.filter(pk=pk).first()
    root = Path(settings.HCM_DATA_DIR).resolve()
    path = (root / found.path).resolve() if found else root
    if found is None or not path.is_file() or not path.is_relative_to(root / "products"):
        raise ProblemError(
            Problem(404, "No such product", f"Product {pk} is not here.",
                    hint="It may have been cleaned up: `manage.py reprocess AB_NAME` makes it anew.")
        )  # fmt: skip
    return FileResponse(path.open("rb"), as_attachment=True, filename=found.name,
                        content_type="application/fits")  # fmt: skip
