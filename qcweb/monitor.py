"""How the work goes: who is there to do it, what waits, since when; for the page and the metrics.

Nothing here reads all blocks or all runs: what waits is counted by the database, and of the runs
only the latest are looked at.
"""

import datetime as dt
from dataclasses import dataclass, field

from django.conf import settings
from django.db.models import BooleanField, Case, Count, Max, Q, QuerySet, When
from django.db.models.functions import Coalesce, TruncHour

from pipelines.models import (
    AssociationBlock,
    Attempt,
    Chore,
    FailureKind,
    Instrument,
    NextStep,
    Outcome,
    ProcessStatus,
    Worker,
)
from pipelines.services.workers import SILENCE, living_workers
from qcweb.queues import route

# So many of the latest runs are looked at: at a large site, of about a day.
LATEST_RUNS = 20_000
# A worker that fell silent without a word is shown for so long.
REMEMBERED = dt.timedelta(days=2)
# The sweep is stale when it has not run for so many times its interval.
STALE_SWEEPS = 10
MACHINE_FAILURES = (FailureKind.ENVIRONMENT, FailureKind.TIMEOUT, FailureKind.MEMORY)


@dataclass
class Queues:
    """What is not at rest: by what it waits for, and by the queue its message goes to."""

    ready: int = 0
    blocked: int = 0
    running: int = 0
    later: int = 0
    held: int = 0
    by_queue: dict[str, int] = field(default_factory=dict)
    # Queues that have something to do, and no living worker that reads them.
    unread: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        return self.ready + self.blocked + self.running + self.later + self.held


@dataclass(frozen=True)
class Line:
    """A worker as the page shows it."""

    worker: Worker
    is_alive: bool


@dataclass(frozen=True)
class Oldest:
    """The block that has waited longest."""

    block: AssociationBlock
    since: dt.datetime
    why: str


@dataclass(frozen=True)
class Sweep:
    """When everything that is not at rest was last looked at."""

    at: dt.datetime | None
    said: str
    age_s: float | None

    @property
    def is_stale(self) -> bool:
        return self.age_s is None or self.age_s > STALE_SWEEPS * settings.HCM_SWEEP_S


def not_at_rest() -> QuerySet[AssociationBlock]:
    return AssociationBlock.objects.exclude(next_step=NextStep.REST)


def queues(at: dt.datetime) -> Queues:
    """Count what is to be done, in two queries and one for the workers."""
    is_later = Case(When(next_try_at__gt=at, then=True), default=False, output_field=BooleanField())
    counts = list(
        not_at_rest()
        .marked_held()  # type: ignore[attr-defined]
        .annotate(is_later=is_later)
        .values_list(
            "instrument_id", "recipe", "next_step", "process_status", "is_held", "is_later"
        )
        .annotate(n=Count("pk"))
        .order_by()
    )
    instruments = Instrument.objects.in_bulk({row[0] for row in counts})
    read = {name for names in living_workers().values_list("queues", flat=True) for name in names}
    found = Queues()
    for instrument, recipe, step, status, is_held, is_late, n in counts:
        kind = _kind(status, is_held=is_held, is_later=is_late)
        setattr(found, kind, getattr(found, kind) + n)
        if kind == "ready":
            # One stands for all of its recipe: the queue depends on nothing else.
            one = AssociationBlock(
                instrument=instruments[instrument], recipe=recipe, next_step=step
            )
            name = route(one, read)
            found.by_queue[name] = found.by_queue.get(name, 0) + n
    found.unread = sorted(name for name in found.by_queue if name not in read)
    return found


def _kind(status: str, *, is_held: bool, is_later: bool) -> str:
    if status == ProcessStatus.RUNNING:
        return "running"
    if is_held:
        return "held"
    if status == ProcessStatus.BLOCKED:
        return "blocked"
    return "later" if is_later else "ready"


def workers(at: dt.datetime) -> list[Line]:
    """Return the workers that are alive, and those that fell silent without a word."""
    known = Worker.objects.filter(stopped_at=None, seen_at__gte=at - REMEMBERED)
    lines = [Line(one, is_alive=at - one.seen_at <= SILENCE) for one in known[:200]]
    return sorted(lines, key=lambda line: (not line.is_alive, line.worker.name))


def oldest_waiting() -> Oldest | None:
    """Return the block that has waited longest for its next step, with the reason."""
    block = (
        not_at_rest()
        .exclude(process_status=ProcessStatus.RUNNING)
        .marked_held()  # type: ignore[attr-defined]
        .annotate(since=Coalesce("status_at", "changed_at"))
        .select_related("instrument", "blocked_by")
        .order_by("since", "pk")
        .first()
    )
    return Oldest(block, block.since, _why(block)) if block else None


def _why(block: AssociationBlock) -> str:
    if block.is_held:  # type: ignore[attr-defined]
        return "held"
    if block.process_status == ProcessStatus.BLOCKED and block.blocked_by:
        return f"waits for {block.blocked_by.ab_name}"
    if block.next_try_at is not None:
        return f"tried again at {block.next_try_at:%H:%M:%S} UT; {block.reason}".strip("; ")
    if block.next_step == NextStep.PROCESS:
        return "waits for a worker"
    return f"to {block.get_next_step_display()}"


def latest_runs() -> QuerySet[Attempt]:
    """Return the runs that began last: a range of keys, so that no archive is read."""
    newest = Attempt.objects.aggregate(pk=Max("pk"))["pk"] or 0
    return Attempt.objects.filter(pk__gt=newest - LATEST_RUNS)


def throughput(at: dt.datetime, hours: int = 24) -> list[tuple[dt.datetime, int, int]]:
    """Return each hour with the runs that ended in it: how many, and how many of them failed."""
    this_hour = at.replace(minute=0, second=0, microsecond=0)
    begin = this_hour - dt.timedelta(hours=hours - 1)
    counts = {
        hour: (n, n_bad)
        for hour, n, n_bad in latest_runs()
        .filter(finished_at__gte=begin)
        .annotate(hour=TruncHour("finished_at"))
        .values_list("hour")
        .annotate(
            n=Count("pk"), bad=Count("pk", filter=Q(outcome__in=[Outcome.FAILED, Outcome.LOST]))
        )
        .order_by()
    }
    steps = [begin + dt.timedelta(hours=n) for n in range(hours)]
    return [(step, *counts.get(step, (0, 0))) for step in steps]


def running() -> QuerySet[Attempt]:
    """Return the recipes that run now, the longest first."""
    return (
        latest_runs()
        .filter(outcome=Outcome.RUNNING, block__process_status=ProcessStatus.RUNNING)
        .select_related("block__instrument")
        .order_by("started_at")[:100]
    )


def machine_failures() -> QuerySet[Attempt]:
    """Return the latest runs that failed for a reason of the machine, or were lost with it."""
    return (
        latest_runs()
        .filter(Q(failure_kind__in=MACHINE_FAILURES) | Q(outcome=Outcome.LOST))
        .select_related("block__instrument")
        .order_by("-pk")[:8]
    )


def last_sweep(at: dt.datetime) -> Sweep:
    row = Chore.objects.filter(name="sweep").order_by("-started_at").first()
    if row is None:
        return Sweep(None, "", None)
    return Sweep(row.started_at, row.said, max(0.0, (at - row.started_at).total_seconds()))
