"""A worker's sign of life, and an eye on its pool, by a thread of its main process beside its work."""

import contextlib
import logging
import os
import signal
import threading
import time
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from django.db import Error, connection

logger = logging.getLogger(__name__)

BEAT_S = 10.0
LOOK_S = 0.5
TIDY_S = 60.0
# The exit code of a worker that cannot go on and should be started again (EX_TEMPFAIL).
START_AGAIN = 75
_stopped = threading.Event()


@worker_ready.connect
def begin(sender: Any, **_kwargs: Any) -> None:
    """Begin to say that this worker is alive, and which queues it reads."""
    _stopped.clear()
    queues = sorted(sender.app.amqp.queues.consume_from)
    concurrency = getattr(sender.controller, "concurrency", None) or 1
    pool = _Pool(sender.controller)
    _replace_soon(sender)
    threading.Thread(
        target=_beat, args=(queues, int(concurrency), pool), name="heartbeat", daemon=True
    ).start()


def _replace_soon(sender: Any) -> None:
    """Look often for processes of the pool that have done their share, to start others for them.

    Of those a worker began with it would see by itself only every five seconds that they are gone.
    """
    if getattr(sender, "hub", None) is not None:
        sender.hub.call_repeatedly(LOOK_S, sender.controller.pool.maintain_pool)


class _Pool:
    """The processes of a worker's pool, where the killing of one can hold up all others.

    With the embedded broker they share one queue, and wait for its lock. One that is killed while it
    waits takes the lock with it: nobody gets another task, for ever, and the worker looks well. With
    Redis each has a pipe of its own.
    """

    def __init__(self, controller: Any) -> None:
        is_shared = not getattr(controller, "use_eventloop", True)
        self.pool = getattr(controller.pool, "_pool", None) if is_shared else None
        self.known: dict[int, Any] = {}
        # Before anything that may take its time: one may be killed at once.
        self._look()

    def _look(self) -> None:
        self.known |= {one.pid: one for one in list(getattr(self.pool, "_pool", ()))}

    def has_lost_one(self) -> bool:
        """Whether a process was ended by a signal since the last look."""
        if self.pool is None:
            return False
        self._look()
        gone = [one for one in self.known.values() if one.exitcode is not None]
        for one in gone:
            del self.known[one.pid]
        return any(one.exitcode < 0 for one in gone)

    def end(self) -> None:
        """End what is left of the pool; the recipes go with their processes."""
        for pid in self.known:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _beat(queues: list[str], concurrency: int, pool: _Pool) -> None:
    from django.conf import settings

    from pipelines.services.workers import own_name, say_alive

    next_s = next_tidy_s = 0.0
    while not _stopped.is_set():
        if pool.has_lost_one():
            logger.error(
                "A process of the pool was killed. The others may wait for it for ever: this worker "
                "ends, and is to be started again. The sweep finds what it had taken."
            )
            pool.end()
            os._exit(START_AGAIN)
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + BEAT_S
            with contextlib.suppress(Error):
                say_alive(
                    own_name(), queues=queues, concurrency=concurrency,
                    version=str(settings.VERSION),
                )  # fmt: skip
            # Not kept: processes that are forked meanwhile must not share it.
            connection.close()
        if time.monotonic() >= next_tidy_s:
            next_tidy_s = time.monotonic() + TIDY_S
            _tidy()
        _stopped.wait(LOOK_S)


def _tidy() -> None:
    """Tidy up what lost and cancelled runs left on this host."""
    from django.utils import timezone

    from pipelines.services.recover import tidy_own_jobs

    with contextlib.suppress(Error, OSError):
        tidy_own_jobs(timezone.now())
    connection.close()


@worker_shutdown.connect
def end(**_kwargs: Any) -> None:
    from pipelines.services.workers import own_name, say_stopped

    _stopped.set()
    with contextlib.suppress(Error):
        say_stopped(own_name())
    connection.close()
