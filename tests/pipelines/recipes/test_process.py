"""A program within limits: whatever happens, nothing of its process group is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.recipes import forked
from pipelines.recipes.jobs import environment
from pipelines.recipes.process import (
    KILLED_BY_TIMEOUT,
    FencedError,
    end_recorded,
    process_id,
    run_limited,
)

ROOT = Path(__file__).resolve().parents[3]
FORKED = [sys.executable, "-m", "pipelines.recipes.native", "hcm_bias", "in.sof"]
OPTIONS: dict[str, Any] = {
    "timeout_s": 10.0,
    "memory_mb": 1000,
    "on_start": lambda _: None,
    "on_beat": lambda: None,
}


@pytest.fixture(params=["process", "fork"])
def run(request, tmp_path, monkeypatch):
    """Run a shell script within limits, as a program or in a fork; return how it ended."""

    def as_program(script, **changes):
        return run_limited(["sh", "-c", script], **(OPTIONS | here | changes))

    def as_fork(script, **changes):
        monkeypatch.setattr(forked, "main", lambda _: os.execvp("sh", ["sh", "-c", script]))  # noqa: S606
        return forked.run_limited(FORKED, **(OPTIONS | here | changes))

    here = {"cwd": tmp_path, "env": environment(tmp_path)}
    return as_program if request.param == "process" else as_fork


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
def test_the_exit_code_is_that_of_a_shell(run, script, code):
    assert run(script).code == code


CHILDREN = "sleep 300 & echo $! > child; sleep 300 & echo $! >> child; "


def children(tmp_path):
    return [int(pid) for pid in (tmp_path / "child").read_text().split()]


def test_out_of_time_the_whole_group_is_ended(run, tmp_path):
    assert run(CHILDREN + "sleep 300", timeout_s=0.5).code == KILLED_BY_TIMEOUT
    for pid in children(tmp_path):
        until(lambda pid=pid: not alive(pid), 2)


def test_a_program_that_shrugs_at_signals_is_ended_too(run):
    started = time.monotonic()
    assert run("trap '' TERM INT HUP; sleep 300", timeout_s=0.3).code == KILLED_BY_TIMEOUT
    assert time.monotonic() - started < 3


def test_what_a_program_leaves_running_is_ended_with_it(run, tmp_path):
    assert run(CHILDREN + "exit 0").code == 0
    for pid in children(tmp_path):
        until(lambda pid=pid: not alive(pid), 2)


def test_a_run_that_is_no_longer_ours_is_stopped(run, tmp_path):
    def fenced():
        raise FencedError

    with pytest.raises(FencedError):
        run(CHILDREN + "sleep 300", on_beat=fenced)
    for pid in children(tmp_path):
        until(lambda pid=pid: not alive(pid), 2)


def test_a_start_that_cannot_be_recorded_leaves_nothing_running(run):
    seen = []

    def fail(process):
        seen.append(process.pid)
        raise RuntimeError("the database is gone")

    with pytest.raises(RuntimeError):
        run("sleep 300", on_start=fail)
    assert not alive(seen[0])


def test_memory_is_limited(tmp_path):
    hog = [sys.executable, "-c", "x = bytearray(900_000_000)"]
    here = {"cwd": tmp_path, "env": environment(tmp_path)}
    assert run_limited(hog, **(OPTIONS | here | {"memory_mb": 500})).code != 0
    assert "MemoryError" in (tmp_path / "terminal.log").read_text()


def test_memory_is_limited_without_a_program_that_does_so(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.recipes.process.shutil.which", lambda _: None)
    test_memory_is_limited(tmp_path)


def test_a_program_sees_nothing_of_whoever_started_it(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HCM_SECRET_KEY", "hush")
    monkeypatch.setenv("DATABASE_URL", "postgres://hush")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    assert run("env; cat").code == 0
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


def test_what_a_leader_that_is_gone_had_started_is_ended(tmp_path):
    script = "sleep 300 & echo $! > child; set -m; sleep 300 & echo $! >> child; sleep 300"
    leader = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, start_new_session=True)
    known = process_id(leader.pid)
    recorded = known.as_dict()
    until(lambda: (tmp_path / "child").exists() and len(children(tmp_path)) == 2)
    leader.kill()
    leader.wait()
    assert not end_recorded(recorded | {"started": known.started + 10_000})
    assert all(alive(pid) for pid in children(tmp_path))
    assert end_recorded(recorded)
    assert not any(alive(pid) for pid in children(tmp_path))
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
from pipelines.recipes import forked, process
here = Path(sys.argv[1])
forked.main = lambda arguments: os.execvp("sleep", ["sleep", "300"])
{start}(
    {argv}, cwd=here, env={{"PATH": os.environ["PATH"]}}, timeout_s=300, memory_mb=1000,
    on_start=lambda process: (here / "recipe").write_text(str(process.pid)), on_beat=lambda: None,
)
"""


