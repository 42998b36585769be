"""What people do to the work: hold and release, cancel, run first. Each act is recorded."""

import datetime as dt
from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction

from pipelines.domain.recipe_parameters import argument_name
from pipelines.models import (
    Act,
    ActKind,
    AssociationBlock,
    Attempt,
    Completeness,
    FailureKind,
    Hold,
    HoldScope,
    Instrument,
    NextStep,
    Outcome,
    ProcessStatus,
)
from pipelines.recipes import jobs
from pipelines.recipes.process import end_recorded

from .attempts import log_of_job

Subject = AssociationBlock | Instrument | None


def record(
    kind: ActKind,
    at: dt.datetime,
    by: User | None,
    *,
    block: AssociationBlock | None = None,
    instrument: Instrument | None = None,
    reason: str = "",
    **details: object,
) -> Act:
    """Write down who asked what of the work; `by` None: the command line."""
    return Act.objects.create(
        kind=kind, block=block, instrument=instrument, done_by=by, done_at=at,
        reason=reason, details=details,
    )  # fmt: skip


def _scope(subject: Subject) -> tuple[HoldScope, int]:
    if subject is None:
        return HoldScope.POOL, 0
    is_block = isinstance(subject, AssociationBlock)
    return (HoldScope.BLOCK if is_block else HoldScope.INSTRUMENT), subject.pk


def _named(subject: Subject) -> dict[str, object]:
    if isinstance(subject, AssociationBlock):
        return {"block": subject}
    return {"instrument": subject} if subject is not None else {}


def hold(subject: Subject, at: dt.datetime, by: User | None, reason: str = "") -> bool:
    """Let no new recipe start for a block, an instrument, or at all (None); False: held already."""
    scope, pk = _scope(subject)
    with transaction.atomic():
        _, is_new = Hold.objects.get_or_create(
            scope=scope, subject=pk, defaults={"reason": reason, "held_by": by, "held_at": at}
        )
        if is_new:
            record(ActKind.HOLD, at, by, reason=reason, **_named(subject))  # type: ignore[arg-type]
    return is_new


def release(subject: Subject, at: dt.datetime, by: User | None, reason: str = "") -> bool:
    """Let recipes start again; False when nothing was held."""
    scope, pk = _scope(subject)
    with transaction.atomic():
        n, _ = Hold.objects.filter(scope=scope, subject=pk).delete()
        if n:
            record(ActKind.RELEASE, at, by, reason=reason, **_named(subject))  # type: ignore[arg-type]
            # They were asked for while they were held, and turned away.
            _locked(waiting_of(subject)).update(asked_at=None)
    return bool(n)


def _locked(blocks: models.QuerySet[AssociationBlock]) -> models.QuerySet[AssociationBlock]:
    """Lock rows in the order in which everybody takes them: none waits for one who waits for it."""
    keys = blocks.select_for_update(of=("self",), no_key=True).order_by("pk")
    return AssociationBlock.objects.filter(pk__in=list(keys.values_list("pk", flat=True)))


def waiting_of(subject: Subject) -> models.QuerySet[AssociationBlock]:
    """Return the blocks of a subject whose recipe has not ended: queued, blocked, running."""
    waiting = AssociationBlock.objects.filter(next_step=NextStep.PROCESS)
    if isinstance(subject, AssociationBlock):
        return waiting.filter(pk=subject.pk)
    return waiting.filter(instrument=subject) if subject is not None else waiting


def run_first(blocks: Iterable[AssociationBlock], at: dt.datetime, by: User | None) -> list[int]:
    """Put blocks that wait before all others, with what they wait for; return their keys."""
    found: dict[int, AssociationBlock] = {}
    todo = list(blocks)
    while todo:
        block = todo.pop()
        if block.pk in found or block.next_step != NextStep.PROCESS:
            continue
        found[block.pk] = block
        links = block.calibrations.exclude(producer=None).select_related("producer")
        todo += [link.producer for link in links if link.producer is not None]
    with transaction.atomic():
        waiting = AssociationBlock.objects.filter(pk__in=found, next_step=NextStep.PROCESS)
        _locked(waiting).update(priority=1, next_try_at=None, asked_at=None, changed_at=at)
        for block in found.values():
            record(ActKind.FIRST, at, by, block=block)
    return sorted(found)


