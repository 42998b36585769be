"""A server of ours in front of a filled database, and how long its answers take."""

import contextlib
import http.client
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.request import urlopen

from django.conf import settings

from qcweb.management.servers import Service, dies_with_us, free_port
from qcweb.supervisor import web_command

from .qc1_site import SHARE, database, manage

ROWS = max(20_000, int(1_000_000 * SHARE))
# Twelve columns: five of the row itself and seven numbers.
COLUMNS = "mjd_obs,date_obs,night,detector,mode,p0,p1,p2,p3,p4,p5,p6"
ADDRESS = f"/api/v1/qc1/tables/bench_bias/rows/?columns={COLUMNS}&format="
_PIECE = 1 << 16
_TIMEOUT_S = 600
_kept = contextlib.ExitStack()


def close() -> None:
    """End the servers, if they run."""
    _kept.close()
    server.cache_clear()
    filled.cache_clear()


@cache
def filled() -> dict[str, str]:
    """Return the environment of a database with all the rows."""
    env = database("api")
    manage(env, "bench", "--part", f"api-fill {ROWS}")
    return env


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, Service]]:
    """Run a web server of ours as a site does; give its address and the process."""
    with tempfile.TemporaryDirectory(prefix="hcm-bench-api-") as folder:
        port = free_port()
        env = filled() | {"HCM_ANONYMOUS_READ": "1", "HCM_RATE_ADDRESS": ""}
        env |= {"PYTHONPATH": str(settings.BASE_DIR)}
        argv = [*dies_with_us(), *web_command(f"127.0.0.1:{port}")]
        with running(Service("web", argv, Path(folder), env), port, "/health/") as base:
            yield base


@contextlib.contextmanager
def running(service: Service, port: int, path: str) -> Iterator[tuple[str, Service]]:
    """Run a web server while the block lasts; give its address."""
    service.start()
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(f"{base}{path}")
        yield base, service
    finally:
        service.end()


def _wait(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            urlopen(address, timeout=_TIMEOUT_S).close()  # noqa: S310  loopback
            return
        time.sleep(0.1)
    raise TimeoutError(f"{address} does not answer.")


@cache
def server() -> str:
    """Return the address of a server of ours that runs until the benchmarks end."""
    base, _ = _kept.enter_context(serving())
    return base


def read(address: str) -> int:
    """Read an answer to its end, a piece at a time; return its bytes."""
    size = 0
    with urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310  loopback
        while piece := answer.read(_PIECE):
            size += len(piece)
    return size


def peak_mb(pid: int) -> float:
    """Return the most memory that any worker of a web server has had, in MB."""
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return max(_peak_kb(int(one)) for one in workers) / 1000


def _peak_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/{pid}/status says nothing of memory.")
