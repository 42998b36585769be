"""A site's services for tests: PostgreSQL and Redis of our own, on free loopback ports."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from qcweb.management import servers
from qcweb.management.servers import free_port
from qcweb.supervisor import web_command

__all__ = [
    "ROOT", "Site", "free_port", "postgresql", "redis", "running", "serving", "wait_for_port",
]  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]


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
def running(service: servers.Service, port: int) -> Iterator[None]:
    """Run a service while the block lasts."""
    service.start()
    try:
        assert service.process is not None
        wait_for_port(port, service.process)
        yield
    finally:
        service.stop()


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    """Give a directory that servers of another user can reach what is theirs in."""
    with tempfile.TemporaryDirectory(prefix=f"hcm-{name}-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Give the URL of a new PostgreSQL cluster, which waits for no disk."""
    with _folder("postgresql") as folder:
        port = free_port()
        service = servers.postgresql(folder, port)
        service.argv += ["-c", "fsync=off"]
        with running(service, port):
            servers.wait_for_postgresql(port)
            yield f"postgres://hcm@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Give the URL of a new Redis without persistence."""
    with _folder("redis") as folder:
        port = free_port()
        with running(servers.redis(folder, port), port):
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


@contextlib.contextmanager
def serving(site: Site, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the web server of a site while the block lasts."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            web_command(f"127.0.0.1:{port}"), cwd=ROOT, stdout=said, stderr=said,
            env=site.env | {"DJANGO_SETTINGS_MODULE": "qcweb.settings"},
        )  # fmt: skip
        try:
            wait_for_port(port, process)
            yield process
        finally:
            process.terminate()
            process.wait(20)
