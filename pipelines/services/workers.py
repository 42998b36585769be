"""Workers say that they are alive; others see who there is and who has fallen silent."""

import datetime as dt
import os
import socket

from django.db import models
from django.utils import timezone

from pipelines.models import Worker

# A worker silent for so long is no longer counted on.
SILENCE = dt.timedelta(seconds=60)


def own_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def say_alive(name: str, *, queues: list[str], concurrency: int, version: str) -> None:
    """Write down that a worker process is alive."""
    now = timezone.now()
    host, _, pid = name.rpartition(":")
    Worker.objects.update_or_create(
        name=name,
        defaults={
            "host": host, "pid": int(pid), "queues": queues, "concurrency": concurrency,
            "version": version, "seen_at": now, "stopped_at": None,
        },
        create_defaults={
            "host": host, "pid": int(pid), "queues": queues, "concurrency": concurrency,
            "version": version, "started_at": now, "seen_at": now,
        },
    )  # fmt: skip


def say_stopped(name: str) -> None:
    """Write down that a worker process ends by itself."""
    Worker.objects.filter(name=name).update(stopped_at=timezone.now())


def living_workers() -> models.QuerySet[Worker]:
    """Return the workers that have said so within the last minute."""
    return Worker.objects.filter(stopped_at=None, seen_at__gte=timezone.now() - SILENCE)
