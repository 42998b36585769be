"""Runs a claimed block's recipe, and writes what came of it only while the block is ours."""

import contextlib
import datetime as dt
import errno
import logging
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection, models, transaction
from django.db.models import F
from django.utils import timezone

from pipelines.domain.recipe_call import Kind, RecipeCall, RecipeOutcome
from pipelines.models import (
    AssociationBlock,
    Attempt,
    FailureKind,
    NextStep,
    Outcome,
    ProcessStatus,
    Product,
)
from pipelines.recipes import jobs
from pipelines.recipes.process import FencedError, ProcessId
from pipelines.recipes.run import LOG_TAIL, discard, pipeline_version, run_recipe

from .inputs import Calibration, frames_of, plan_call
from .reuse import digest_of, find_same

logger = logging.getLogger(__name__)

# How often a run looks whether it is still wanted.
LOOK_S = 0.9

# Bytes of a product that are copied between two signs of life.
_PIECE = 1 << 24

# A failure that may pass is left alone for a time that doubles with each, up to so many times.
LONGEST_WAIT = 16


def lease() -> dt.timedelta:
    return dt.timedelta(seconds=settings.HCM_LEASE_S)


def back_off(n_failures: int) -> dt.timedelta:
    """Return how long to leave alone what has failed so many times."""
    doubled = 2 ** min(max(0, n_failures - 1), 30)
    return dt.timedelta(seconds=settings.HCM_RETRY_S * min(doubled, LONGEST_WAIT))


def run_attempt(attempt: Attempt, calibrations: list[Calibration]) -> None:
    """Run the recipe of a claimed block to its end and write the outcome, unless it is late."""
    block = attempt.block
    job_dir = settings.HCM_DATA_DIR / attempt.job_dir
    said = {"ab_name": block.ab_name, "recipe": block.recipe, "instrument": block.instrument.name}
    logger.info(
        "%s: %s starts, attempt %d", block.ab_name, block.recipe, attempt.number, extra=said
    )
    try:
        frames = frames_of(block)
        call = plan_call(block, calibrations, frames)
        attempt.parameters = list(call.parameters)
        attempt.input_digest = digest_of(call, pipeline_version(call), frames, calibrations)
        _finish(attempt, _taken_over(attempt) or _made(attempt, call, job_dir), job_dir)
    except FencedError:
        logger.warning("%s: attempt %d is late, its results are discarded", block.ab_name,
                       attempt.number, extra=said)  # fmt: skip
        _discard(attempt, job_dir)
    except Exception as error:
        # Nobody foresaw it. Said at once and tried again, not found as a lost worker later.
        reason = f"The worker could not go on: {type(error).__name__}: {error}"
        with contextlib.suppress(FencedError):
            _finish(attempt, RecipeOutcome(False, Kind.ENVIRONMENT, reason), job_dir)
            # What had been moved before it went wrong belongs to nobody.
            discard(product_dir(attempt))
        raise


def _made(attempt: Attempt, call: RecipeCall, job_dir: Path) -> RecipeOutcome:
    return run_recipe(
        call,
        job_dir,
        on_start=lambda process: _record_process(attempt, process),
        on_beat=_Heart(attempt).beat,
    )


def _taken_over(attempt: Attempt) -> RecipeOutcome | None:
    """Return the outcome of an earlier run on the same, where that is wanted; else None."""
    same = find_same(attempt) if settings.HCM_LAZY else None
    if same is None:
        return None
    attempt.reused = same
    return RecipeOutcome(
        True,
        reason=same.reason,
        is_degraded=same.outcome == Outcome.DEGRADED,
        return_code=same.return_code,
        argv=tuple(same.argv),
        log=f"Nothing has changed since attempt {same.number}: its products are used again.\n",
        pipeline_version=same.pipeline_version,
    )


def _record_process(attempt: Attempt, process: ProcessId) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(
        process=process.as_dict(),
        parameters=attempt.parameters,
        input_digest=attempt.input_digest,
    )


class _Heart:
    """Looks about every second whether the run is still wanted, and renews its lease in time.

    A database that does not answer ends no recipe: only when the lease has run out meanwhile, and
    another worker may have the block, is the run given up.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.renewed_s = self.looked_s = time.monotonic()

    def beat(self) -> None:
        if time.monotonic() < self.looked_s + LOOK_S:
            return
        self.looked_s = time.monotonic()
        is_due = time.monotonic() >= self.renewed_s + settings.HCM_LEASE_S / 4
        try:
            if is_due:
                renew(self.attempt)
                self.renewed_s = time.monotonic()
                self._show_log()
            elif not _mine(self.attempt).exists():
                raise FencedError
        except DatabaseError as error:
            connection.close()
            if time.monotonic() >= self.renewed_s + settings.HCM_LEASE_S:
                raise FencedError from error

    def _show_log(self) -> None:
        """Where recipes run on a disk of the worker's own, the pages cannot look there."""
        if not settings.HCM_WORK_DIR.is_relative_to(settings.HCM_DATA_DIR):
            log = log_of_job(settings.HCM_DATA_DIR / self.attempt.job_dir)
            Attempt.objects.filter(pk=self.attempt.pk).update(log=log)


def renew(attempt: Attempt) -> None:
    """Say that the run is alive.

    Raises
    ------
    FencedError
        The block has been given to a later attempt, or its run was cancelled.
    """
    if not _mine(attempt).update(lease_until=timezone.now() + lease()):
        raise FencedError


