"""Runs one program with limits on time and memory, in a process group of its own."""

import contextlib
import os
import resource
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
    """How a program ended.

    Attributes
    ----------
    code : int
        Its exit code; 128+n for signal n, 124 when its time was over.
    peak_mb : float or None
        Its resident memory at the highest (MB); None when it ended before it could be seen.
    """

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
    """Run a program to its end.

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
        process.returncode = 0  # it has been waited for: there is nothing left for Popen


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
    """Wait for a child that leads a process group; the group is gone when this ends or raises."""
    watching = _Watch(pid)
    try:
        on_start(process_id(pid))
        return watching.wait(timeout_s, on_beat)
    finally:
        watching.close()


class _Watch:
    """Waits for a child of ours, and looks at the memory it takes meanwhile."""

    # The memory of a short run is seen at its beginning, of a long one about every second.
    FIRST_LOOK_S = 0.02

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.seen_mb: float | None = None
        self.is_reaped = False
        self.bell = _Bell(pid)

    def wait(self, timeout_s: float, on_beat: Callable[[], None]) -> Ended:
        """Return how the child ended; code 124 when it runs longer than `timeout_s` seconds."""
        started = time.monotonic()
        next_beat, pause = started + BEAT_S, self.FIRST_LOOK_S
        while True:
            left = started + timeout_s - time.monotonic()
            to_beat = next_beat - time.monotonic()
            if self.bell.rings_within(max(0.0, min(pause, left, to_beat))):
                return self._reap()
            if left <= 0:
                return Ended(KILLED_BY_TIMEOUT, self.seen_mb)
            self._look()
            pause = min(pause * 2, BEAT_S)
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + BEAT_S
                on_beat()

    def _look(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.seen_mb = int(line.split()[1]) / 1024

    def _reap(self) -> Ended:
        # While it is not waited for, its number cannot be anybody else's.
        end_group(self.pid)
        _, status, usage = os.wait4(self.pid, 0)
        self.is_reaped = True
        peak = usage.ru_maxrss / 1024
        # A child starts as a copy of its parent: below the parent's own peak the kernel's figure
        # may be the parent's.
        if self.seen_mb is None or peak > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:
            self.seen_mb = max(peak, self.seen_mb or 0.0)
        code = os.waitstatus_to_exitcode(status)
        return Ended(code if code >= 0 else 128 - code, self.seen_mb)

    def close(self) -> None:
        """End the child and its group if it still runs."""
        self.bell.close()
        if not self.is_reaped:
            self._reap()


class _Bell:
    """Tells the end of a child at once where the kernel can, else within milliseconds."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptor = -1
        with contextlib.suppress(AttributeError, OSError):  # before Linux 5.3 and elsewhere
            self.descriptor = os.pidfd_open(pid)

    def rings_within(self, seconds: float) -> bool:
        if self.descriptor >= 0:
            poll = select.poll()
            poll.register(self.descriptor, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        until = time.monotonic() + seconds
        while not (ended := self._has_ended()) and time.monotonic() < until:
            time.sleep(0.005)
        return ended

    def _has_ended(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


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
