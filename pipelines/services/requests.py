"""What people, and the hourly round, ask of a block: another run; what a decision means for it."""

import datetime as dt

from pipelines.models import AssociationBlock, Completeness, NextStep, ProcessStatus


def request_again(block: AssociationBlock, at: dt.datetime, *, n_failures: int = 0) -> bool:
    """Queue a block that is at rest for another run; False when it cannot run or is at work.

    Its former result stays what it is until the new run has ended. `n_failures` counts towards
    the tries it is given.
    """
    return bool(
        AssociationBlock.objects.filter(
            pk=block.pk, next_step=NextStep.REST, completeness=Completeness.COMPLETE
        )
        .exclude(recipe="")
        .update(
            process_status=ProcessStatus.QUEUED,
            next_step=NextStep.PROCESS,
            next_try_at=None,
            asked_at=None,
            is_degraded=False,
            is_cancelled=False,
            n_failures=n_failures,
            needs_person=False,
            changed_at=at,
        )
    )


def note_decision(
    block: AssociationBlock,
    at: dt.datetime,
    *,
    is_open: bool,
    is_rejected: bool,
    is_certified: bool,
    is_badqual: bool = False,
) -> None:
    """Keep what a decision means for the pipelines: its products leave the pool, or come back.

    What is rejected as BADQUAL is not there for the calibration plan either: it is to be retaken.
    """
    AssociationBlock.objects.filter(pk=block.pk).update(
        is_withdrawn=is_rejected,
        is_badqual=is_rejected and is_badqual,
        needs_person=is_open,
        is_certified=is_certified,
        changed_at=at,
    )
    if not is_rejected:
        block.blocks_others.update(next_try_at=None)
