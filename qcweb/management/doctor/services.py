"""Database, broker and workers: whether they answer, and whether they are ours."""

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from pipelines.models import Hold
from qcweb import monitor
from qcweb.celery import app

from .finding import Finding, fail, ok, warn

# A database that takes longer (s) for nothing makes every page slow.
SLOW_S = 0.05
BROKER_S = 3


def database() -> Iterator[Finding]:
    took = []
    with connection.cursor() as cursor:
        for _ in range(5):
            started = time.monotonic()
            cursor.execute("SELECT 1")
            took.append(time.monotonic() - started)
    version = ".".join(map(str, connection.get_database_version()))
    said = f"{connection.display_name} {version} answers in {1000 * median(took):.1f} ms"
    if median(took) > SLOW_S:
        yield warn("database", said, "Is it on another continent, or out of memory?")
    else:
        yield ok("database", said)
    yield from _file()
    yield _migrations()


def _file() -> Iterator[Finding]:
    """Look at the file of a SQLite database, and its directory, which takes the log beside it."""
    if connection.vendor != "sqlite":
        return
    path = Path(str(connection.settings_dict["NAME"]))
    for one in (path, path.parent):
        if one.exists() and not os.access(one, os.W_OK):
            yield fail("database", f"{one} cannot be written.", f"chown it to user {_user()}.")


def _user() -> int:
    return os.geteuid()


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    left = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if left:
        return fail("migrations", f"{left} are not applied.", "python manage.py migrate")
    return ok("migrations", "all applied")


def broker() -> Iterator[Finding]:
    """Put a message into a queue of our own, and take it out again."""
    scheme = settings.CELERY_BROKER_URL.partition("://")[0]
    sent = uuid.uuid4().hex
    started = time.monotonic()
    with app.connection_for_write(connect_timeout=BROKER_S) as link:
        link.ensure_connection(max_retries=1, timeout=BROKER_S)
        queue = link.SimpleBuffer("hcm.doctor")
        queue.clear()
        queue.put(sent)
        message = queue.get(timeout=BROKER_S)
        message.ack()
        queue.close()
    took = f"{1000 * (time.monotonic() - started):.0f} ms"
    if message.payload != sent:
        yield fail("broker", f"{scheme} gave back another message than was put.", "Ask it again.")
    else:
        yield ok("broker", f"{scheme} took a message and gave it back in {took}")


def workers() -> Iterator[Finding]:
    at = timezone.now()
    lines = monitor.workers(at)
    alive = [line.worker for line in lines if line.is_alive]
    hands = sum(one.concurrency for one in alive)
    if not alive:
        yield fail("workers", "none is alive: nothing is processed.",
                   "systemctl start hcm-worker@all, or make worker from the tree.")  # fmt: skip
    else:
        yield ok("workers", f"{len(alive)} alive, {hands} recipes at a time")
    for name in monitor.queues(at).unread if alive else []:
        yield warn("workers", f"nobody reads the queue {name}, and blocks wait in it.",
                   f"Start a worker with -Q {name}.")  # fmt: skip
    if n_held := Hold.objects.count():
        since = Hold.objects.earliest("held_at").held_at
        yield warn("workers", f"{n_held} hold{'s' * (n_held != 1)}, the oldest since "
                   f"{since:%Y-%m-%d %H:%M} UT: what is held waits.",
                   "The page Work names them; manage.py work release lifts them.")  # fmt: skip
    versions = {one.version for one in alive} - {str(settings.VERSION)}
    if versions:
        yield warn("workers", f"of version {', '.join(sorted(versions))}, this is "
                   f"{settings.VERSION}.", "Start them anew after an update.")  # fmt: skip
    yield _sweep(monitor.last_sweep(at))


def _sweep(sweep: monitor.Sweep) -> Finding:
    if sweep.at is None:
        return fail("sweep", "has never run.", "systemctl start hcm-beat")
    said = f"last ran {sweep.at:%Y-%m-%d %H:%M:%S} UT"
    if sweep.is_stale:
        return fail("sweep", f"{said}: stale.", "systemctl restart hcm-beat; is a worker alive?")
    return ok("sweep", said)
