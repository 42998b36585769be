"""A worker's sign of life, written by a thread of its main process beside its work."""

import contextlib
import threading
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from django.db import DatabaseError, connection

BEAT_S = 10.0
_stopped = threading.Event()


@worker_ready.connect
def begin(sender: Any, **_kwargs: Any) -> None:
    """Begin to say that this worker is alive, and which queues it reads."""
    _stopped.clear()
    queues = sorted(sender.app.amqp.queues.consume_from)
    concurrency = getattr(sender.controller, "concurrency", None) or 1
    threading.Thread(
        target=_beat, args=(queues, int(concurrency)), name="heartbeat", daemon=True
    ).start()


def _beat(queues: list[str], concurrency: int) -> None:
    from django.conf import settings

    from pipelines.services.workers import own_name, say_alive

    while not _stopped.is_set():
        with contextlib.suppress(DatabaseError):
            say_alive(
                own_name(), queues=queues, concurrency=concurrency, version=str(settings.VERSION)
            )
        # Not kept: processes that are forked meanwhile must not share it.
        connection.close()
        _stopped.wait(BEAT_S)


@worker_shutdown.connect
def end(**_kwargs: Any) -> None:
    from pipelines.services.workers import own_name, say_stopped

    _stopped.set()
    with contextlib.suppress(DatabaseError):
        say_stopped(own_name())
    connection.close()
