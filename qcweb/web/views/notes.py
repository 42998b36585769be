"""Comments on nights, blocks, frames and plots; news."""

import datetime as dt
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.models import AssociationBlock, Instrument, RawFile
from qcweb.access import rights_in
from qcweb.notes.models import Comment, News
from qcweb.notes.services import About, NoteError, Readers, withdraw, write_comment, write_news
from qcweb.problems import Problem, ProblemError
from qcweb.web.views.nights import find_instrument, parse_night
from qcweb.web.views.people import keep_typed, person, take_typed
from trending.models import Report


@require_POST
def comment(request: HttpRequest, instrument: str) -> HttpResponse:
    """Write a comment on what the form names."""
    about, by, text = _about(request, instrument), person(request), request.POST.get("text", "")
    back = _back(request)
    try:
        write_comment(about, text, by, timezone.now())
    except NoteError as error:
        keep_typed(request, f"comment {back}", text[:5000])
        messages.error(request, f"Not written: {error}")
    else:
        messages.success(request, "The comment is written.")
    return redirect(back)


def _about(request: HttpRequest, instrument: str) -> About:
    found = find_instrument(instrument)
    given = {name: request.POST.get(name, "") for name in ("ab_name", "frame", "report", "night")}
    if ab_name := given["ab_name"]:
        block = AssociationBlock.objects.filter(ab_name=ab_name, instrument=found).first()
        return About(found, night=block.night, block=block) if block else _lost("block", ab_name)
    if number := given["frame"]:
        is_number = number.isascii() and number.isdigit() and len(number) < 15
        frames = RawFile.objects.filter(pk=number if is_number else 0, instrument=found)
        frame = frames.first()
        return About(found, night=frame.night, frame=frame) if frame else _lost("frame", number)
    if name := given["report"]:
        is_known = Report.objects.filter(instrument=found, name=name).exists()
        plot = request.POST.get("plot", "")[:200]
        return About(found, report=name, plot=plot) if is_known else _lost("report", name)
    return About(found, night=parse_night(given["night"]))


def _lost(what: str, name: str) -> About:
    raise ProblemError(Problem(404, f"Unknown {what}", f"There is no {what} {name!r}.", where=what))


@require_POST
def withdraw_comment(request: HttpRequest, pk: int) -> HttpResponse:
    return _withdraw(request, Comment.objects.filter(pk=pk).first())


@require_POST
def withdraw_news(request: HttpRequest, pk: int) -> HttpResponse:
    return _withdraw(request, News.objects.filter(pk=pk).first())


def _withdraw(request: HttpRequest, note: Comment | News | None) -> HttpResponse:
    by, science = person(request), rights_in(request).science
    if note is None:
        raise ProblemError(Problem(404, "Unknown note", "There is no such note."))
    is_theirs = note.instrument in science if note.instrument else science.is_all
    if note.author_id != by.pk and not is_theirs:
        raise ProblemError(
            Problem(403, "Not yours to withdraw", "Its author can, or a QC scientist.")
        )
    try:
        withdraw(note, by, timezone.now())
    except NoteError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, f"Withdrawn: “{note}”")
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    """Return the page of ours that the form stands on."""
    path = urlsplit(request.POST.get("back", "")).path
    try:
        resolve(path)
    except Resolver404:
        return "/"
    return path


def news(request: HttpRequest) -> HttpResponse:
    """Show all news; posted, write one."""
    typed = {"text": take_typed(request, "news")}
    if request.method == "POST":
        try:
            write_news(_readers(request), request.POST.get("text", ""), person(request),
                       timezone.now(), until=_day(request.POST.get("until", "")))  # fmt: skip
        except NoteError as error:
            messages.error(request, f"Not written: {error}")
            keep_typed(request, "news", request.POST.get("text", "")[:5000])
        else:
            messages.success(request, "The news is written.")
        return redirect("news")
    found = News.objects.filter(withdrawn_at=None).select_related("author", "instrument")
    return render(
        request,
        "news.html",
        {
            "news": found.order_by("-written_at")[:200],
            "instruments": Instrument.objects.observing().order_by("name"),
            "reports": Report.objects.select_related("instrument").order_by("instrument", "name"),
            "typed": typed,
            "today": timezone.now().date(),
        },
    )


def _readers(request: HttpRequest) -> Readers:
    text = request.POST.get("scope", "")
    kind, _, name = text.partition(":")
    if kind == "general":
        return Readers()
    if kind in {"instrument", "report"}:
        instrument, _, report = name.partition("/")
        found = find_instrument(instrument)
        if kind == "instrument":
            return Readers(found)
        if Report.objects.filter(instrument=found, name=report).exists():
            return Readers(found, report)
    raise ProblemError(
        Problem(400, "Unknown scope", f"scope={text!r}.", where="scope",
                hint="Known are general, instrument:<name>, report:<instrument>/<name>.")
    )  # fmt: skip


def _day(text: str) -> dt.date | None:
    return parse_night(text) if text else None
