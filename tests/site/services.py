"""A site's services for tests: PostgreSQL and Redis of our own, on free loopback ports."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import find_program

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The service ended with {process.returncode}.")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"Nothing listens on {port} after {timeout_s} s.")


@contextlib.contextmanager
def running(argv: list[str], port: int, **options: object) -> Iterator[None]:
    """Run a service while the block lasts."""
    process = subprocess.Popen(  # type: ignore[call-overload]
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    try:
        wait_for_port(port, process)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL: fast shutdown
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Give the URL of a new PostgreSQL cluster.

    Its programs refuse root, so as root they run as user postgres, in a directory that user owns.
    """
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    as_user = (
        ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
        if os.getuid() == 0
        else []
    )
    folder = Path(tempfile.mkdtemp(prefix="hcm-postgresql-"))
    try:
        if as_user:
            shutil.chown(folder, user, user)
        data = folder / "data"
        initdb, postgres = find_program("initdb"), find_program("postgres")
        assert initdb is not None
        assert postgres is not None
        subprocess.run(
            [*as_user, initdb, "-D", str(data), "-A", "trust", "-U", "hcm", "--no-sync",
             "-E", "UTF8", "--locale=C.UTF-8"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        port = free_port()
        argv = [*as_user, postgres, "-D", str(data), "-p", str(port), "-h", "127.0.0.1",
                "-k", str(folder), "-c", "fsync=off"]  # fmt: skip
        with running(argv, port, cwd=folder):
            url = f"postgres://hcm@127.0.0.1:{port}/postgres"
            _wait_until_it_answers(port)
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_answers(port: int) -> None:
    import psycopg

    for _ in range(100):
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"host=127.0.0.1 port={port} user=hcm dbname=postgres").close()
            return
        time.sleep(0.1)
    raise RuntimeError("PostgreSQL does not answer.")


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Give the URL of a new Redis without persistence."""
    port = free_port()
    server = find_program("redis-server")
    assert server is not None
    argv = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running(argv, port):
        yield f"redis://127.0.0.1:{port}/0"


@dataclass
class Site:
    """An installation in a directory of its own, run by the commands that people use."""

    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HCM_")}
        kept.pop("DJANGO_SETTINGS_MODULE", None)
        return kept | {"HCM_DATA_DIR": str(self.data_dir), **self.settings}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *words]

    def run(self, *words: str, timeout_s: float = 300) -> str:
        done = subprocess.run(
            self.command(*words), env=self.env, cwd=ROOT, capture_output=True, text=True,
            timeout=timeout_s,
        )  # fmt: skip
        assert done.returncode == 0, (
            f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def json(self, code: str) -> object:
        """Run code in the site's shell; what it assigns to `out` comes back."""
        text = self.run("shell", "-v", "0", "-c", f"import json\n{code}\nprint(json.dumps(out))")
        return json.loads(text.strip().splitlines()[-1])
