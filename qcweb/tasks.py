"""Celery's tasks: only ids travel. A task that fails is seen to fail; the sweep comes again."""

from collections.abc import Sequence

from celery import shared_task
from django.utils import timezone

from pipelines.services.checksums import add_checksums
from qcweb import workflow


def ask(block_ids: Sequence[int]) -> None:
    """Tell the broker that these blocks have something to do."""
    if block_ids:
        workflow.note_asked(block_ids, timezone.now())
    for block_id in block_ids:
        advance.delay(block_id)


@shared_task
def advance(block_id: int) -> int:
    """Do a block's next step, and ask for the ones that follow."""
    ask(workflow.advance(block_id))
    return block_id


@shared_task
def sweep() -> list[int]:
    """Look at every block that is not at rest: whatever a broker or a worker forgot is found."""
    due = workflow.due_blocks(timezone.now())
    ask(due)
    return due


@shared_task
def checksum() -> int:
    """Give raw files their full checksum, a few seconds at a time."""
    return add_checksums()
