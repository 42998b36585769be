"""Runs one program with limits on time and memory, in a process group of its own."""

import contextlib
import os
import select
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


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code as a shell gives it, and its largest resident memory."""

    code: int
    peak_mb: float | None


def run_limited(
    argv: list[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    memory_mb: int,
    on_start: Callable[[ProcessId], None],
    on_beat: Callable[[], None],
) -> Ended:
    """Run a program to its end: exit code, 128+n for a signal, 124 out of time, and its peak memory.

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
        return watch(process.pid, timeout_s, on_start, on_beat)
    finally:
        process.returncode = 0  # it has been reaped: there is nothing left for Popen to wait for


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


def watch(
    pid: int,
    timeout_s: float,
    on_start: Callable[[ProcessId], None],
    on_beat: Callable[[], None],
) -> Ended:
    """Wait for a child that leads a process group, end the group, and say how the child ended."""
    in_time = False
    try:
        on_start(process_id(pid))
        in_time = _wait(pid, timeout_s, on_beat)
    finally:
        # Before the child is reaped: until then nobody else can have its number.
        end_group(pid)
        _, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status) if in_time else KILLED_BY_TIMEOUT
    return Ended(code if code >= 0 else 128 - code, usage.ru_maxrss / 1024)


def _wait(pid: int, timeout_s: float, on_beat: Callable[[], None]) -> bool:
    """Wait until a child ends; False when its time is up first. It is not reaped."""
    deadline = time.monotonic() + timeout_s
    with _Bell(pid) as bell:
        while not bell.rings_within(min(BEAT_S, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return False
            on_beat()
    return True


class _Bell:
    """Tells the end of a child at once where the kernel can, else within milliseconds."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor = -1
        with contextlib.suppress(AttributeError, OSError):  # before Linux 5.3 and elsewhere
            self._descriptor = os.pidfd_open(pid)

    def __enter__(self) -> "_Bell":
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def rings_within(self, seconds: float) -> bool:
        if self._descriptor >= 0:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        until = time.monotonic() + seconds
        while not (ended := self._has_ended()) and time.monotonic() < until:
            time.sleep(0.005)
        return ended

    def _has_ended(self) -> bool:
        return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


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
