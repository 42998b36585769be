"""What people say of a whole night: closed, open again, calibrations finished; and its cascade."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.models import AssociationBlock, NightEvent
from pipelines.services.nights import (
    NightError,
    close_night,
    is_calibrated,
    note_calibrated,
    reopen_night,
    state_of,
    what_is_left,
)
from qcweb.web.graph import cascade_graph
from qcweb.web.views.nights import find_instrument, parse_night
from qcweb.web.views.people import keep_typed, person, take_typed


def cascade(request: HttpRequest, instrument: str, night: str) -> HttpResponse:
    found, day = find_instrument(instrument), parse_night(night)
    blocks = list(AssociationBlock.objects.of_night(instrument, day).in_cascade_order())
    return render(
        request,
        "cascade.html",
        {"instrument": found, "night": day, "graph": cascade_graph(blocks), "n": len(blocks)},
    )


def close(request: HttpRequest, instrument: str, night: str) -> HttpResponse:
    """Show what is left of a night; posted, close it."""
    found, day = find_instrument(instrument), parse_night(night)
    left, about = what_is_left(found, day), f"close {instrument} {night}"
    events = NightEvent.objects.of_night(found, day).select_related("decided_by", "raw_file")
    if request.method == "POST":
        try:
            close_night(
                found, day, person(request), request.POST.get("comment", ""), _seen(request),
                timezone.now(),
            )  # fmt: skip
        except NightError as error:
            messages.error(request, str(error))
            keep_typed(request, about, request.POST.get("comment", "")[:2000])
            return redirect("night-close", instrument=instrument, night=night)
        messages.success(request, f"{instrument} {night} is closed.")
        return redirect("night", instrument=instrument, night=night)
    return render(
        request,
        "night_close.html",
        {
            "instrument": found,
            "night": day,
            "left": left,
            "typed": take_typed(request, about),
            "state": state_of(found, day),
            "events": events.order_by("-pk"),
            "is_calibrated": is_calibrated(found, day, timezone.now()),
        },
    )


def _seen(request: HttpRequest) -> dict[str, int]:
    """Return what the form said is left: ``left=WHAT:N`` as often as there is something."""
    seen = {}
    for text in request.POST.getlist("left"):
        what, _, n = text.rpartition(":")
        seen[what] = int(n) if n.isascii() and n.isdigit() and len(n) < 9 else -1
    return seen


@require_POST
def reopen(request: HttpRequest, instrument: str, night: str) -> HttpResponse:
    found, day = find_instrument(instrument), parse_night(night)
    try:
        reopen_night(found, day, person(request), request.POST.get("comment", ""), timezone.now())
        messages.success(request, f"{instrument} {night} is open again.")
    except NightError as error:
        messages.error(request, str(error))
    return redirect("night", instrument=instrument, night=night)


@require_POST
def calibrated(request: HttpRequest, instrument: str, night: str) -> HttpResponse:
    """Take down that the day's calibrations are finished: what lacks now is missing."""
    found, day = find_instrument(instrument), parse_night(night)
    note_calibrated(found, day, person(request), timezone.now())
    messages.success(request, f"{instrument} {night}: the day's calibrations are finished.")
    return redirect("plan", instrument=instrument)
