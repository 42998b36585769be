"""Takes a block's next run on: its calibrations, or what it waits for, and the claim."""

import datetime as dt
import os
import socket
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from pipelines.models import (
    AssociationBlock,
    Attempt,
    Completeness,
    NextStep,
    ProcessStatus,
)

from .associate import reassociate
from .attempts import lease, run_attempt
from .inputs import Calibration, is_gone, is_useless, links_of, product_of, why_useless
from .nights import reopen_changed

# How soon a waiting block is looked at again when nobody tells it that its producer is done.
WAIT_S = 30.0


@dataclass(frozen=True)
class _Wait:
    """A calibration is not there yet; `culprit` has to be made first."""

    culprit: AssociationBlock


@dataclass(frozen=True)
class _Lack:
    """A calibration that is required can be used no more, and nothing takes its place."""

    reason: str


@dataclass(frozen=True)
class _Resolved:
    """What a run is given, and the links it was chosen by: all, also those that give nothing."""

    calibrations: list[Calibration]
    links: frozenset[int]


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def process_block(block: AssociationBlock) -> bool:
    """Run a block's recipe if its calibrations are there; False when there is nothing to run."""
    at = timezone.now()
    resolved = _resolve(block, at)
    if isinstance(resolved, _Wait):
        _wait(block, resolved.culprit, at)
        return False
    if isinstance(resolved, _Lack):
        _lack(block, resolved.reason, at)
        return False
    attempt = _claim(block, resolved, at)
    if attempt is None:
        return False
    run_attempt(attempt, resolved.calibrations)
    return True


def _resolve(block: AssociationBlock, at: dt.datetime) -> _Resolved | _Wait | _Lack:
    """Return the product of each calibration, or who has to run first, or what is lacking.

    A producer that failed for good or was rejected, and a file that is hidden or gone, is replaced
    by the next best one, once.
    """
    links = links_of(block)
    if any(is_useless(link) for link in links) and reassociate(block, at):
        links = links_of(block)
    found: list[Calibration] = []
    for link in links:
        product = product_of(link)
        if why := why_useless(link):
            if link.is_required:
                return _Lack(f"{link.label}: {why}")
        elif product is not None or link.file is not None:
            found.append(Calibration(link, product))
        elif link.producer is not None and (link.is_required or _is_coming(link.producer)):
            return _Wait(link.producer)
    return _Resolved(found, frozenset(link.pk for link in links))


def _is_coming(producer: AssociationBlock) -> bool:
    """Whether a product is worth waiting for even where the rules could do without it."""
    return producer.next_step == NextStep.PROCESS and not producer.is_withdrawn


def _wait(block: AssociationBlock, culprit: AssociationBlock, at: dt.datetime) -> None:
    AssociationBlock.objects.filter(
        pk=block.pk, attempt=block.attempt, next_step=NextStep.PROCESS
    ).exclude(process_status=ProcessStatus.RUNNING).update(
        process_status=ProcessStatus.BLOCKED,
        blocked_by=culprit,
        next_try_at=at + _patience(culprit),
        changed_at=at,
    )


def _lack(block: AssociationBlock, reason: str, at: dt.datetime) -> None:
    """Make a block incomplete: it is associated again with what comes."""
    waits = AssociationBlock.objects.filter(
        pk=block.pk, attempt=block.attempt, next_step=NextStep.PROCESS
    ).exclude(process_status=ProcessStatus.RUNNING)
    if waits.update(
        completeness=Completeness.INCOMPLETE,
        incomplete_reason=reason[:255],
        process_status=ProcessStatus.CREATED,
        next_step=NextStep.REST,
        blocked_by=None,
        next_try_at=None,
        needs_person=True,
        changed_at=at,
    ):
        reopen_changed(block.instrument, block.night, f"{block.ab_name} lacks {reason}", at)


def _patience(culprit: AssociationBlock) -> dt.timedelta:
    """Return how long to wait: what failed for good comes back by a person's act, which tells."""
    return dt.timedelta(seconds=settings.HCM_RETRY_S if is_gone(culprit) else WAIT_S)


def _claim(block: AssociationBlock, resolved: _Resolved, at: dt.datetime) -> Attempt | None:
    with transaction.atomic():
        if not _take(block, at):
            return None
        # Whoever associates the block holds it: now that it is taken, that is done.
        if resolved.links != {*block.calibrations.values_list("pk", flat=True)}:
            # Associated anew meanwhile, and whoever did that says that it can be advanced.
            transaction.set_rollback(True)
            return None
        number = block.attempt + 1
        return Attempt.objects.create(
            block=block,
            number=number,
            recipe=block.recipe,
            worker=worker_name(),
            job_dir=str(settings.HCM_WORK_DIR / f"{block.pk}-{number}"),
            inputs=[
                {
                    "label": one.link.label,
                    "product": one.product.pk if one.product else None,
                    "producer": one.link.producer.ab_name if one.link.producer else None,
                    "file": one.link.file.name if one.link.file else None,
                    "delta_days": one.link.delta_days,
                }
                for one in resolved.calibrations
            ],
            started_at=at,
        )


def _take(block: AssociationBlock, at: dt.datetime) -> bool:
    """Claim a block, also one that still stands as waiting for what is there now."""
    if block.claim(at, at + lease()):
        return True
    waits = AssociationBlock.objects.filter(
        pk=block.pk, attempt=block.attempt, process_status=ProcessStatus.BLOCKED
    )
    was_waiting = waits.update(process_status=ProcessStatus.QUEUED, blocked_by=None)
    return bool(was_waiting) and block.claim(at, at + lease())


def waiting_for(block: AssociationBlock) -> list[int]:
    """Return the blocks that can be looked at again now that this one has come to an end."""
    return list(block.blocks_others.values_list("pk", flat=True))