def _mine(attempt: Attempt) -> models.QuerySet[AssociationBlock]:
    return AssociationBlock.objects.filter(
        pk=attempt.block_id, attempt=attempt.number, process_status=ProcessStatus.RUNNING
    )


def _finish(attempt: Attempt, outcome: RecipeOutcome, job_dir: Path) -> None:
    kept = _keep_products(attempt, outcome)
    try:
        _patiently(lambda: _write(attempt, outcome, kept), lambda: _is_written(attempt))
    except FencedError:
        if kept and attempt.reused is None:
            discard(product_dir(attempt))
        raise
    # The result stands now: what goes wrong while tidying up must not touch it.
    jobs.tidy(job_dir, outcome.log)
    logger.info("%s: %s", attempt.block.ab_name, outcome.reason or "successful")


def _patiently(write: Callable[[], None], is_written: Callable[[], bool]) -> None:
    """Write, waiting for a database that does not answer as long as the lease may still be ours.

    It may have written and been lost before it said so: that is asked before the next try.
    """
    deadline = time.monotonic() + settings.HCM_LEASE_S
    is_first = True
    while True:
        try:
            if is_first or not is_written():
                write()
        except DatabaseError:
            if time.monotonic() >= deadline or connection.in_atomic_block:
                raise
            connection.close()
            is_first = False
            time.sleep(0.5)
        else:
            return


def _is_written(attempt: Attempt) -> bool:
    """Whether the outcome stands: nobody but the run itself writes one of these."""
    written = [Outcome.SUCCESSFUL, Outcome.DEGRADED, Outcome.FAILED]
    return Attempt.objects.filter(pk=attempt.pk, outcome__in=written).exists()


def _write(attempt: Attempt, outcome: RecipeOutcome, kept: list[Product]) -> None:
    at = timezone.now()
    with transaction.atomic():
        if not _mine(attempt).update(**_block_after(attempt, outcome, at), changed_at=at):
            raise FencedError
        _record(attempt, outcome, at)
        Product.objects.bulk_create(kept)


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
            "priority": 0,
            "lease_until": None,
            "next_try_at": None,
        }
    n_failures = attempt.block.n_failures + 1
    tries_again = n_failures < outcome.kind.tries(settings.HCM_MAX_ATTEMPTS)
    return {
        "process_status": ProcessStatus.FAILED,
        "is_degraded": False,
        "reason": outcome.reason,
        "failure_kind": outcome.kind,
        "next_step": NextStep.PROCESS if tries_again else NextStep.REST,
        "next_try_at": at + back_off(n_failures) if tries_again else None,
        "n_failures": F("n_failures") + 1,
        "priority": 0,
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
    attempt.peak_mb = outcome.peak_mb
    # Not `process`, which was recorded when the recipe started.
    attempt.save(
        update_fields=[
            "outcome", "failure_kind", "reason", "argv", "return_code", "log", "reused",
            "pipeline_version", "finished_at", "duration_s", "peak_mb",
            "parameters", "input_digest",
        ]
    )  # fmt: skip


def product_dir(attempt: Attempt) -> Path:
    """Return where an attempt's products live; its number keeps a late writer's files apart."""
    block = attempt.block
    return (
        settings.HCM_DATA_DIR / "products" / block.instrument.name / block.night.isoformat()
        / f"{block.pk}-{attempt.number}"
    )  # fmt: skip


def _move(source: Path, target: Path, beat: Callable[[], None]) -> None:
    """Move a product, to another disk by copying it: a sign of life goes with each piece."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with source.open("rb") as read, target.open("wb") as write:
            while piece := read.read(_PIECE):
                write.write(piece)
                beat()


def _keep_products(attempt: Attempt, outcome: RecipeOutcome) -> list[Product]:
    if not outcome.succeeded:
        return []
    at = timezone.now()
    if attempt.reused is not None:
        return [
            Product(
                attempt=attempt, pro_catg=one.pro_catg, name=one.name, path=one.path,
                size=one.size, data_md5=one.data_md5, recorded_at=at,
            )
            for one in attempt.reused.products.order_by("pk")
        ]  # fmt: skip
    folder = product_dir(attempt)
    folder.mkdir(parents=True, exist_ok=True)
    beat = _Heart(attempt).beat
    kept = []
    for made in outcome.products:
        target = folder / made.name
        _move(made.path, target, beat)
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
    """Throw away what a late run made; its log is kept."""
    log = log_of_job(job_dir)
    late = Attempt.objects.filter(pk=attempt.pk)
    late.filter(outcome=Outcome.RUNNING).update(
        outcome=Outcome.LOST,
        reason="A later attempt took the block; what this one made was discarded.",
        finished_at=timezone.now(),
    )
    if log:
        late.update(log=log)
    jobs.tidy(job_dir, log)


def log_of_job(job_dir: Path) -> str:
    """Return the end of a run's log, wherever it stands by now; what cannot be read says so."""
    try:
        return jobs.read_job_log(job_dir)[-LOG_TAIL:]
    except OSError as error:
        return f"The log could not be read: {error}"


def read_log(attempt: Attempt) -> str:
    """Return an attempt's log; of a running one, as far as it has come."""
    if attempt.finished_at:
        return attempt.log
    return log_of_job(settings.HCM_DATA_DIR / attempt.job_dir) or attempt.log


def note_qc_duration(attempt: Attempt, seconds: float) -> None:
    """Keep how long it took to read and score what an attempt has made."""
    Attempt.objects.filter(pk=attempt.pk).update(qc_duration_s=seconds)
