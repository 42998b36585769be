"""A worker is killed in the middle of a recipe: the night still ends right, on either broker."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from qcweb.heartbeat import START_AGAIN
from qcweb.management.chaos.monkey import children_of
from tests.frames import BIAS, DARK, taken
from tests.site.services import ROOT, Site, postgresql, redis

LATER = BIAS.start + timedelta(hours=3)
SETTINGS = {"HCM_LEASE_S": "3", "HCM_SWEEP_S": "0.5", "HCM_RETRY_S": "1"}
ATTEMPTS = """
from pipelines.models import Attempt
out = [[a.block.raw_type, a.number, a.outcome, a.process.get("pid")]
       for a in Attempt.objects.select_related("block").order_by("pk")]
"""
STATES = """
from pipelines.models import AssociationBlock as B
out = [[b.raw_type, b.process_status, b.next_step, b.attempt, b.certifications.count(),
        b.current_attempt.qc1_rows.filter(is_current=True).count() if b.current_attempt else 0]
       for b in B.objects.order_by("mjd_obs")]
"""


@contextlib.contextmanager
def worker(site, *, beat=True):
    log = site.data_dir / "worker.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "--app", "qcweb", "worker", *["--beat"] * beat,
             "--concurrency", "1", "--loglevel", "INFO", "--without-gossip", "--without-mingle"],
            env=site.env, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(question, timeout_s=60, every_s=0.1):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(every_s)
    raise AssertionError("It did not come to pass in time.")


def stop_recipe_of(site):
    """Find a running recipe of this site and stop it: now its worker is in the middle of it."""
    jobs = str(site.data_dir / "jobs")
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            # Our own recipes run in a fork: nothing but its directory tells it from its worker.
            if entry.name.isdigit() and str((entry / "cwd").readlink()).startswith(jobs):
                os.kill(int(entry.name), signal.SIGSTOP)
                return int(entry.name)
    return None


def night_ends_right(site):
    site.run("migrate", "-v", "0")
    site.run("load_instruments")
    for name in ("queue", "control"):
        (site.data_dir / "broker" / name).mkdir(parents=True, exist_ok=True)
    # Frames enough that the recipe does not end before it can be stopped.
    many = dataclasses.replace(BIAS, n_frames=80)
    frames = taken(site.data_dir / "frames", many, dataclasses.replace(DARK, start=LATER))
    site.run("ingest", str(frames))
    with worker(site) as first:
        recipe = until(lambda: stop_recipe_of(site), every_s=0.01)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        until(lambda: not alive(recipe))
    with worker(site):
        until(lambda: all(step == "REST" for _, _, step, *_ in site.json(STATES)), 90)
    attempts = [(raw, number, outcome) for raw, number, outcome, _ in site.json(ATTEMPTS)]
    assert ("BIAS", 1, "LOST") in attempts
    assert ("BIAS", 2, "SUCCESSFUL") in attempts
    assert [line[:3] for line in site.json(STATES)] == [
        ["BIAS", "SUCCESSFUL", "REST"],
        ["DARK", "SUCCESSFUL", "REST"],
    ]
    for raw_type, *_, certifications, rows in site.json(STATES):
        assert (raw_type, certifications, rows) == (raw_type, 1, 2)


def alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@pytest.mark.xdist_group("killed_worker")
def test_it_ends_right_on_the_embedded_broker(tmp_path):
    night_ends_right(Site(tmp_path, SETTINGS))


@pytest.mark.xdist_group("killed_worker")
@pytest.mark.needs("initdb", "redis-server")
def test_it_ends_right_on_redis_and_postgresql(tmp_path):
    with postgresql() as database, redis() as broker:
        night_ends_right(
            Site(tmp_path, SETTINGS | {"DATABASE_URL": database, "CELERY_BROKER_URL": broker})
        )


@pytest.mark.xdist_group("killed_worker")
def test_a_worker_whose_pool_was_shot_at_ends_so_that_it_is_started_again(tmp_path):
    """On the embedded broker the pool shares a lock, which a killed process takes with it."""
    site = Site(tmp_path, SETTINGS)
    site.run("migrate", "-v", "0")
    for name in ("queue", "control"):
        (site.data_dir / "broker" / name).mkdir(parents=True, exist_ok=True)
    # Without the clock: its process is no one of the pool.
    with worker(site, beat=False) as process:
        log = site.data_dir / "worker.log"
        until(lambda: "ready" in log.read_text())
        (child, *_) = until(lambda: children_of(process.pid))
        time.sleep(1)  # it has been looked at
        os.kill(child, signal.SIGKILL)
        assert process.wait(60) == START_AGAIN
    assert "is to be started again" in log.read_text()
