"""Directories, their disks, the clock, and the settings."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from .finding import Finding, fail, ok, warn

GB = 1e9
# Below the first pair (bytes, part of the disk) it warns, below the second it fails.
SCARCE, NOTHING = (10 * GB, 0.10), (1 * GB, 0.02)
# Clocks that differ by more (s) put things into the wrong order; by much more, into another night.
DIFFERS_S, WRONG_S = 2.0, 60.0


def directories() -> Iterator[Finding]:
    for name, path in (("data directory", settings.HCM_DATA_DIR),
                       ("work directory", settings.HCM_WORK_DIR)):  # fmt: skip
        yield _directory(name, path)
    if any(character.isspace() for character in str(settings.HCM_WORK_DIR)):
        yield fail("work directory", f"{str(settings.HCM_WORK_DIR)!r} has a blank in it.",
                   "EsoRex takes no blanks: set HCM_WORK_DIR to another.")  # fmt: skip


def _directory(name: str, path: Path) -> Finding:
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor-"):
            pass
    except OSError as error:
        return fail(name, f"{path} cannot be written: {error.strerror}.",
                    f"Make it, and give it to user {os.geteuid()}.")  # fmt: skip
    disk = shutil.disk_usage(path)
    part = disk.free / disk.total
    said = f"{path}: {disk.free / GB:.1f} GB free, {100 * part:.0f} %"
    todo = "python manage.py prune says what can go."
    if disk.free < NOTHING[0] or part < NOTHING[1]:
        return fail(name, said, todo)
    if disk.free < SCARCE[0] or part < SCARCE[1]:
        return warn(name, said, todo)
    return ok(name, said)


def clock() -> Iterator[Finding]:
    """Compare this host's clock with the database's and the disk's."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (there,) = cursor.fetchone()
        yield _apart("the database", (there - timezone.now()).total_seconds())
    with tempfile.NamedTemporaryFile(dir=settings.HCM_DATA_DIR, prefix=".doctor-") as file:
        yield _apart("the data directory's disk", Path(file.name).stat().st_mtime - time.time())


def _apart(what: str, seconds: float) -> Finding:
    said = f"{timezone.now():%Y-%m-%d %H:%M:%S} UT here, {what} {seconds:+.1f} s"
    todo = "Let all hosts take their time from NTP: timedatectl set-ntp true"
    if abs(seconds) > WRONG_S:
        return fail("clock", said, todo)
    return warn("clock", said, todo) if abs(seconds) > DIFFERS_S else ok("clock", said)


def site_settings() -> Iterator[Finding]:
    found = [*_debug(), *_hosts(), *_secret()]
    yield from found or [ok("settings", f"version {settings.VERSION}, for a site")]


def _debug() -> Iterator[Finding]:
    if settings.DEBUG:
        yield warn("settings", "HCM_DEBUG is on: errors show what nobody else should see.",
                   "Unset HCM_DEBUG on a site.")  # fmt: skip


def _hosts() -> Iterator[Finding]:
    hosts = settings.ALLOWED_HOSTS
    if "*" in hosts:
        yield warn("settings", "HCM_ALLOWED_HOSTS is *: any name is answered.",
                   "Name the site's own hosts.")  # fmt: skip
    elif not {*hosts} - {"localhost", "127.0.0.1", "[::1]"}:
        yield warn("settings", "HCM_ALLOWED_HOSTS names this machine only.",
                   "Right for a trial; a site names its own hosts.")  # fmt: skip
    elif not settings.HTTPS:
        yield warn("settings", "HCM_HTTPS is off, and others than this machine are answered.",
                   "Put a proxy with TLS before it and set HCM_HTTPS=1.")  # fmt: skip


def _secret() -> Iterator[Finding]:
    path = Path(os.environ.get("HCM_SECRET_KEY_FILE") or settings.HCM_DATA_DIR / "secret_key")
    if path.exists() and path.stat().st_mode & 0o077:
        yield fail("settings", f"{path} can be read by others: mode "
                   f"{path.stat().st_mode & 0o777:o}.", f"chmod 600 {path}")  # fmt: skip
