"""Two workers with disks of their own, as on two hosts: one for an instrument, one for everything."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.frames import BIAS, DARK, taken
from tests.site.services import ROOT, Site, postgresql, redis

pytestmark = [
    pytest.mark.xdist_group("site"),
    pytest.mark.needs("postgres", "initdb", "redis-server"),
]
DIRS = """
from pipelines.models import Attempt
out = sorted([a.number, a.outcome, a.job_dir.split("/")[-2], bool(a.log)]
             for a in Attempt.objects.all())
"""
ALIVE = """
from pipelines.services.workers import living_workers
out = sorted(sum(living_workers().values_list("queues", flat=True), []))
"""
REST = """
from pipelines.models import AssociationBlock
out = AssociationBlock.objects.exclude(next_step="REST").count()
"""


@contextlib.contextmanager
def worker(site, name, queues):
    with (site.data_dir / f"{name}.log").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "--app", "qcweb", "worker", "-Q", queues,
             "--hostname", f"{name}@%h", "--concurrency", "1", "--loglevel", "INFO",
             "--without-gossip", "--without-mingle"],
            env=site.env | {"HCM_WORK_DIR": str(site.data_dir.parent / name)},
            cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def list_of(site, code) -> list[Any]:
    found: Any = site.json(code)
    return list(found)


def until(question, timeout_s=90):
    deadline = time.monotonic() + timeout_s
    while not question():
        assert time.monotonic() < deadline, "It did not come to pass in time."
        time.sleep(0.2)


def test_each_takes_what_is_its_own_and_all_is_done_when_one_falls_silent(tmp_path):
    with postgresql() as database, redis() as broker:
        settings = {"DATABASE_URL": database, "CELERY_BROKER_URL": broker, "HCM_LEASE_S": "3"}
        site = Site(tmp_path / "shared", settings)
        site.run("migrate", "-v", "0")
        site.run("load_instruments")
        with worker(site, "general", "blocks,clock"):
            with worker(site, "ccd", "blocks.ccdcam") as special:
                until(lambda: "blocks.ccdcam" in list_of(site, ALIVE))
                site.run("ingest", str(taken(tmp_path / "frames", BIAS, DARK)))
                until(lambda: site.json(REST) == 0)
                assert site.json(DIRS) == [[1, "SUCCESSFUL", "ccd", True]] * 2
                special.send_signal(signal.SIGTERM)  # it says that it ends
                special.wait(20)
            night = "2026-03-01"
            site.run("process", night, "--all")
            until(lambda: site.json(REST) == 0)
            assert [one for one in list_of(site, DIRS) if one[0] == 2] == [
                [2, "SUCCESSFUL", "general", True]
            ] * 2
    # Of runs that are over the log and the set of frames stay, on the disk of their worker.
    left = {path.name for path in (tmp_path / "ccd").glob("*/*")}
    assert left == {"in.sof", "run.log"}