def cancel(block: AssociationBlock, at: dt.datetime, by: User | None, reason: str = "") -> bool:
    """End a block's run, or take it out of the queue; False when there was nothing to cancel.

    It stands afterwards as its former result left it; without one it waits for a person.
    """
    who = by.get_username() if by else "the command line"
    said = f"Cancelled by {who}" + (f": {reason}" if reason else ".")
    with transaction.atomic():
        block = AssociationBlock.objects.select_for_update(of=("self",), no_key=True).get(
            pk=block.pk
        )
        if block.next_step != NextStep.PROCESS:
            return False
        run = block.attempts.filter(number=block.attempt, outcome=Outcome.RUNNING).first()
        AssociationBlock.objects.filter(pk=block.pk).update(
            **_without_its_run(block, said), changed_at=at
        )
        if run is not None:
            _close(run, said, at)
        record(ActKind.CANCEL, at, by, block=block, reason=reason, attempt=run and run.number)
    if run is not None:
        # Its worker sees within a second that it is not wanted; one on this host is ended now.
        end_recorded(run.process)
        log = log_of_job(settings.HCM_DATA_DIR / run.job_dir)
        Attempt.objects.filter(pk=run.pk, log="").update(log=log)
        jobs.tidy(settings.HCM_DATA_DIR / run.job_dir, log)
    return True


def _close(run: Attempt, said: str, at: dt.datetime) -> None:
    Attempt.objects.filter(pk=run.pk).update(outcome=Outcome.CANCELLED, reason=said, finished_at=at)


def _without_its_run(block: AssociationBlock, said: str) -> dict[str, object]:
    before = block.current_attempt
    latest = (
        block.attempts.filter(outcome__in=[Outcome.SUCCESSFUL, Outcome.DEGRADED, Outcome.FAILED])
        .order_by("-number")
        .first()
    )
    after: dict[str, object] = {
        "lease_until": None, "next_try_at": None, "blocked_by": None, "priority": 0,
        "failure_kind": FailureKind.NONE,
    }  # fmt: skip
    if latest is not None and latest.outcome == Outcome.FAILED:
        # It had failed before it was asked for again: that stays to be seen.
        return after | {
            "process_status": ProcessStatus.FAILED, "next_step": NextStep.REST,
            "is_degraded": False, "reason": latest.reason, "needs_person": True,
            "failure_kind": latest.failure_kind,
        }  # fmt: skip
    if before is None:
        return after | {
            "process_status": ProcessStatus.CREATED, "next_step": NextStep.REST,
            "is_degraded": False, "reason": said, "needs_person": True, "is_cancelled": True,
        }  # fmt: skip
    return after | {
        "process_status": ProcessStatus.SUCCESSFUL,
        "is_degraded": before.outcome == Outcome.DEGRADED,
        "reason": before.reason,
        # A result whose values nobody has read yet is read and scored first.
        "next_step": NextStep.CERTIFY if before.qc_duration_s is not None else NextStep.EXTRACT,
    }


def make_current(attempt: Attempt, at: dt.datetime, by: User | None, reason: str = "") -> bool:
    """Let an earlier successful run be the block's result; its values are read and scored anew.

    False when it is the current one, has no products, or the block is being worked on.
    """
    with transaction.atomic():
        block = AssociationBlock.objects.select_for_update(of=("self",), no_key=True).get(
            pk=attempt.block_id
        )
        is_result = attempt.outcome in {Outcome.SUCCESSFUL, Outcome.DEGRADED}
        former = block.current_attempt
        if not is_result or block.next_step != NextStep.REST:
            return False
        if block.completeness != Completeness.COMPLETE:
            return False
        if former == attempt and block.process_status == ProcessStatus.SUCCESSFUL:
            return False
        AssociationBlock.objects.filter(pk=block.pk).update(
            current_attempt=attempt,
            # What it was run with is what the next run is given.
            chosen_parameters=_chosen_of(attempt, block),
            process_status=ProcessStatus.SUCCESSFUL,
            is_degraded=attempt.outcome == Outcome.DEGRADED,
            reason=attempt.reason,
            failure_kind=FailureKind.NONE,
            next_step=NextStep.EXTRACT,
            next_try_at=None,
            asked_at=None,
            n_failures=0,
            needs_person=False,
            is_certified=False,
            changed_at=at,
        )
        record(
            ActKind.CURRENT, at, by, block=block, reason=reason,
            attempt=attempt.number, former=former.number if former else None,
        )  # fmt: skip
    return True


def _chosen_of(attempt: Attempt, block: AssociationBlock) -> dict[str, str]:
    """Return the parameters of a run that the rules do not give."""
    chosen = [one for one in attempt.parameters if one not in block.parameters]
    return {argument_name(one): one.partition("=")[2] for one in chosen}


def cancel_all(
    subject: Instrument | None, at: dt.datetime, by: User | None, reason: str = ""
) -> int:
    """Cancel every block of an instrument, or of all, whose recipe has not ended; return how many."""
    blocks = list(waiting_of(subject).order_by("pk"))
    return sum(cancel(block, at, by, reason) for block in blocks)


def run_all_first(subject: Instrument | None, at: dt.datetime, by: User | None) -> int:
    """Put every waiting block of an instrument before all others; return how many."""
    return len(run_first(waiting_of(subject), at, by))
