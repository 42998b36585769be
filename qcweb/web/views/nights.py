"""The AB monitor: one instrument, one night; and the list of nights."""

import datetime as dt

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.gzip import gzip_page

from pipelines.models import AssociationBlock, Instrument, RawFile
from pipelines.services.nights import state_of
from qcweb.access import rights_in
from qcweb.nightlines import night_lines
from qcweb.notes.models import Comment, News
from qcweb.problems import Problem, ProblemError
from qcweb.web.night_page import Night, draw, find_night
from qcweb.web.night_question import NightQuestion
from qcweb.web.views.people import take_typed

# Night pages of the list; older nights are reached by address and through the reports.
MAX_NIGHTS = 400


def find_instrument(name: str) -> Instrument:
    instrument = Instrument.objects.filter(name=name).first()
    if instrument is None:
        raise _unknown_instrument(name)
    return instrument


def _unknown_instrument(name: str) -> ProblemError:
    known = ", ".join(Instrument.objects.observing().values_list("name", flat=True)) or "none yet"
    return ProblemError(
        Problem(404, "Unknown instrument", f"There is no instrument {name!r}.",
                where="instrument", hint=f"Known are {known}.")
    )  # fmt: skip


def parse_night(text: str) -> dt.date:
    try:
        night = dt.date.fromisoformat(text)
    except ValueError:
        night = dt.date.min
    # Room on both sides for whoever counts nights from it.
    if not 1900 <= night.year < 2200:
        raise ProblemError(
            Problem(404, "Unknown night", f"{text!r} is no night.",
                    where="night", hint="Nights are dates: 2015-02-26.")
        )  # fmt: skip
    return night


def nights(request: HttpRequest) -> HttpResponse:
    newest = (
        AssociationBlock.objects.order_by("-night")
        .values_list("night", flat=True)
        .distinct()[:MAX_NIGHTS]
    )
    lines = night_lines(AssociationBlock.objects.filter(night__in=list(newest)))
    return render(
        request, "nights.html", {"lines": lines, "instruments": Instrument.objects.observing()}
    )


@gzip_page
def night(request: HttpRequest, instrument: str, night: str) -> HttpResponse:
    """Show a night; asked by the page itself, only its live part, and 304 when nothing changed."""
    at, day = timezone.now(), parse_night(night)
    question = NightQuestion.read(request.GET)
    if len(request.GET.getlist("columns")) > 1:
        # The form without a script names each column by itself; the address is one word.
        return redirect(request.path + question.address())
    found = find_night(instrument, day, at)
    if found is None:
        raise _unknown_instrument(instrument)
    role = "certifies" if found.instrument in rights_in(request).science else "reads"
    if request.headers.get("HX-Request"):
        return _refresh(request, found, question, role, at)
    return render(
        request,
        "night.html",
        {
            "instrument": found.instrument,
            "night": day,
            "found": found,
            "question": question,
            "drawn": draw(found, question, role),
            "state": state_of(found.instrument, day),
            "comments": Comment.objects.of_night(found.instrument, day) if found.n_comments else [],
            "typed_comment": take_typed(request, f"comment {request.path}"),
            "news_here": News.objects.seen_on(timezone.now().date(), instrument),
        },
    )


def _refresh(
    request: HttpRequest, found: Night, question: NightQuestion, role: str, at: dt.datetime
) -> HttpResponse:
    """Answer the live refresh.

    A browser that opens the page anew gets it without this stamp: it would show the old one with its
    old time, and call it stale.
    """
    etag = f'"{found.stamp(question, role, at)}"'
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        return unchanged
    context = {"instrument": found.instrument, "night": found.day,
               "drawn": draw(found, question, role)}  # fmt: skip
    # Nor is there a request in this one: it has nothing of the person who asks.
    response = HttpResponse(render_to_string("night_refresh.html", context))
    response["ETag"] = etag
    return response


def frames(request: HttpRequest, instrument: str, night: str) -> HttpResponse:
    found, day = find_instrument(instrument), parse_night(night)
    raw_files = (
        RawFile.objects.filter(instrument=found, night=day)
        .prefetch_related("block_frames__block")
        .order_by("mjd_obs")
    )
    return render(
        request, "frames.html", {"instrument": found, "night": day, "raw_files": raw_files}
    )
