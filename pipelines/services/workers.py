"""Workers say that they are alive; others see who there is and who has fallen silent."""

import os
import socket

from django.utils import timezone

from pipelines.models import Worker


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
