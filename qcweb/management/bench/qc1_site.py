"""A PostgreSQL of the benchmarks' own, with databases that are filled once and asked often."""

import contextlib
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import psycopg
from django.conf import settings

from qcweb.management.servers import free_port, postgresql, wait_for_postgresql

# So many values stand in the large database; BENCH_ROWS makes it smaller.
VALUES = int(os.environ.get("BENCH_ROWS", "24000000"))
# Of a full run; a smaller BENCH_ROWS makes all of it smaller.
SHARE = min(1.0, VALUES / 24_000_000)
_kept = contextlib.ExitStack()


def close() -> None:
    """End the server, if it runs."""
    _kept.close()
    _cluster.cache_clear()
    database.cache_clear()


@cache
def _cluster() -> tuple[Path, int]:
    folder = Path(_kept.enter_context(tempfile.TemporaryDirectory(prefix="hcm-bench-")))
    folder.chmod(0o755)
    port = free_port()
    server = postgresql(folder, port)
    server.start()
    _kept.callback(server.end)
    wait_for_postgresql(port)
    return folder, port


@cache
def database(name: str) -> dict[str, str]:
    """Make a database with our tables; return the environment of commands that use it."""
    folder, port = _cluster()
    with psycopg.connect(
        f"host=127.0.0.1 port={port} user=hcm dbname=postgres", autocommit=True
    ) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    env = os.environ | {
        "DATABASE_URL": f"postgres://hcm@127.0.0.1:{port}/{name}",
        "HCM_DATA_DIR": str(folder / name),
    }
    (folder / name).mkdir()
    manage(env, "migrate", "-v", "0")
    return env


def manage(env: dict[str, str], *words: str) -> str:
    """Run a command of ours there, and return the last line it printed.

    Raises
    ------
    RuntimeError
        The command failed, with all it said.
    """
    done = subprocess.run(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *words],
        env=env, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return "".join(done.stdout.strip().splitlines()[-1:])


def measured(env: dict[str, str], *words: str) -> float:
    """Return the seconds that a part of a benchmark prints."""
    return float(manage(env, "bench", "--part", " ".join(words)))