@pytest.mark.parametrize(
    ("start", "argv"),
    [
        pytest.param("process.run_limited", ["sleep", "300"], marks=pytest.mark.needs("setpriv")),
        ("forked.run_limited", FORKED),
    ],
    ids=["process", "fork"],
)
def test_a_recipe_ends_when_its_worker_is_killed(tmp_path, start, argv):
    parent = PARENT.format(start=start, argv=argv)
    worker = subprocess.Popen([sys.executable, "-c", parent, str(tmp_path)], cwd=ROOT)
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


LIMITED = """
import os, resource, sys
from pathlib import Path
from pipelines.recipes import forked, process
here = Path(sys.argv[1])
script = ["sh", "-c", "ulimit -Hv"]
forked.main = lambda arguments: os.execvp("sh", script)
resource.setrlimit(resource.RLIMIT_AS, (3000 * 2**20, 3000 * 2**20))
sys.exit({start}(
    {argv}, cwd=here, env={{"PATH": os.environ["PATH"]}}, timeout_s=30, memory_mb=4000,
    on_start=lambda _: None, on_beat=lambda: None,
).code)
"""


@pytest.mark.parametrize(
    ("start", "argv"),
    [
        ("process.run_limited", ["sh", "-c", "sleep 0.3; ulimit -Hv"]),
        ("forked.run_limited", FORKED),
    ],
    ids=["process", "fork"],
)
def test_a_lower_limit_of_the_worker_itself_stays(tmp_path, start, argv):
    parent = LIMITED.format(start=start, argv=argv)
    worker = subprocess.run([sys.executable, "-c", parent, str(tmp_path)], cwd=ROOT, timeout=60)
    assert worker.returncode == 0
    assert (tmp_path / "terminal.log").read_text().strip() == str(3000 * 1024)


def test_a_child_is_waited_for_without_the_kernels_help_too(run, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    beats = []
    ended = run("sleep 1.2; exit 3", on_beat=lambda: beats.append(1))
    assert (ended.code, beats) == (3, [1])


# The kernel counts the memory of a program from that of whoever started it on: a shell lies between
# these tests, which may be large, and the parent, which is small as workers are.
PEAKS = """
import os, sys
from pathlib import Path
from pipelines.recipes import forked, process
here = Path(sys.argv[1])
loud = "x = bytearray(b'x') * 700_000_000"
for script in (["sh", "-c", "exit 0"], [sys.executable, "-c", loud]):
    forked.main = lambda arguments: os.execvp(script[0], script)
    ended = {start}(
        {argv} or script, cwd=here, env={{"PATH": os.environ["PATH"]}}, timeout_s=30,
        memory_mb=2000, on_start=lambda _: None, on_beat=lambda: None,
    )
    assert ended.code == 0
    print(ended.peak_mb)
"""


@pytest.mark.parametrize(
    ("start", "argv"),
    [("process.run_limited", None), ("forked.run_limited", FORKED)],
    ids=["process", "fork"],
)
def test_the_peak_memory_is_told(tmp_path, start, argv):
    parent = PEAKS.format(start=start, argv=argv)
    said = subprocess.run(
        ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", parent, str(tmp_path)],
        cwd=ROOT, timeout=60, capture_output=True, text=True, check=True,
    )  # fmt: skip
    quiet, loud = map(float, said.stdout.split())
    assert 0 < quiet < 300 < 660 < loud < 1000
