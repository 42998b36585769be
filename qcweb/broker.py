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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

logger = logging.getLogger(__name__)


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
        try:
            return super()._get(queue)
        except ValueError as error:
            # Whoever wrote it died over it. The sweep asks again for what it stood for.
            logger.warning("a message of queue %s is unreadable and left out: %s", queue, error)
            raise Empty from error

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
