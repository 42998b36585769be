"""Finds runs whose worker is gone: ends what still runs of them, and queues their blocks again."""

import datetime as dt
import logging

from django.conf import settings
from django.db import transaction
from django.db.models import F

from pipelines.models import (
    AssociationBlock,
    Attempt,
    FailureKind,
    NextStep,
    Outcome,
    ProcessStatus,
)
from pipelines.recipes import jobs
from pipelines.recipes.process import end_recorded
from pipelines.recipes.run import discard

from .attempts import back_off, log_of_job, product_dir

logger = logging.getLogger(__name__)


def recover_lost(at: dt.datetime) -> list[int]:
    """Give blocks whose worker is gone back to the queue; end what still runs of them here."""
    recovered: list[int] = []
    for block in AssociationBlock.objects.lost(at):
        attempt = block.attempts.filter(number=block.attempt).first()
        gives_up = block.n_failures + 1 >= settings.HCM_MAX_ATTEMPTS
        reason = f"The worker {attempt.worker if attempt else '?'} was lost while it ran."
        with transaction.atomic():
            taken = (
                AssociationBlock.objects.lost(at)
                .filter(pk=block.pk, attempt=block.attempt)
                .update(
                    process_status=ProcessStatus.FAILED if gives_up else ProcessStatus.QUEUED,
                    next_step=NextStep.REST if gives_up else NextStep.PROCESS,
                    failure_kind=FailureKind.ENVIRONMENT if gives_up else FailureKind.NONE,
                    reason=reason if gives_up else "",
                    n_failures=F("n_failures") + 1,
                    lease_until=None,
                    # At once for the first time: workers are restarted. Then with growing pauses.
                    next_try_at=at + back_off(block.n_failures) if block.n_failures else None,
                    priority=0,
                    needs_person=gives_up,
                    asked_at=None,
                    changed_at=at,
                )
            )
            if taken and attempt is not None:
                _close_lost(attempt, reason, at)
        if taken:
            logger.warning("%s: %s", block.ab_name, reason)
            recovered.append(block.pk)
            # Only now: until the block was taken, its worker might still have come back in time.
            if attempt is not None:
                end_recorded(attempt.process)
                discard(product_dir(attempt))
                jobs.tidy(settings.HCM_DATA_DIR / attempt.job_dir, attempt.log)
    return recovered


def _close_lost(attempt: Attempt, reason: str, at: dt.datetime) -> None:
    # On another host's disk it is not to be seen: what that worker has shown of it stays.
    attempt.log = log_of_job(settings.HCM_DATA_DIR / attempt.job_dir) or attempt.log
    Attempt.objects.filter(pk=attempt.pk, outcome=Outcome.RUNNING).update(
        outcome=Outcome.LOST,
        failure_kind=FailureKind.ENVIRONMENT,
        reason=reason,
        log=attempt.log,
        finished_at=at,
    )


def tidy_own_jobs(at: dt.datetime) -> int:
    """Tidy up directories of runs that have ended, on this host's own disk; return how many.

    Whoever closes a lost or cancelled run may be on another host and not see them.
    """
    untidy = [path for path in settings.HCM_WORK_DIR.glob("*-*") if (path / "out").is_dir()]
    ended = Attempt.objects.filter(
        job_dir__in=[str(path) for path in untidy[:500]],
        finished_at__lt=at - dt.timedelta(minutes=1),
    )
    for attempt in ended:
        jobs.tidy(settings.HCM_DATA_DIR / attempt.job_dir, attempt.log)
    return len(ended)
