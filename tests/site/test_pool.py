"""The processes of a worker's pool are replaced when they have done their share."""

import sys
import time

import pytest

from qcweb.management.servers import Service, dies_with_us
from tests.site.services import ROOT, Site, redis

pytestmark = [pytest.mark.xdist_group("site"), pytest.mark.needs("redis-server")]
SHARES = 3
SEND = f"""
from qcweb.tasks import advance
for n in range({SHARES}):
    advance.apply_async((-1,))
out = None
"""
# By itself the pool may look after five seconds only.
PATIENCE_S = 4.5


def test_a_process_that_has_done_its_share_is_replaced_soon(tmp_path):
    with redis() as broker:
        site = Site(tmp_path / "data", {"CELERY_BROKER_URL": broker, "HCM_LOG_LEVEL": "INFO"})
        site.data_dir.mkdir()
        site.run("migrate", "-v", "0")
        worker = Service(
            "worker",
            [*dies_with_us(), sys.executable, "-m", "celery", "--app", "qcweb", "worker",
             "--concurrency", "1", "--max-tasks-per-child", "1", "--loglevel", "INFO",
             "--without-gossip", "--without-mingle"],
            tmp_path, site.env | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        site.json(SEND)
        worker.start()
        try:
            until_it_says(tmp_path, "ready.", 1, 60)
            started = time.monotonic()
            until_it_says(tmp_path, "succeeded in", SHARES, 60)
        finally:
            worker.end()
        assert time.monotonic() - started < PATIENCE_S


def until_it_says(folder, words, n_times, timeout_s):
    deadline = time.monotonic() + timeout_s
    while (folder / "worker.log").read_text().count(words) < n_times:
        assert time.monotonic() < deadline, (folder / "worker.log").read_text()[-3000:]
        time.sleep(0.05)
