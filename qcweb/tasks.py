"""Celery's tasks: only ids travel. A task that fails is seen to fail; the sweep comes again."""

import logging
from collections.abc import Sequence

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import ChannelError, OperationalError

from pipelines.services.checksums import add_checksums
from pipelines.services.chores import chore
from pipelines.services.previews import make_due_previews
from pipelines.services.rounds import run_round, subjects
from qcweb import workflow
from qcweb.people.services.refresh import take_refreshes
from trending.services.delay import measure_delays
from trending.services.rescoring import rescore_due, rows_left

logger = logging.getLogger(__name__)

# So long one task makes previews, then others have their turn.
PREVIEW_S = 5.0
# So long one task scores again what came after an event.
RESCORE_S = 5.0


def ask(block_ids: Sequence[int]) -> bool:
    """Tell the broker that these blocks have something to do; False when it does not answer.

    Nothing is lost then: the sweep asks for every block nobody has asked for.
    """
    try:
        for block_id, queue in workflow.routes(block_ids):
            advance.apply_async((block_id,), queue=queue)
    except (OperationalError, ChannelError, OSError) as error:
        logger.warning("the broker does not take messages (%s), the sweep will ask", error)
        return False
    if block_ids:
        workflow.note_asked(block_ids, timezone.now())
    return True


@shared_task
def advance(block_id: int) -> int:
    """Do a block's next steps, and ask for the blocks that can go on after it."""
    first = workflow.more_urgent(block_id)
    # Somebody may have put another block before all others: this one comes again behind it.
    others: list[int] = []
    try:
        others = workflow.advance_to_rest(block_id if first is None else first)
    finally:
        ask(others if first is None else [block_id, *others])
    return block_id


@shared_task
def sweep() -> list[int]:
    """Look at every block that is not at rest: whatever a broker or a worker forgot is found."""
    with chore("sweep", is_frequent=True) as note:
        due = workflow.due_blocks(timezone.now())
        ask(due)
        note.said = f"{len(due)} blocks asked for"
        _ask_refreshes()
    return due


def _ask_refreshes() -> None:
    """Ask for the rounds that people have asked for; where the broker is silent, next time."""
    try:
        with transaction.atomic():
            for name in take_refreshes(timezone.now()):
                one_round.delay(name)
    except (OperationalError, ChannelError, OSError) as error:
        logger.warning("the broker does not take messages (%s): refreshes wait", error)


@shared_task
def checksum() -> int:
    """Give raw files their full checksum, a few seconds at a time."""
    with chore("checksum", is_frequent=True) as note:
        n = add_checksums()
        note.said = f"{n} frames"
    return n


@shared_task
def rounds() -> list[str]:
    """Ask for the hourly round of each subject; they may run beside each other."""
    names = subjects()
    for name in names:
        one_round.delay(name)
    return names


@shared_task
def one_round(subject: str) -> str:
    """Do one subject's round; a younger one leaves the work to the older."""
    report = run_round(subject, timezone.now())
    ask(report.to_advance)
    logger.info("round: %s", report)
    return subject


@shared_task
def previews() -> int:
    """Make small pictures of what runs have made, a few seconds at a time."""
    if not settings.HCM_PREVIEWS:
        return 0
    with chore("previews", is_frequent=True) as note:
        n = make_due_previews(PREVIEW_S)
        note.said = f"of {n} runs"
    return n


@shared_task
def measure_delay() -> int:
    """Measure how long the nights that went on took from file to score."""
    with chore("measure_delay", is_frequent=True) as note:
        stored = measure_delays(timezone.now())
        note.said = f"{len(stored.changed)} nights"
    return len(stored.changed)


@shared_task
def rescore_after_events() -> int:
    """Score again what came after events and references, a few seconds at a time."""
    with chore("rescore_after_events", is_frequent=True) as note:
        n = rescore_due(timezone.now(), RESCORE_S)
        note.said = f"{n} rows, {rows_left()} left"
    return n
