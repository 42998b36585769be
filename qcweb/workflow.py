"""The order of work: process, extract, score, certify. Each block's next step is in the database.

`advance` does one step of one block and says which blocks have something to do now. Any number of
workers may call it for the same block at the same time: a step is taken once.
"""

import datetime as dt
import logging
import time
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from pipelines.models import AssociationBlock, FailureKind, NextStep, Outcome, ProcessStatus
from pipelines.services.attempts import back_off, note_qc_duration
from pipelines.services.process import process_block, waiting_for
from pipelines.services.publish import offer_products
from pipelines.services.recover import recover_lost
from qcweb.certification.services.automatic import settle
from qcweb.queues import queues_read, route
from trending.services.extract import extract
from trending.services.score import score_new_run

logger = logging.getLogger(__name__)


def advance(block_id: int) -> list[int]:
    """Do a block's next step; return the blocks to advance next."""
    before = _read(block_id)
    after = _step(before) if before else None
    if before is None or after is None:
        return []
    ones = [block_id] if _goes_on(after) else []
    # Whoever waits for its products can go on when they are there, and looks again at the end.
    return ones if before.next_step == NextStep.EXTRACT else [*ones, *_released(after)]


def advance_to_rest(block_id: int) -> list[int]:
    """Do a block's steps as long as they follow each other at once; return whom to advance then.

    Each step is a transaction of its own: ended in between, the sweep goes on from there.
    """
    block, has_done = _read(block_id), False
    while block and (after := _step(block)):
        block, has_done = after, True
        if not _goes_on(block):
            break
    return _released(block) if block and has_done else []


def _read(block_id: int) -> AssociationBlock | None:
    blocks = AssociationBlock.objects.select_related("instrument", "current_attempt")
    return blocks.filter(pk=block_id).first()


def _read_again(block: AssociationBlock) -> AssociationBlock | None:
    """Return a block as its step has left it; its instrument was read a moment ago."""
    after = AssociationBlock.objects.select_related("current_attempt").filter(pk=block.pk).first()
    if after is not None:
        after.instrument = block.instrument
    return after


def _step(block: AssociationBlock) -> AssociationBlock | None:
    """Do a block's next step; return it as it is then, None when there was nothing to do."""
    if block.next_step == NextStep.REST or not _is_due(block, timezone.now()):
        return None
    if block.next_step != NextStep.PROCESS:
        _take_step(block, NextStep(block.next_step))
    elif not _process(block):
        return None
    return _read_again(block)


def _goes_on(block: AssociationBlock) -> bool:
    return block.next_step != NextStep.REST and block.next_try_at is None


def _released(block: AssociationBlock) -> list[int]:
    """Return the blocks that wait for one, if it has come to an end."""
    has_ended = block.process_status in {ProcessStatus.SUCCESSFUL, ProcessStatus.FAILED}
    return waiting_for(block) if has_ended else []


def _is_due(block: AssociationBlock, at: dt.datetime) -> bool:
    if block.process_status == ProcessStatus.RUNNING:
        return False
    # A blocked block is looked at early when its producer has come to an end.
    return (
        block.next_try_at is None
        or block.next_try_at <= at
        or block.process_status == ProcessStatus.BLOCKED
    )


def _process(block: AssociationBlock) -> bool:
    try:
        return process_block(block)
    except Exception as error:
        _note_unready(block, error, timezone.now())
        raise


def _note_unready(block: AssociationBlock, error: Exception, at: dt.datetime) -> None:
    """Leave a block alone for a while whose run could not even begin; so many times, for good."""
    gives_up = block.n_failures + 1 >= settings.HCM_MAX_ATTEMPTS
    said = f"{type(error).__name__}: {error}".replace("\x00", "")[:1000]
    # Once it was claimed, its attempt has written what went wrong.
    AssociationBlock.objects.filter(
        pk=block.pk, attempt=block.attempt, next_step=NextStep.PROCESS
    ).exclude(process_status=ProcessStatus.RUNNING).update(
        process_status=ProcessStatus.FAILED,
        failure_kind=FailureKind.ENVIRONMENT,
        reason=f"Its run could not begin. {said}",
        next_step=NextStep.REST if gives_up else NextStep.PROCESS,
        next_try_at=None if gives_up else at + back_off(block.n_failures + 1),
        n_failures=F("n_failures") + 1,
        priority=0,
        needs_person=gives_up,
        changed_at=at,
    )


