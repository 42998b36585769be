"""How the work on a block or a night goes, in words for its page."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from pipelines.models import AssociationBlock, Hold, HoldScope, NextStep, ProcessStatus
from pipelines.services.progress import (
    Progress,
    block_left_s,
    duration_text,
    progress,
    usual_durations,
)


@dataclass(frozen=True)
class Work:
    """What can be done about a block's work now, and how far it has come."""

    holds: list[Hold]
    is_waiting: bool
    is_running: bool
    left: str
    percent: int | None

    @property
    def own_hold(self) -> Hold | None:
        return next((one for one in self.holds if one.scope == HoldScope.BLOCK), None)

    @property
    def is_open(self) -> bool:
        return self.is_waiting or self.is_running


def holds_of(block: AssociationBlock) -> list[Hold]:
    """Return what keeps a block's recipe from starting, the widest first."""
    wanted = {
        (HoldScope.POOL, 0),
        (HoldScope.INSTRUMENT, block.instrument_id),
        (HoldScope.BLOCK, block.pk),
    }
    found = Hold.objects.filter(subject__in=[0, block.instrument_id, block.pk])
    order = {scope: n for n, scope in enumerate(HoldScope.values)}
    return sorted(
        (one for one in found.select_related("held_by") if (one.scope, one.subject) in wanted),
        key=lambda one: order[one.scope],
    )


def work_of(block: AssociationBlock) -> Work:
    """Return how a block's work stands; the time left is by the median of its recipe's runs."""
    is_waiting = block.next_step == NextStep.PROCESS
    is_running = block.process_status == ProcessStatus.RUNNING
    left, percent = "", None
    if is_running:
        key = (block.instrument_id, block.recipe)
        usual = usual_durations([key]).get(key)
        left_s = block_left_s(block, usual, timezone.now())
        if usual and left_s is not None:
            percent = min(99, round(100 * (1 - left_s / usual)))
            left = f"about {duration_text(left_s)} left" if left_s else "longer than usual"
    return Work(holds_of(block), is_waiting and not is_running, is_running, left, percent)


def night_progress(blocks: Iterable[AssociationBlock]) -> Progress | None:
    """Return how far a night's work has come; None when nothing is left to do."""
    found = list(blocks)
    if all(one.next_step == NextStep.REST for one in found):
        return None
    return progress(found)
