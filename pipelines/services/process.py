"""Runs the recipe of one block: claim, run, and write what came of it only while it is ours."""

import contextlib
import datetime as dt
import logging
import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from pipelines.domain.recipe_call import Kind, RecipeOutcome
from pipelines.models import (
    AssociationBlock,
    Attempt,
    Completeness,
    FailureKind,
    NextStep,
    Outcome,
    ProcessStatus,
    Product,
)
from pipelines.recipes import jobs
from pipelines.recipes.process import FencedError, ProcessId
from pipelines.recipes.run import discard, run_recipe

from .associate import reassociate
from .inputs import (
    Calibration,
    is_gone,
    is_useless,
    links_of,
    plan_call,
    product_of,
    why_useless,
)
from .nights import reopen_changed

logger = logging.getLogger(__name__)

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
    _run(attempt, resolved.calibrations)
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
        # Whoever associates the block holds it: its links are read when that is done.
        AssociationBlock.objects.select_for_update(of=("self",), no_key=True).get(pk=block.pk)
        if resolved.links != {*block.calibrations.values_list("pk", flat=True)}:
            # Associated anew meanwhile, and whoever did that says that it can be advanced.
            return None
        AssociationBlock.objects.filter(
            pk=block.pk, attempt=block.attempt, process_status=ProcessStatus.BLOCKED
        ).update(process_status=ProcessStatus.QUEUED, blocked_by=None)
        if not block.claim(at, at + lease()):
            return None
        number = block.attempt + 1
        return Attempt.objects.create(
            block=block,
            number=number,
            recipe=block.recipe,
            worker=worker_name(),
            job_dir=str(Path("jobs") / f"{block.pk}-{number}"),
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


def lease() -> dt.timedelta:
    return dt.timedelta(seconds=settings.HCM_LEASE_S)


def _run(attempt: Attempt, calibrations: list[Calibration]) -> None:
    block = attempt.block
    job_dir = settings.HCM_DATA_DIR / attempt.job_dir
    said = {"ab_name": block.ab_name, "recipe": block.recipe, "instrument": block.instrument.name}
    logger.info(
        "%s: %s starts, attempt %d", block.ab_name, block.recipe, attempt.number, extra=said
    )
    try:
        outcome = run_recipe(
            plan_call(block, calibrations),
            job_dir,
            on_start=lambda process: _record_process(attempt, process),
            on_beat=_Heart(attempt).beat,
        )
        _finish(attempt, outcome, job_dir)
    except FencedError:
        logger.warning("%s: attempt %d is late, its results are discarded", block.ab_name,
                       attempt.number, extra=said)  # fmt: skip
        _discard(attempt, job_dir)
    except Exception as error:
        # Nobody foresaw it. Said at once and tried again, not found as a lost worker later.
        reason = f"The worker could not go on: {type(error).__name__}: {error}"
        with contextlib.suppress(FencedError):
            _finish(attempt, RecipeOutcome(False, Kind.RESOURCE, reason), job_dir)
        raise


def _record_process(attempt: Attempt, process: ProcessId) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(process=process.as_dict())


class _Heart:
    """Renews the lease four times in its length, however often the run says that it is alive."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.next_s = time.monotonic() + settings.HCM_LEASE_S / 4

    def beat(self) -> None:
        if time.monotonic() >= self.next_s:
            self.next_s = time.monotonic() + settings.HCM_LEASE_S / 4
            renew(self.attempt)


def renew(attempt: Attempt) -> None:
    """Say that the run is alive.

    Raises
    ------
    FencedError
        The block has been given to a later attempt.
    """
    if not _mine(attempt).update(lease_until=timezone.now() + lease()):
        raise FencedError


def _mine(attempt: Attempt) -> models.QuerySet[AssociationBlock]:
    return AssociationBlock.objects.filter(
        pk=attempt.block_id, attempt=attempt.number, process_status=ProcessStatus.RUNNING
    )


def _finish(attempt: Attempt, outcome: RecipeOutcome, job_dir: Path) -> None:
    at = timezone.now()
    kept = _keep_products(attempt, outcome, job_dir)
    try:
        with transaction.atomic():
            if not _mine(attempt).update(**_block_after(attempt, outcome, at), changed_at=at):
                raise FencedError
            _record(attempt, outcome, at)
            Product.objects.bulk_create(kept)
    except FencedError:
        if kept:
            discard(_product_dir(attempt))
        raise
    # The result stands now: what goes wrong while tidying up must not touch it.
    jobs.tidy(job_dir, outcome.log)
    logger.info("%s: %s", attempt.block.ab_name, outcome.reason or "successful")


def _block_after(attempt: Attempt, outcome: RecipeOutcome, at: dt.datetime) -> dict[str, object]:
    """Return what a run's outcome makes of its block."""
    if outcome.succeeded:
        return {
            "process_status": ProcessStatus.SUCCESSFUL,
            "is_degraded": outcome.is_degraded,
            "reason": outcome.reason,
            "failure_kind": FailureKind.NONE,
            "next_step": NextStep.EXTRACT,
            "current_attempt": attempt,
            "n_failures": 0,
            "lease_until": None,
            "next_try_at": None,
        }
    n_failures = attempt.block.n_failures + 1
    tries_again = outcome.kind.may_pass and n_failures < settings.HCM_MAX_ATTEMPTS
    wait = dt.timedelta(seconds=settings.HCM_RETRY_S)
    return {
        "process_status": ProcessStatus.FAILED,
        "is_degraded": False,
        "reason": outcome.reason,
        "failure_kind": outcome.kind,
        "next_step": NextStep.PROCESS if tries_again else NextStep.REST,
        "next_try_at": at + wait if tries_again else None,
        "n_failures": F("n_failures") + 1,
        "needs_person": not tries_again,
        "lease_until": None,
    }


def _record(attempt: Attempt, outcome: RecipeOutcome, at: dt.datetime) -> None:
    if outcome.succeeded:
        attempt.outcome = Outcome.DEGRADED if outcome.is_degraded else Outcome.SUCCESSFUL
    else:
        attempt.outcome = Outcome.FAILED
    attempt.failure_kind = FailureKind(outcome.kind)
    attempt.reason = outcome.reason
    attempt.argv = list(outcome.argv)
    attempt.return_code = outcome.return_code
    attempt.log = outcome.log
    attempt.pipeline_version = outcome.pipeline_version
    attempt.finished_at = at
    attempt.duration_s = outcome.duration_s
    # Not `process`, which was recorded when the recipe started.
    attempt.save(
        update_fields=[
            "outcome", "failure_kind", "reason", "argv", "return_code", "log",
            "pipeline_version", "finished_at", "duration_s",
        ]
    )  # fmt: skip


def _product_dir(attempt: Attempt) -> Path:
    """Return where an attempt's products live; its number keeps a late writer's files apart."""
    block = attempt.block
    return (
        settings.HCM_DATA_DIR / "products" / block.instrument.name / block.night.isoformat()
        / f"{block.pk}-{attempt.number}"
    )  # fmt: skip


def _keep_products(attempt: Attempt, outcome: RecipeOutcome, job_dir: Path) -> list[Product]:
    if not outcome.succeeded:
        return []
    folder = _product_dir(attempt)
    folder.mkdir(parents=True, exist_ok=True)
    at = timezone.now()
    kept = []
    for made in outcome.products:
        target = folder / made.name
        shutil.move(made.path, target)
        kept.append(
            Product(
                attempt=attempt,
                pro_catg=made.category,
                name=made.name,
                path=str(target.relative_to(settings.HCM_DATA_DIR)),
                size=made.size,
                data_md5=made.data_md5,
                recorded_at=at,
            )
        )
    return kept


def _discard(attempt: Attempt, job_dir: Path) -> None:
    Attempt.objects.filter(pk=attempt.pk, outcome=Outcome.RUNNING).update(
        outcome=Outcome.LOST,
        reason="A later attempt took the block; what this one made was discarded.",
        finished_at=timezone.now(),
    )
    discard(job_dir)


def read_log(attempt: Attempt) -> str:
    """Return an attempt's log; of a running one, as far as it has come."""
    job_dir = settings.HCM_DATA_DIR / attempt.job_dir
    if attempt.finished_at or not job_dir.exists():
        return attempt.log
    return jobs.read_job_log(job_dir)


def waiting_for(block: AssociationBlock) -> list[int]:
    """Return the blocks that can be looked at again now that this one has come to an end."""
    return list(block.blocks_others.values_list("pk", flat=True))


def note_qc_duration(attempt: Attempt, seconds: float) -> None:
    """Keep how long it took to read and score what an attempt has made."""
    Attempt.objects.filter(pk=attempt.pk).update(qc_duration_s=seconds)
