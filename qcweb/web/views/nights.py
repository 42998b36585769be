"""The AB monitor: one instrument, one night; and the list of nights."""

import datetime as dt
import hashlib

from django.conf import settings
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import condition

from pipelines.models import (
    AssociationBlock,
    Instrument,
    NightEvent,
    RawFile,
)
from pipelines.services.nights import state_of
from qcweb.board import FILTERS, BoardRow, make_board
from qcweb.nightlines import night_lines
from qcweb.notes.models import Comment, News
from qcweb.problems import Problem, ProblemError
from qcweb.web.progress import night_progress
from qcweb.web.views.people import take_typed

SORTS = ("index", "ab_name", "raw_type", "setup", "recipe", "status", "time", "score", "certif")
# Night pages of the list; older nights are reached by address and through the reports.
MAX_NIGHTS = 400


def find_instrument(name: str) -> Instrument:
    instrument = Instrument.objects.filter(name=name).first()
    if instrument is None:
        known = (
            ", ".join(Instrument.objects.observing().values_list("name", flat=True)) or "none yet"
        )
        raise ProblemError(
            Problem(404, "Unknown instrument", f"There is no instrument {name!r}.",
                    where="instrument", hint=f"Known are {known}.")
        )  # fmt: skip
    return instrument


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
    return render(request, "nights.html", {"lines": lines})


def _night_stamp(request: HttpRequest, instrument: str, night: str) -> str | None:
    """Return what a night's page depends on, so that an unchanged one is answered with 304.

    For the live refresh only: a browser that opens the page anew would show the old one with its
    old time, and call it stale.
    """
    if not request.headers.get("HX-Request"):
        return None
    day = parse_night(night)
    blocks = AssociationBlock.objects.of_night(instrument, day)
    frames = RawFile.objects.filter(instrument__name=instrument, night=day)
    parts = [
        *blocks.aggregate(at=Max("changed_at"), n=Count("pk")).values(),
        *blocks.aggregate(Max("certifications__pk"), Max("block_scores__pk")).values(),
        *frames.aggregate(
            Max("pk"), Count("pk"), Count("gone_at"), Count("hidden_at"), Max("organised_at")
        ).values(),
        *NightEvent.objects.of_night(find_instrument(instrument), day)
        .aggregate(Max("pk"))
        .values(),
        request.user.pk,
        settings.VERSION,
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest().join('""')


@condition(etag_func=_night_stamp)
def night(request: HttpRequest, instrument: str, night: str) -> HttpResponse:
    found, day = find_instrument(instrument), parse_night(night)
    blocks = list(
        AssociationBlock.objects.of_night(instrument, day)
        .in_cascade_order()
        .select_related("blocked_by", "current_attempt")
    )
    board = make_board(blocks, timezone.now())
    chosen = request.GET.get("show", "all")
    if chosen not in FILTERS:
        raise ProblemError(
            Problem(400, "Unknown filter", f"show={chosen!r} is no filter.",
                    where="show", hint=f"Known are {', '.join(FILTERS)}.")
        )  # fmt: skip
    before, after = _neighbours(found, day)
    return render(
        request,
        "night.html",
        {
            "instrument": found,
            "night": day,
            "progress": night_progress(blocks),
            "board": board,
            "rows": _sorted(request, [row for row in board.rows if chosen in row.filters]),
            "show": chosen,
            "sort": request.GET.get("sort", "index"),
            "query": request.GET.get("q", "")[:200],
            "raw_types": sorted({block.raw_type for block in blocks}),
            "before": before,
            "after": after,
            "last": _last_night(found) if not blocks else None,
            "others": _other_frames(found, day),
            "comments": Comment.objects.of_night(found, day),
            "typed_comment": take_typed(request, f"comment {request.path}"),
            "news_here": News.objects.seen_on(timezone.now().date(), instrument),
            "state": state_of(found, day),
        },
    )


def _sorted(request: HttpRequest, rows: list[BoardRow]) -> list[BoardRow]:
    """Sort by a column; anything but the cascade order takes the folds apart."""
    wanted = request.GET.get("sort", "index")
    name = wanted.removeprefix("-")
    if name not in SORTS:
        raise ProblemError(
            Problem(400, "Unknown column", f"sort={wanted!r}.",
                    where="sort", hint=f"Known are {', '.join(SORTS)}; - before it turns round.")
        )  # fmt: skip
    keys = {
        "index": lambda row: row.index,
        "ab_name": lambda row: row.block.ab_name,
        "raw_type": lambda row: row.block.raw_type,
        "setup": lambda row: row.block.setup,
        "recipe": lambda row: row.block.recipe,
        "status": lambda row: row.process.word,
        "time": lambda row: row.duration_s or 0,
        "score": lambda row: (row.n_nok, row.n_scored),
        "certif": lambda row: row.certification.word,
    }
    return sorted(rows, key=keys[name], reverse=wanted.startswith("-"))


def _neighbours(instrument: Instrument, day: dt.date) -> tuple[dt.date | None, dt.date | None]:
    nights = AssociationBlock.objects.filter(instrument=instrument).values_list("night", flat=True)
    before = nights.filter(night__lt=day).order_by("-night").first()
    after = nights.filter(night__gt=day).order_by("night").first()
    return before, after


def _last_night(instrument: Instrument) -> dt.date | None:
    return (
        AssociationBlock.objects.filter(instrument=instrument)
        .order_by("-night")
        .values_list("night", flat=True)
        .first()
    )


def _other_frames(instrument: Instrument, day: dt.date) -> dict[str, int]:
    """Return how many frames of the night are in no block, and why."""
    frames = RawFile.objects.filter(instrument=instrument, night=day)
    return frames.aggregate(
        all=Count("pk"),
        science=Count("pk", filter=Q(is_science=True)),
        unclassified=Count("pk", filter=Q(raw_type="", pro_catg="")),
        damaged=Count("pk", filter=~Q(problem="")),
        gone=Count("pk", filter=Q(gone_at__isnull=False)),
        hidden=Count("pk", filter=Q(hidden_at__isnull=False)),
    )


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
