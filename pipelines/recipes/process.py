"""Runs one program with limits on time and memory, in a process group of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

KILLED_BY_TIMEOUT = 124
# How often a running recipe's owner says that it is alive.
BEAT_S = 1.0


class FencedError(Exception):
    """The run no longer belongs to this worker: whatever it makes is discarded."""


@dataclass(frozen=True)
class ProcessId:
    """Names a process for good: the start time tells a reused number from the real one."""

    host: str
    pid: int
    started: int

    def as_dict(self) -> dict[str, str | int]:
        return {"host": self.host, "pid": self.pid, "started": self.started}


def run_limited(
    argv: list[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    memory_mb: int,
    on_start: Callable[[ProcessId], None],
    on_beat: Callable[[], None],
) -> int:
    """Run a program to its end and return its exit code, 128+n for a signal, 124 out of time.

    Its whole process group is gone when this returns or raises. `on_beat` is called about every
    second; it raises `FencedError` to stop the run.
    """
    with (cwd / "terminal.log").open("wb") as terminal:
        process = subprocess.Popen(
            [*_limits(memory_mb), *argv],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        on_start(process_id(process.pid))
        return _wait(process, timeout_s, on_beat)
    finally:
        end_group(process.pid)
        process.wait()


def _limits(memory_mb: int) -> list[str]:
    """Return the programs of util-linux that set the limits before the recipe starts.

    `setpriv` asks the kernel to end the recipe when its worker dies, even by SIGKILL.
    """
    words: list[str] = []
    if shutil.which("setpriv"):
        words += ["setpriv", "--pdeathsig", "KILL", "--"]
    if shutil.which("prlimit"):
        words += ["prlimit", f"--as={memory_mb * 1024 * 1024}", "--"]
    return words


def _wait(process: subprocess.Popen[bytes], timeout_s: float, on_beat: Callable[[], None]) -> int:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            code = process.wait(timeout=min(BEAT_S, max(0.01, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                return KILLED_BY_TIMEOUT
            on_beat()
        else:
            return code if code >= 0 else 128 - code


def process_id(pid: int) -> ProcessId:
    return ProcessId(host=socket.gethostname(), pid=pid, started=_start_time(pid))


def _start_time(pid: int) -> int:
    """Return the kernel's start time of a process in clock ticks; 0 where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    # The name in parentheses may hold blanks and parentheses itself.
    return int(stat.rpartition(")")[2].split()[19])


def end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end_recorded(recorded: Mapping[str, object]) -> bool:
    """End the process group of a lost run, if it is on this host and still the same process."""
    pid = recorded.get("pid")
    if not isinstance(pid, int) or recorded.get("host") != socket.gethostname():
        return False
    if _start_time(pid) != recorded.get("started"):
        return False
    end_group(pid)
    return True
