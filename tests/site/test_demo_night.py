"""The demo's three nights: on the embedded services, and the same on PostgreSQL and Redis."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.site.services import ROOT, Site, free_port, postgresql, redis

DEMO = {"HCM_ANONYMOUS_READ": "1", "HCM_LEASE_S": "15", "HCM_SWEEP_S": "1"}
KEYS = ["nights", "blocks", "successful", "failed", "incomplete", "scored", "nok", "certified",
        "qc1_rows", "seconds"]  # fmt: skip


def check_summary(output):
    summary = json.loads(output.strip().splitlines()[-1])
    assert list(summary) == KEYS
    assert summary["nights"] == 3
    assert summary["blocks"] >= 30
    assert summary["scored"] >= 20
    assert min(summary["failed"], summary["incomplete"], summary["nok"]) >= 1
    assert summary["qc1_rows"] >= 500
    return summary


@pytest.mark.needs("esorex")
def test_the_demo_works_in_a_directory_with_a_blank_and_goes_on_from_there(tmp_path):
    site = Site(tmp_path / "with a blank", DEMO)
    first = check_summary(site.run("demo", "--no-server"))
    assert first["successful"] + first["failed"] + first["incomplete"] == first["blocks"]
    again = check_summary(site.run("demo", "--no-server"))
    del first["seconds"], again["seconds"]
    assert again == first
    assert _count(site, "pipelines.Attempt") == first["successful"] + first["failed"]


def _count(site, model):
    return site.json(
        f"from django.apps import apps\nout = apps.get_model('{model}').objects.count()"
    )


@pytest.mark.needs("esorex", "initdb", "redis-server")
def test_the_same_night_runs_on_postgresql_and_redis(tmp_path):
    with postgresql() as database, redis() as broker:
        site = Site(
            tmp_path / "site", DEMO | {"DATABASE_URL": database, "CELERY_BROKER_URL": broker}
        )
        check_summary(site.run("demo", "--no-server"))
        assert not (site.data_dir / "hcm.sqlite3").exists()
        assert _count(site, "certification.Certification") > 20


def test_without_esorex_the_native_instrument_runs_alone_and_says_so(tmp_path):
    folders = [
        folder for folder in os.environ["PATH"].split(":") if not (Path(folder) / "esorex").exists()
    ]
    shadow = tmp_path / "bin"
    shadow.mkdir()
    for name in ("setpriv", "prlimit", "sh", "env"):
        (shadow / name).symlink_to(f"/usr/bin/{name}")
    site = Site(tmp_path / "site", DEMO | {"PATH": ":".join([str(shadow), *folders])})
    output = site.run("demo", "--no-server")
    assert "EsoRex with the uves pipeline is not installed: UVES is left out" in output
    summary = json.loads(output.strip().splitlines()[-1])
    assert (summary["nights"], summary["blocks"], summary["failed"]) == (3, 24, 1)


def _children(pid):
    return subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True
    ).stdout.split()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_the_first_page_is_there_at_once_and_the_end_leaves_nothing_running(tmp_path, number):
    port = free_port()
    site = Site(tmp_path / "site", DEMO | {"PORT": str(port)})
    started = time.monotonic()
    demo = subprocess.Popen(
        site.command("demo"), env=site.env, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert demo.stdout is not None
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if line.startswith("Importing"):
                break
        assert any(f"http://127.0.0.1:{port}/" in line for line in lines)
        assert any("quinn" in line and "password" in line for line in lines)
        with urlopen(f"http://127.0.0.1:{port}/") as answer:
            assert answer.status == 200
        assert time.monotonic() - started < 60
        children = _children(demo.pid)
        assert len(children) == 2
    finally:
        demo.send_signal(number)
        demo.stdout.close()
        demo.wait(30)
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    with pytest.raises(OSError, match="refused"):
        urlopen(f"http://127.0.0.1:{port}/")