def _take_step(block: AssociationBlock, step: NextStep) -> None:
    """Do a step that only writes to the database, and move to the next, in one transaction."""
    after = {
        NextStep.EXTRACT: NextStep.CERTIFY,
        NextStep.CERTIFY: NextStep.REST,
    }[step]
    at = timezone.now()
    try:
        if step == NextStep.EXTRACT and block.current_attempt is not None:
            # Before the step, and doing it twice does no harm: a worker that ends here forgets
            # nothing. Whom it helps is queued, and the sweep finds it.
            block.current_attempt.block = block
            offer_products(block.current_attempt, at)
        with transaction.atomic():
            taken = _at_step(block, step).update(
                next_step=after, next_try_at=None, changed_at=at, **_as_its_run_left_it(block)
            )
            if taken:
                _do_step(block, step, at)
    except Exception as error:
        _note_failure(block, step, error, at)
        raise


def _at_step(block: AssociationBlock, step: NextStep) -> QuerySet[AssociationBlock]:
    # Of this very result: an earlier one may have been made the current one meanwhile.
    return AssociationBlock.objects.filter(
        pk=block.pk,
        attempt=block.attempt,
        current_attempt=block.current_attempt_id,
        next_step=step,
    )


def _as_its_run_left_it(block: AssociationBlock) -> dict[str, object]:
    """Return what takes back the marks of a step that failed before and works now."""
    run = block.current_attempt
    if run is None or not block.n_failures:
        return {}
    return {
        "n_failures": 0, "reason": run.reason, "is_degraded": run.outcome == Outcome.DEGRADED,
    }  # fmt: skip


def _note_failure(
    block: AssociationBlock, step: NextStep, error: Exception, at: dt.datetime
) -> None:
    """Leave the block at its step for a while; after so many tries, for a person."""
    gives_up = block.n_failures + 1 >= settings.HCM_MAX_ATTEMPTS
    wait = back_off(block.n_failures + 1)
    said = f"{type(error).__name__}: {error}".replace("\x00", "")[:1000]
    _at_step(block, step).update(
        next_step=NextStep.REST if gives_up else step,
        next_try_at=None if gives_up else at + wait,
        n_failures=F("n_failures") + 1,
        # Shown on every page, and never certified by itself.
        is_degraded=True,
        reason=f"To {step.label} did not work. {said}",
        needs_person=gives_up,
        changed_at=at,
    )


def _do_step(block: AssociationBlock, step: NextStep, at: dt.datetime) -> None:
    if block.current_attempt is not None:
        block.current_attempt.block = block
        if step == NextStep.EXTRACT:
            # With its scores at once: a value without one would look like "not scored" meanwhile.
            started = time.monotonic()
            stored = extract(block.current_attempt, at)
            score_new_run(block, stored.changed, stored.at)
            note_qc_duration(block.current_attempt, time.monotonic() - started)
        else:
            settle(block, at)


def due_blocks(at: dt.datetime) -> list[int]:
    """Return everything that is not at rest and has nobody at it, in cascade order."""
    recovered = recover_lost(at)
    asked_before = at - 2 * dt.timedelta(seconds=settings.HCM_LEASE_S)
    due = (
        AssociationBlock.objects.due(at, asked_before)
        .in_order_of_work()
        .values_list("pk", flat=True)
    )
    return list(dict.fromkeys([*recovered, *due]))


def routes(block_ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield each block with the queue its message goes to, in the order given."""
    found = (
        AssociationBlock.objects.filter(pk__in=block_ids)
        .select_related("instrument")
        .only("next_step", "recipe", "instrument__name", "instrument__recipes")
        .in_bulk()
    )
    read = queues_read()
    for block_id in block_ids:
        if block_id in found:
            yield block_id, route(found[block_id], read)


def more_urgent(block_id: int) -> int | None:
    """Return a block that somebody has put before this one, of those the same workers take."""
    some = AssociationBlock.objects.filter(priority__gt=0, next_step=NextStep.PROCESS)
    # Seldom anything is, and this is asked at every step.
    if not some.exists():
        return None
    at = timezone.now()
    urgent = list(
        AssociationBlock.objects.due(at, at)
        .filter(pk__in=some)
        .select_related("instrument")
        .in_order_of_work()[:20]
    )
    if not urgent or any(one.pk == block_id for one in urgent):
        return None
    block = AssociationBlock.objects.select_related("instrument").filter(pk=block_id).first()
    if block is None or block.next_step != NextStep.PROCESS:
        return None
    read = queues_read()
    mine = route(block, read)
    return next((one.pk for one in urgent if route(one, read) == mine), None)


def note_asked(block_ids: Sequence[int], at: dt.datetime) -> None:
    """Remember that the broker has been told of these blocks."""
    with transaction.atomic():
        # Those that somebody is changing are left: to wait for them could be to wait for ever.
        free = AssociationBlock.objects.filter(pk__in=block_ids).select_for_update(
            of=("self",), no_key=True, skip_locked=True
        )
        keys = list(free.order_by("pk").values_list("pk", flat=True))
        AssociationBlock.objects.filter(pk__in=keys).update(asked_at=at)
