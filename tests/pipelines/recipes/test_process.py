"""A program within limits: whatever happens, nothing of its process group is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.recipes.jobs import environment
from pipelines.recipes.process import (
    KILLED_BY_TIMEOUT,
    FencedError,
    end_recorded,
    process_id,
    run_limited,
)

ROOT = Path(__file__).resolve().parents[3]


def run(tmp_path, script, **changes):
    options = {
        "cwd": tmp_path,
        "env": environment(tmp_path),
        "timeout_s": 10.0,
        "memory_mb": 1000,
        "on_start": lambda _: None,
        "on_beat": lambda: None,
    }
    return run_limited(["sh", "-c", script], **(options | changes)).code


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(question, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not question():
        assert time.monotonic() < deadline, "It did not come to pass in time."
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 14", 14),
        ("kill -SEGV $$", 139),
        ("kill -KILL $$", 137),
        ("kill $$", 143),
    ],
)
def test_the_exit_code_is_that_of_a_shell(tmp_path, script, code):
    assert run(tmp_path, script) == code


CHILDREN = "sleep 300 & echo $! > child; sleep 300 & echo $! >> child; "


def children(tmp_path):
    return [int(pid) for pid in (tmp_path / "child").read_text().split()]


def test_out_of_time_the_whole_group_is_ended(tmp_path):
    assert run(tmp_path, CHILDREN + "sleep 300", timeout_s=0.5) == KILLED_BY_TIMEOUT
    for pid in children(tmp_path):
        until(lambda pid=pid: not alive(pid), 2)


def test_a_program_that_shrugs_at_signals_is_ended_too(tmp_path):
    started = time.monotonic()
    assert run(tmp_path, "trap '' TERM INT HUP; sleep 300", timeout_s=0.3) == KILLED_BY_TIMEOUT
    assert time.monotonic() - started < 3


def test_what_a_program_leaves_running_is_ended_with_it(tmp_path):
    assert run(tmp_path, CHILDREN + "exit 0") == 0
    for pid in children(tmp_path):
        until(lambda pid=pid: not alive(pid), 2)


def test_a_run_that_is_no_longer_ours_is_stopped(tmp_path):
    def fenced():
        raise FencedError

    with pytest.raises(FencedError):
        run(tmp_path, CHILDREN + "sleep 300", on_beat=fenced)
    for pid in children(tmp_path):
        until(lambda pid=pid: not alive(pid), 2)


def test_a_start_that_cannot_be_recorded_leaves_nothing_running(tmp_path):
    seen = []

    def fail(process):
        seen.append(process.pid)
        raise RuntimeError("the database is gone")

    with pytest.raises(RuntimeError):
        run(tmp_path, "sleep 300", on_start=fail)
    assert not alive(seen[0])


def test_memory_is_limited(tmp_path):
    code = run(tmp_path, f"exec {sys.executable} -c 'x = bytearray(900_000_000)'", memory_mb=500)
    assert code != 0
    assert "MemoryError" in (tmp_path / "terminal.log").read_text()


def test_the_memory_a_program_took_is_told(tmp_path):
    script = (
        f"exec {sys.executable} -c 'x = bytes(700_000_000)[::4096]; import time; time.sleep(.3)'"
    )
    ended = run_limited(
        ["sh", "-c", script.replace("bytes(700_000_000)", "(b\"x\" * 700_000_000)")],
        cwd=tmp_path, env=environment(tmp_path), timeout_s=10.0, memory_mb=2000,
        on_start=lambda _: None, on_beat=lambda: None,
    )  # fmt: skip
    assert ended.code == 0
    assert ended.peak_mb is not None
    assert 660 < ended.peak_mb < 800


def test_a_program_sees_nothing_of_whoever_started_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HCM_SECRET_KEY", "hush")
    monkeypatch.setenv("DATABASE_URL", "postgres://hush")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    assert run(tmp_path, "env; cat") == 0
    said = (tmp_path / "terminal.log").read_text()
    assert "hush" not in said
    assert "PYTHONWARNINGS" not in said
    assert f"HOME={tmp_path}" in said


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "300"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    "wrong",
    [{"host": "elsewhere"}, {"started": 1}, {"pid": None}, {"pid": "1"}, {"started": None}],
    ids=["other host", "other start: a reused number", "no number", "text", "no start"],
)
def test_another_process_is_never_ended(sleeper, wrong):
    recorded = process_id(sleeper.pid).as_dict() | wrong
    assert not end_recorded(recorded)
    assert alive(sleeper.pid)


def test_nothing_recorded_ends_nothing():
    assert not end_recorded({})


def test_the_very_process_is_ended_with_its_group(sleeper):
    assert end_recorded(process_id(sleeper.pid).as_dict())
    assert sleeper.wait(5) == -signal.SIGKILL


def test_a_process_that_is_gone_already_is_no_mistake(sleeper):
    recorded = process_id(sleeper.pid).as_dict()
    sleeper.kill()
    sleeper.wait()
    assert not end_recorded(recorded)


def test_the_start_of_a_process_is_read_whatever_its_name(tmp_path):
    program = tmp_path / "a) b (c 1 2 3"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "30"])
    try:
        here = process_id(process.pid)
        assert here.started > process_id(os.getppid()).started > 0
    finally:
        process.kill()
        process.wait()


PARENT = """
import os, sys
from pathlib import Path
from pipelines.recipes.process import run_limited
here = Path(sys.argv[1])
run_limited(
    ["sleep", "300"], cwd=here, env={"PATH": os.environ["PATH"]}, timeout_s=300, memory_mb=1000,
    on_start=lambda process: (here / "recipe").write_text(str(process.pid)), on_beat=lambda: None,
)
"""


@pytest.mark.needs("setpriv")
def test_a_recipe_ends_when_its_worker_is_killed(tmp_path):
    worker = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT)
    try:
        until((tmp_path / "recipe").exists)
        until(lambda: (tmp_path / "recipe").read_text())
        recipe = int((tmp_path / "recipe").read_text())
        until(lambda: Path(f"/proc/{recipe}/comm").read_bytes().strip() == b"sleep")
        assert alive(recipe)
    finally:
        worker.kill()
        worker.wait()
    until(lambda: not alive(recipe))
