"""The embedded broker: kombu's `filesystem` transport, with the races that end workers closed.

kombu writes a message under its final name, so that a worker can move and read it while it is still
empty; the JSON error that follows ends the worker (a known defect of kombu). The same holds for the file of
an exchange while its first queue is bound.
"""

import fcntl
import logging
import os
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)


class _Listing:
    """The messages of all queues as they were a moment ago, the oldest first."""

    def __init__(self) -> None:
        self.queues: dict[str, deque[str]] = {}
        self.next_s = 0.0

    def of(self, queue: str, folder: Path) -> deque[str]:
        """Return the names of a queue's messages; looks again when there are none, not too often."""
        found = self.queues.get(queue)
        if not found and time.monotonic() >= self.next_s:
            started = time.monotonic()
            self._read(folder)
            # A large directory is read for at most a fifth of the time.
            self.next_s = time.monotonic() + 4 * (time.monotonic() - started)
        return self.queues.setdefault(queue, deque())

    def _read(self, folder: Path) -> None:
        self.queues = {}
        for name in sorted(os.listdir(folder)):  # noqa: PTH208  names alone, and many
            queue, dot, kind = name.partition(".")[2].rpartition(".")
            if dot and kind == "msg":
                self.queues.setdefault(queue, deque()).append(name)


class Channel(filesystem.Channel):
    """Messages appear whole or not at all."""

    def _put(self, queue: str, payload: Any, **_kwargs: Any) -> None:  # type: ignore[override]
        # The name begins with the time: messages are read in the order they were sent.
        name = f"{time.monotonic_ns():020}_{uuid.uuid4()}.{queue}.msg"
        target = Path(self.data_folder_out) / name
        part = target.with_suffix(".part")  # a name no consumer looks for
        try:
            part.write_text(dumps(payload))
            part.rename(target)
        except OSError as error:
            raise ChannelError(f"Cannot add {target} to the queue: {error.strerror}.") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        """Take the oldest message of a queue.

        kombu lists the whole directory for each: with ten thousand waiting a message would cost ten
        thousand names. One listing serves until it is used up.
        """
        waiting = self._listing.of(queue, Path(self.data_folder_in))
        while waiting:
            taken = self._take(Path(self.data_folder_in) / waiting.popleft())
            if taken is None:
                continue  # another worker was faster
            try:
                return loads(taken)
            except ValueError as error:
                # Whoever wrote it died over it. The sweep asks again for what it stood for.
                logger.warning("a message of queue %s is unreadable and left out: %s", queue, error)
        raise Empty

    @staticmethod
    def _take(message: Path) -> str | None:
        """Return what a message says, and remove it; None when it is gone already."""
        # One of two who rename it at the same time succeeds.
        mine = message.with_name(f"{message.name}.{os.getpid()}.taken")
        try:
            message.rename(mine)
        except OSError:
            return None
        try:
            return mine.read_text()
        except OSError as error:
            raise ChannelError(f"Cannot read {mine}: {error.strerror}.") from error
        finally:
            mine.unlink(missing_ok=True)

    @cached_property
    def _listing(self) -> "_Listing":
        return _Listing()

    def get_table(self, exchange: str) -> Any:
        with self._locked():
            return super().get_table(exchange)

    def _queue_bind(self, *args: Any) -> None:
        with self._locked():
            super()._queue_bind(*args)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = Path(self.control_folder)
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


class Transport(filesystem.Transport):
    Channel = Channel


def install() -> None:
    """Let ``filesystem://`` mean this transport."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
