"""How far the work has come, and how long the rest may take by the recipes' own history."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from statistics import median

from django.db.models import Q, QuerySet
from django.utils import timezone

from pipelines.models import (
    AssociationBlock,
    Attempt,
    Completeness,
    NextStep,
    Outcome,
    ProcessStatus,
)

from .workers import living_workers

# So many of the latest runs tell how long a recipe takes.
HISTORY = 20


@dataclass(frozen=True)
class Progress:
    """How the blocks of a night, or any others, stand with their work.

    Attributes
    ----------
    n_blocks
        Those that can be processed: complete, and with a recipe.
    n_done, n_failed, n_running, n_waiting, n_blocked, n_held
        At rest after success; at rest after failure; in their recipe; to be taken up; waiting for
        another block; kept from starting by a hold (some of those that wait).
    left_s
        Seconds until all is done, by the median of each recipe's latest runs and the workers there
        are; None where a recipe has never run.
    """

    n_blocks: int
    n_done: int
    n_failed: int
    n_running: int
    n_waiting: int
    n_blocked: int
    n_held: int
    left_s: float | None

    @property
    def n_open(self) -> int:
        return self.n_blocks - self.n_done - self.n_failed

    @property
    def n_ended(self) -> int:
        return self.n_done + self.n_failed

    def __str__(self) -> str:
        parts = [f"{self.n_done} of {self.n_blocks} done"]
        counts = {
            "failed": self.n_failed, "running": self.n_running,
            "queued": self.n_waiting, "blocked": self.n_blocked, "of them held": self.n_held,
        }  # fmt: skip
        parts += [f"{n} {word}" for word, n in counts.items() if n]
        if self.n_open and self.left_s is not None:
            parts.append(f"about {duration_text(self.left_s)} left")
        return ", ".join(parts)


def duration_text(seconds: float) -> str:
    """Write a duration as people say it.

    >>> duration_text(0.4), duration_text(75), duration_text(7260)
    ('1 s', '1 min 15 s', '2 h 1 min')
    """
    whole = max(1, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def usual_durations(recipes: Iterable[tuple[int, str]]) -> dict[tuple[int, str], float]:
    """Return the median run time (s) of recipes, each named with its instrument's key; one query."""
    wanted = set(recipes)
    if not wanted:
        return {}
    latest = reduce(or_, (Q(pk__in=_latest_runs(*one)) for one in wanted))
    found: dict[tuple[int, str], list[float]] = {}
    for instrument, recipe, duration in Attempt.objects.filter(latest).values_list(
        "block__instrument", "recipe", "duration_s"
    ):
        found.setdefault((instrument, recipe), []).append(duration or 0.0)
    return {one: median(durations) for one, durations in found.items()}


def _latest_runs(instrument: int, recipe: str) -> QuerySet[Attempt, int]:
    return (
        Attempt.objects.filter(
            recipe=recipe,
            block__instrument=instrument,
            outcome__in=[Outcome.SUCCESSFUL, Outcome.DEGRADED],
            reused=None,
            duration_s__isnull=False,
        )
        .order_by("-pk")
        .values_list("pk", flat=True)[:HISTORY]
    )


def n_hands() -> int:
    """Return how many recipes can run at the same time, by the workers that are alive."""
    return sum(max(1, one) for one in living_workers().values_list("concurrency", flat=True))


def progress(blocks: Iterable[AssociationBlock]) -> Progress:
    """Count blocks by what is left to do for them, and estimate how long that takes."""
    able = [one for one in blocks if one.completeness == Completeness.COMPLETE and one.recipe]
    open_ones = [one for one in able if one.next_step != NextStep.REST]
    of = dict.fromkeys(ProcessStatus, 0)
    for block in open_ones:
        of[ProcessStatus(block.process_status)] += 1
    at_rest = [one for one in able if one.next_step == NextStep.REST]
    n_done = sum(one.process_status == ProcessStatus.SUCCESSFUL for one in at_rest)
    return Progress(
        n_blocks=len(able),
        n_done=n_done,
        n_failed=len(at_rest) - n_done,
        n_running=of[ProcessStatus.RUNNING],
        n_blocked=of[ProcessStatus.BLOCKED],
        n_held=_n_held(open_ones),
        n_waiting=len(open_ones) - of[ProcessStatus.RUNNING] - of[ProcessStatus.BLOCKED],
        left_s=_left_s(open_ones),
    )


def _n_held(open_ones: list[AssociationBlock]) -> int:
    if all(hasattr(one, "is_held") for one in open_ones):
        return sum(one.is_held for one in open_ones)  # type: ignore[attr-defined]
    waiting = [one.pk for one in open_ones if one.process_status != ProcessStatus.RUNNING]
    return AssociationBlock.objects.filter(pk__in=waiting).held().count() if waiting else 0


def _left_s(open_ones: list[AssociationBlock]) -> float | None:
    hands = n_hands()
    if not hands:
        return None  # nobody does it
    to_run = [one for one in open_ones if one.next_step == NextStep.PROCESS]
    usual = usual_durations((one.instrument_id, one.recipe) for one in to_run)
    at = timezone.now()
    left = [block_left_s(one, usual.get((one.instrument_id, one.recipe)), at) for one in to_run]
    known = [one for one in left if one is not None]
    if len(known) < len(left):
        return None
    return max(sum(known) / hands, max(known, default=0.0))


def block_left_s(block: AssociationBlock, usual_s: float | None, at: dt.datetime) -> float | None:
    """Return how long (s) a block's recipe may still take; None where it has never run."""
    if usual_s is None:
        return None
    if block.process_status == ProcessStatus.RUNNING and block.status_at is not None:
        return max(0.0, usual_s - (at - block.status_at).total_seconds())
    return usual_s
