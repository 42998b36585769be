"""Starts and ends the processes of a small installation: one web server, one worker."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from django.conf import settings

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long a child may take to end by itself.
GRACE_S = 5.0
# A child that ends so many times within so short a time is not started again.
MANY_ENDS = 3
SHORT_S = 60.0


class PortTakenError(Exception):
    """Another program listens on the port already."""


class InUseError(Exception):
    """Another supervisor works in the data directory."""


class ChildEndedError(Exception):
    """A child ends as often as it is started."""


@dataclass
class Child:
    """A running child, and when it was started."""

    argv: list[str]
    process: subprocess.Popen[bytes]
    starts: list[float]


@dataclass
class Supervisor:
    """The children of this process. `stop` ends all of them, whatever happened."""

    log_dir: Path
    children: dict[str, Child] = field(default_factory=dict)

    def start(self, name: str, argv: list[str]) -> None:
        """Start a child in a group of its own; it is told to end should this process die."""
        self.children[name] = Child(argv, self._spawn(name, argv), [time.monotonic()])

    def _spawn(self, name: str, argv: list[str]) -> subprocess.Popen[bytes]:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        guard = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        with (self.log_dir / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*guard, *argv],
                cwd=settings.BASE_DIR,
                env=os.environ | {"DJANGO_SETTINGS_MODULE": "qcweb.settings"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_web(self, port: int) -> None:
        check_port(port)
        self.start("web", web_command(f"127.0.0.1:{port}"))

    def start_worker(self, concurrency: int) -> None:
        self.start("worker", worker_command(concurrency))

    def tend(self) -> list[str]:
        """Start children again that have ended though nobody asked them to; return their names.

        Raises
        ------
        ChildEndedError
            One has ended `MANY_ENDS` times within `SHORT_S` seconds: it cannot work here.
        """
        again = []
        for name, child in self.children.items():
            code = child.process.poll()
            if code is None:
                continue
            _signal(child.process, signal.SIGKILL)
            child.starts = [at for at in child.starts if time.monotonic() - at < SHORT_S]
            if len(child.starts) >= MANY_ENDS:
                raise ChildEndedError(
                    f"The {name} ended with {code}, {MANY_ENDS} times within {SHORT_S:g} s. "
                    f"See {self.log_dir / name}.log"
                )
            child.process = self._spawn(name, child.argv)
            child.starts.append(time.monotonic())
            again.append(name)
        return again

    def stop(self) -> None:
        processes = [child.process for child in self.children.values()]
        for process in processes:
            # It alone: a worker ends its own pool, and says that it ends.
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + GRACE_S
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            # Also what a child left behind in its group.
            _signal(process, signal.SIGKILL)
            process.wait()
        self.children.clear()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


@contextlib.contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Hold a data directory: two demos in one would start each other's work.

    Raises
    ------
    InUseError
        Another process holds it. The lock ends with its process, however that ends.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "demo.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise InUseError(
                f"{data_dir} is in use by the demo of process {lock.read().strip() or '?'}. "
                "End that one, or give another HCM_DATA_DIR."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextlib.contextmanager
def supervised(log_dir: Path) -> Iterator[Supervisor]:
    """Give a supervisor whose children end with the block, also on SIGTERM and Ctrl-C."""
    supervisor = Supervisor(log_dir)
    # SIGINT too: a process started in the background of a script ignores it otherwise.
    before = {number: signal.signal(number, _interrupt) for number in ENDING}
    try:
        yield supervisor
    finally:
        # A second Ctrl-C must not leave children behind.
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        supervisor.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def web_command(bind: str) -> list[str]:
    return [
        sys.executable, "-m", "gunicorn", "qcweb.wsgi:application", "--bind", bind,
        "--worker-class", "gthread", "--workers", "1", "--threads", "8", "--timeout", "120",
        "--graceful-timeout", "3", "--no-control-socket",
    ]  # fmt: skip


def worker_command(concurrency: int) -> list[str]:
    return [
        sys.executable, "-m", "celery", "--app", "qcweb", "worker", "--beat",
        "--concurrency", str(concurrency), "--loglevel", "INFO",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip


def check_port(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTakenError(
                f"Port {port} is taken: {error.strerror}. Choose another, e.g. PORT={port + 1}"
            ) from error


def wait_for_page(url: str, timeout_s: float) -> bool:
    """Return whether the address answers within the time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=2) as answer:  # noqa: S310  our own loopback address
                return bool(answer.status == 200)
        except (URLError, OSError):
            time.sleep(0.1)
    return False
