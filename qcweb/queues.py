"""Which queue a block's message goes to: one its instrument has workers of its own for, or all's.

Every worker takes `blocks` and `clock` unless it is told otherwise. Workers of an instrument's own,
or for large jobs alone, are started with ``-Q blocks.uves`` or ``-Q blocks.large``: while one says
that it is alive, messages go there; when it is silent they go to all workers again, and the sweep
asks anew for what lies in a queue that nobody reads.
"""

import time
from collections.abc import Collection, Iterator

from django.conf import settings

from pipelines.models import AssociationBlock, NextStep
from pipelines.services.inputs import DEFAULT_MEMORY_MB
from pipelines.services.workers import living_workers

GENERAL = "blocks"
# What comes by the clock never waits behind a night's blocks.
CLOCK = "clock"
_KEPT_S = 5.0
_read: tuple[float, frozenset[str]] = (-_KEPT_S, frozenset())


def queues_of(block: AssociationBlock) -> Iterator[str]:
    """Yield the queues a block may go to, the most special one first."""
    own = f"{GENERAL}.{block.instrument.name.lower()}"
    if is_large(block):
        yield f"{own}.large"
        yield f"{GENERAL}.large"
    yield own
    yield GENERAL


def is_large(block: AssociationBlock) -> bool:
    """Whether its next step is a recipe that may take much memory, as its folder declares."""
    if block.next_step != NextStep.PROCESS:
        return False
    limits = block.instrument.recipes.get(block.recipe, {})
    return float(limits.get("memory_mb", DEFAULT_MEMORY_MB)) > settings.HCM_LARGE_MB


def route(block: AssociationBlock, read: Collection[str]) -> str:
    """Return the first queue of a block that some worker reads; `GENERAL` when none is special."""
    return next((name for name in queues_of(block) if name in read), GENERAL)


def queues_read() -> frozenset[str]:
    """Return the queues that living workers read, as of a few seconds ago."""
    global _read
    at, known = _read
    if time.monotonic() - at < _KEPT_S:
        return known
    alive = living_workers().values_list("queues", flat=True)
    known = frozenset(name for queues in alive for name in queues)
    _read = (time.monotonic(), known)
    return known
