"""Waivers: what is known to be missing or to fail, who said so, until when, and for how many blocks."""

import datetime as dt

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.models import AssociationBlock, Waiver, WaiverKind
from pipelines.models.blocks import waived
from pipelines.services.waivers import WaiverError, waive, withdraw
from qcweb.problems import Problem, ProblemError
from qcweb.web.views.blocks import find_block
from qcweb.web.views.nights import parse_night
from qcweb.web.views.people import keep_typed, person

# Withdrawn and ended ones are history: the newest of them are shown.
MOST_FORMER = 100


def show(request: HttpRequest) -> HttpResponse:
    waivers = Waiver.objects.select_related("instrument", "author", "withdrawn_by")
    counts = _counts()
    standing = waivers.open().order_by("instrument__name", "raw_type", "pk")
    return render(
        request,
        "waivers.html",
        {
            "waivers": [(one, counts.get(one.pk, 0)) for one in standing],
            "former": waivers.exclude(withdrawn_at=None).order_by("-withdrawn_at")[:MOST_FORMER],
            "today": timezone.now().date(),
        },
    )


def _counts() -> dict[int, int]:
    """Return how many blocks each waiver stands for now: two queries."""
    counts: dict[int, int] = {}
    open_ones = list(Waiver.objects.open())
    blocks = AssociationBlock.objects.filter(waived()).only(
        "instrument", "raw_type", "setup", "night", "completeness", "process_status"
    )
    for block in blocks:
        for one in open_ones:
            if one.covers(block):
                counts[one.pk] = counts.get(one.pk, 0) + 1
    return counts


@require_POST
def make(request: HttpRequest, ab_name: str) -> HttpResponse:
    """Waive what lacks or fails in a block, and in those like it, until a night."""
    found, reason = find_block(ab_name), request.POST.get("reason", "")
    try:
        waiver = waive(
            found, reason, person(request), timezone.now(), last_night=_until(request, found),
            every_setup="every_setup" in request.POST,
        )  # fmt: skip
    except WaiverError as error:
        keep_typed(request, f"waive {ab_name}", reason[:2000])
        messages.error(request, f"Not waived: {error}")
        return redirect("block", ab_name=ab_name)
    words = WaiverKind(waiver.kind).label
    messages.success(
        request,
        f"Waived until the night {waiver.last_night}: {waiver.raw_type} "
        f"{waiver.setup or 'of every set-up'} is {words}.",
    )
    return redirect("block", ab_name=ab_name)


def _until(request: HttpRequest, found: AssociationBlock) -> dt.date:
    text = request.POST.get("last_night", "")
    return parse_night(text) if text else found.night


@require_POST
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    found = Waiver.objects.filter(pk=pk).first()
    if found is None:
        raise ProblemError(Problem(404, "Unknown waiver", f"There is no waiver {pk}."))
    try:
        withdraw(found, person(request), timezone.now())
    except WaiverError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, f"Taken back: {found}. Its blocks wait for a person again.")
    return redirect("waivers")
