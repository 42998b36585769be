"""Chooses victims by a seed, and kills them when they are there to be killed."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# How often each is chosen, relative to the others.
WEIGHTS = {
    "worker": 20, "pool": 22, "recipe": 26, "beat": 8, "web": 7, "redis": 6, "postgresql": 5,
    "disk": 6,
}  # fmt: skip
LONGEST_WAIT_S = 1.0
# How long it waits for a victim that is not there: no recipe runs at the moment.
PATIENCE_S = 3.0


@dataclass(frozen=True)
class Strike:
    """One kill: after how long, of whom, and which of several."""

    wait_s: float
    victim: str
    choice: float
    lasts_s: float


def plan(n: int, seed: int, victims: set[str]) -> Iterator[Strike]:
    """Yield the strikes that a seed stands for: the same victims and waits each time."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    names = [name for name in WEIGHTS if name in victims]
    weights = [WEIGHTS[name] for name in names]
    for _ in range(n):
        wait = chance.uniform(0.05, LONGEST_WAIT_S)
        victim = chance.choices(names, weights)[0]
        yield Strike(wait, victim, chance.random(), chance.uniform(0.3, 1.5))


def wait_for(find: Callable[[], list[int]], tend: Callable[[], None]) -> list[int]:
    """Return the processes a question finds, waiting for the first for a while."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := find()) and time.monotonic() < deadline:
        tend()
        time.sleep(0.01)
    return found


def children_of(pid: int) -> list[int]:
    """Return the children of a process, in the order of their numbers."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name in parentheses may hold blanks and parentheses itself.
                words = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(words[1]) == pid and words[0] not in "ZX":
                    found.append(int(entry.name))
    return sorted(found)


def kill(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False
