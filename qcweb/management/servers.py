"""PostgreSQL and Redis of our own on loopback: started, killed, started again."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg


class NotInstalledError(Exception):
    """A program that is needed is not here; the message names it."""


def find_program(name: str) -> str:
    """Return where a program is; PostgreSQL's server programs are off the path on Debian.

    Raises
    ------
    NotInstalledError
        It is nowhere.
    """
    if found := shutil.which(name):
        return found
    servers = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    if not servers:
        raise NotInstalledError(f"{name} is not installed; see packages.txt.")
    return str(servers[0])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dies_with_us() -> list[str]:
    """Return the words before a command whose program shall not outlive this process."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []


@dataclass
class Service:
    """A program that is started again whenever it ends."""

    name: str
    argv: list[str]
    cwd: Path
    env: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    process: subprocess.Popen[bytes] | None = None
    n_starts: int = 0

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.n_starts += 1
        with (self.cwd / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """End it as a power cut would: the process itself, nothing it may have started."""
        if self.process is not None and self.is_alive:
            self.process.kill()
            self.process.wait()

    def stop(self, patience_s: float = 10) -> None:
        """End it as its operator would, and with all it has started if that takes too long."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # PostgreSQL: fast shutdown
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience_s)
            self.end()

    def end(self) -> None:
        """End it with all it has started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def redis(folder: Path, port: int) -> Service:
    """Return a Redis that keeps nothing: what was queued is gone when it is killed."""
    return Service(
        "redis",
        [*dies_with_us(), find_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1",
         "--save", "", "--appendonly", "no"],
        folder,
    )  # fmt: skip


def postgresql(folder: Path, port: int) -> Service:
    """Return a PostgreSQL with a new cluster below `folder`; it refuses root, so it has its user."""
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    ids = [f"--reuid={user}", f"--regid={user}", "--clear-groups"] if os.getuid() == 0 else []
    as_user = ["setpriv", *ids, "--"] if ids else []
    place = folder / "postgresql"
    place.mkdir()
    if ids:
        shutil.chown(place, user, user)
    subprocess.run(
        [*as_user, find_program("initdb"), "-D", str(place / "data"), "-A", "trust", "-U", "hcm",
         "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"],
        check=True, capture_output=True, cwd=place,
    )  # fmt: skip
    guard = ["setpriv", "--pdeathsig", "KILL", *ids, "--"] if shutil.which("setpriv") else []
    return Service(
        "postgresql",
        [*guard, find_program("postgres"), "-D", str(place / "data"), "-p", str(port),
         "-h", "127.0.0.1", "-k", str(place)],
        folder,
    )  # fmt: skip


def wait_for_postgresql(port: int, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(
                f"host=127.0.0.1 port={port} user=hcm dbname=postgres connect_timeout=2"
            ).close()
            return
        time.sleep(0.1)
    raise TimeoutError(f"PostgreSQL does not answer on port {port} after {timeout_s:g} s.")
