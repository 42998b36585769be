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
            [*_ending_with_the_worker(), *argv],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def limit_and_start(started: ProcessId) -> None:
        limit_memory(process.pid, memory_mb * 2**20)
        on_start(started)

    try:
        return watch(process.pid, timeout_s, limit_and_start, on_beat)
    finally:
        process.returncode = 0  # it has been waited for: there is nothing left for Popen


def _ending_with_the_worker() -> list[str]:
    """Return the program of util-linux by which the kernel ends a recipe whose worker dies."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []


def limit_memory(pid: int, n_bytes: int) -> None:
    """Limit the address space of a process, and of what it starts from now on.

    A limit that the worker itself was given stays: nobody may go beyond it.
    """
    if not hasattr(resource, "prlimit"):  # not Linux: nothing else limits another process there
        return
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
        limit = within(n_bytes, hard)
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))


def within(limit: int, hard: int) -> int:
    """Return a limit that may be set where `hard` is the most."""
    return limit if hard == resource.RLIM_INFINITY else min(limit, hard)


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


@dataclass(frozen=True)
class _Stat:
    """A process as /proc shows it: its state, group and session, and its start in clock ticks."""

    state: str
    group: int
    session: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold blanks and parentheses itself.
    words = text.rpartition(")")[2].split()
    return _Stat(words[0], int(words[2]), int(words[3]), int(words[19]))


def _start_time(pid: int) -> int:
    """Return the kernel's start time of a process in clock ticks; 0 where there is no /proc."""
    found = _stat(pid)
    return found.started if found else 0


def end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end_recorded(recorded: Mapping[str, object]) -> bool:
    """End what still runs of a lost run, if it is on this host and not somebody else's by now."""
    pid, started = recorded.get("pid"), recorded.get("started")
    if not isinstance(pid, int) or recorded.get("host") != socket.gethostname():
        return False
    if not isinstance(started, int) or started <= 0:
        return False
    leader = _stat(pid)
    if leader is not None and leader.started != started:
        return False  # the number is another process's: the kernel gives none of a living session
    # The kernel ends the leader with its worker, and nobody but it: what it had started goes on.
    return _end_members(pid, started)


# What is being ended may start something meanwhile.
_MOST_LOOKS = 20


def _end_members(session: int, started: int) -> bool:
    """End all processes of a session or group that began with or after its leader."""
    has_ended = False
    for _ in range(_MOST_LOOKS):
        members = _members(session, started)
        if not members:
            break
        end_group(session)
        for pid in members:  # also those that have made groups of their own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        has_ended = True
        time.sleep(0.01)
    return has_ended


def _members(session: int, started: int) -> list[int]:
    if session == os.getsid(0):  # a worker never ends itself
        return []
    with contextlib.suppress(OSError):
        pids = [int(one) for one in os.listdir("/proc") if one.isdigit()]  # noqa: PTH208  many
        return [pid for pid in pids if _belongs(_stat(pid), session, started)]
    return []


def _belongs(found: _Stat | None, session: int, started: int) -> bool:
    return (
        found is not None
        and found.state not in "ZX"
        and session in {found.session, found.group}
        and found.started >= started
    )
