"""The page Work: who works, what waits and since when, what the machine did, and who asked what."""

import datetime as dt
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.models import Act, Attempt, Chore, Hold, HoldScope, Instrument, Round
from pipelines.services import control
from pipelines.services.progress import block_left_s, duration_text
from qcweb import monitor
from qcweb.acts import POOL
from qcweb.people.services.refresh import ask_refresh
from qcweb.problems import Problem, ProblemError
from qcweb.recipe_trends import RecipeTrend, recipe_trends
from qcweb.web.views.nights import find_instrument
from qcweb.web.views.people import person
from trending.models import Score
from trending.services.delay import TABLE as DELAY_TABLE

# Lines of each record on the page.
RECORDED = 20
BAR_HEIGHT = 40


@dataclass(frozen=True)
class Running:
    """A recipe that runs now; `left` by the median of its runs, `usual_mb` too."""

    attempt: Attempt
    left: str
    usual_mb: float | None


@dataclass(frozen=True)
class Bar:
    """One hour of the plot of throughput, as drawn."""

    hour: dt.datetime
    n: int
    n_bad: int
    x: int
    y: float
    height: float


@dataclass(frozen=True)
class Holdable:
    """The pool or an instrument, the hold that stands for it, and how many blocks it has to do."""

    name: str
    title: str
    hold: Hold | None
    n_waiting: int


def work(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    lines = monitor.workers(at)
    trends = recipe_trends()
    hours = monitor.throughput(at)
    return render(
        request,
        "work.html",
        {
            "workers": lines,
            "n_alive": sum(line.is_alive for line in lines),
            "queues": monitor.queues(at),
            "oldest": monitor.oldest_waiting(),
            "sweep": monitor.last_sweep(at),
            "bars": _bars(hours),
            "n_ended": sum(n for _, n, _ in hours),
            "most": max(n for _, n, _ in hours),
            "running": _running(trends, at),
            "trends": trends,
            "failures": monitor.machine_failures(),
            "holdables": _holdables(),
            "held_blocks": _held_blocks(),
            "acts": Act.objects.select_related("done_by", "block", "instrument")[:RECORDED],
            "chores": Chore.objects.all()[:RECORDED],
            "rounds": Round.objects.order_by("-pk")[:8],
            "delays": _delays(),
        },
    )


def _bars(hours: list[tuple[dt.datetime, int, int]]) -> list[Bar]:
    most = max(n for _, n, _ in hours) or 1
    bars = []
    for place, (hour, n, n_bad) in enumerate(hours):
        height = round(BAR_HEIGHT * n / most, 1)
        bars.append(Bar(hour, n, n_bad, 10 * place, BAR_HEIGHT - height, height))
    return bars


def _running(trends: list[RecipeTrend], at: dt.datetime) -> list[Running]:
    usual = {(one.instrument, one.recipe): one for one in trends}
    found = []
    for attempt in monitor.running():
        block = attempt.block
        trend = usual.get((block.instrument.name, attempt.recipe))
        left_s = block_left_s(block, trend.duration_s, at) if trend else None
        left = "" if left_s is None else duration_text(left_s) if left_s else "longer than usual"
        found.append(Running(attempt, left, trend.memory_mb if trend else None))
    return found


def _holdables() -> list[Holdable]:
    """Return the pool and every instrument, with the holds that stand and what waits."""
    waiting = dict(
        control.waiting_of(None)
        .values_list("instrument")
        .annotate(n=Count("pk"))
        .values_list("instrument", "n")
    )
    held = {
        (one.scope, one.subject): one
        for one in Hold.objects.exclude(scope=HoldScope.BLOCK).select_related("held_by")
    }
    pool = Holdable(POOL, "Everything", held.get((HoldScope.POOL, 0)), sum(waiting.values()))
    return [pool] + [
        Holdable(
            one.name, one.name, held.get((HoldScope.INSTRUMENT, one.pk)), waiting.get(one.pk, 0)
        )
        for one in Instrument.objects.observing()
    ]


def _held_blocks() -> int:
    return Hold.objects.filter(scope=HoldScope.BLOCK).count()


def _delays() -> list[Score]:
    """Return the newest judged delays from file to score, of the latest night first."""
    return list(
        Score.objects.filter(
            is_current=True,
            series__parameter__name="delay_p90",
            series__parameter__table__name=DELAY_TABLE,
        )
        .select_related("series__setup", "row")
        .order_by("-row__mjd_obs", "series__setup__text")[:6]
    )


@require_POST
def act(request: HttpRequest) -> HttpResponse:
    """Hold, release, cancel or put first what an instrument has to do, or everything."""
    wanted, name = request.POST.get("act", ""), request.POST.get("subject", "")
    if wanted not in {"hold", "release", "cancel", "first"}:
        raise ProblemError(
            Problem(400, "Unknown act", f"act={wanted!r} is nothing that can be done.",
                    where="act", hint="Known are hold, release, cancel, first.")
        )  # fmt: skip
    subject = None if name == POOL else find_instrument(name)
    what = "Everything" if subject is None else subject.name
    reason = request.POST.get("reason", "")[:2000]
    if said := _done(wanted, subject, person(request), reason):
        messages.success(request, f"{what}{said}")
    else:
        messages.warning(request, f"{what}: there was nothing to {_VERBS[wanted]}.")
    return redirect("monitor")


@require_POST
def refresh(request: HttpRequest, instrument: str) -> HttpResponse:
    """Ask that an instrument is looked at again now, and not with the next hourly round."""
    found = find_instrument(instrument)
    if ask_refresh(found, person(request), timezone.now()):
        messages.success(
            request,
            f"{found.name} is looked at again: new frames, blocks, what failed and may pass. "
            "“Beside the blocks” says what was found.",
        )
    else:
        messages.warning(request, f"{found.name}: a refresh was asked for and begins at once.")
    return redirect("monitor")


_VERBS = {"hold": "hold", "release": "release", "cancel": "cancel", "first": "put first"}


def _done(wanted: str, subject: Instrument | None, by: User, reason: str) -> str:
    """Do it; return what it did, in words, empty for nothing."""
    at = timezone.now()
    if wanted == "hold":
        return " is held: no new recipe starts." if control.hold(subject, at, by, reason) else ""
    if wanted == "release":
        return " is released." if control.release(subject, at, by, reason) else ""
    if wanted == "cancel":
        n = control.cancel_all(subject, at, by, reason)
        return f": {n} block{'s' * (n != 1)} cancelled." if n else ""
    n = control.run_all_first(subject, at, by)
    return f": {n} block{'s' * (n != 1)} put before all others." if n else ""
