"""Exports of a million rows over HTTP: time and memory, beside psql and datasette."""

import csv
import io
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

from qcweb.management.servers import Service, dies_with_us, find_program, free_port

from .api_parts import pivot_sql
from .api_site import ADDRESS, COLUMNS, ROWS, filled, peak_mb, read, running, server, serving
from .frame import Side, benchmark

# What a plot of 20,000 points may weigh before compression.
PLOT_BYTES = 150_000
PLOT_POINTS = 20_000
# The days of the first tenth of the rows, and of 20,000 points of one series.
_TENTH_MJD = 50000 + ROWS / 40 * 0.017
_PLOT_MJD = 50000 + PLOT_POINTS * 2 * 0.017


def _export(form: str) -> Side:
    base = server()

    def measure() -> float:
        started = time.perf_counter()
        size = read(f"{base}{ADDRESS}{form}")
        spent = time.perf_counter() - started
        if size < ROWS * 40:
            raise RuntimeError(f"{form}: only {size} bytes came.")
        return spent

    return measure


def _psql() -> Side:
    url = filled()["DATABASE_URL"]
    query = f"COPY ({pivot_sql()}) TO STDOUT WITH (FORMAT csv, HEADER)"

    def measure() -> float:
        started = time.perf_counter()
        subprocess.run(
            [find_program("psql"), url, "-q", "-c", query], check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - started

    return measure


@benchmark("CSV of 1 M rows × 12 over HTTP / psql COPY", group="api", goal=2.0)
def csv_beside_copy(scratch: Path) -> tuple[Side, Side]:
    """Compare a whole table as CSV with COPY of the same query: rows joined with their values."""
    return _export("csv"), _psql()


@benchmark("Parquet of the same / psql COPY", group="api")
def parquet_beside_copy(scratch: Path) -> tuple[Side, Side]:
    """Report the same as Parquet."""
    return _export("parquet"), _psql()


@benchmark("VOTable of the same / psql COPY", group="api")
def votable_beside_copy(scratch: Path) -> tuple[Side, Side]:
    """Report the same as VOTable."""
    return _export("votable"), _psql()


@benchmark("CSV of 1 M rows × 12 over HTTP / datasette", group="api", goal=0.5)
def csv_beside_datasette(scratch: Path) -> tuple[Side, Side]:
    """Compare with datasette streaming the same rows from one wide table in SQLite."""
    path = scratch / "bench.db"
    _write_sqlite(path)

    def theirs() -> float:
        port = free_port()
        argv = [
            *dies_with_us(), sys.executable, "-m", "datasette", "serve", str(path), "-p", str(port),
            "--setting", "max_csv_mb", "0", "--setting", "sql_time_limit_ms", "600000",
        ]  # fmt: skip
        service = Service("datasette", argv, scratch)
        with running(service, port, "/-/versions.json") as (base, _):
            started = time.perf_counter()
            size = read(f"{base}/bench/rows.csv?_stream=on&_size=max")
            spent = time.perf_counter() - started
        if size < ROWS * 40:
            raise RuntimeError(f"datasette gave {size} bytes only.")
        return spent

    return _export("csv"), theirs


def _write_sqlite(path: Path) -> None:
    """Write what we export as a table of SQLite."""
    path.unlink(missing_ok=True)
    with urlopen(f"{server()}{ADDRESS}csv", timeout=600) as answer:  # noqa: S310  loopback
        rows = csv.reader(io.TextIOWrapper(answer, "utf-8", newline=""))
        next(rows)
        with sqlite3.connect(path) as database:
            kinds = ", ".join(
                f"{name} {'REAL' if name[0] in 'mp' and name != 'mode' else 'TEXT'}"
                for name in COLUMNS.split(",")
            )
            database.execute(f"CREATE TABLE rows ({kinds})")
            marks = ", ".join("?" * len(COLUMNS.split(",")))
            database.executemany(f"INSERT INTO rows VALUES ({marks})", rows)  # noqa: S608


def _peak(form: str, more: str = "") -> Side:
    def measure() -> float:
        with serving() as (base, service):
            read(f"{base}{ADDRESS}{form}{more}")
            return peak_mb(service.pid)

    return measure


def _memory(form: str) -> Callable[[Path], tuple[Side, Side]]:
    def prepare(scratch: Path) -> tuple[Side, Side]:
        """Compare the server's peak memory after all rows with that after a tenth of them."""
        return _peak(form), _peak(form, f"&to={_TENTH_MJD:.3f}")

    return prepare


for _form in ("csv", "ascii", "votable", "fits", "parquet"):
    benchmark(f"peak memory, 1 M rows / 100 k, {_form}", group="api", unit="MB", goal=1.2)(
        _memory(_form)
    )


@benchmark("20,000 points for a plot, 2 % red / 150 kB", group="api", unit="kB", goal=1.0)
def plot_bytes(scratch: Path) -> tuple[Side, float]:
    """Compare the bytes of a thinned trend, with every outlier, with what a plot may weigh."""
    address = (
        f"{server()}/api/v1/qc1/tables/bench_bias/trend/p0/?detector=CHIP1&mode=M0&to={_PLOT_MJD}"
    )

    def measure() -> float:
        with urlopen(address, timeout=600) as answer:  # noqa: S310  loopback
            content = answer.read()
        [series] = json.loads(content)["series"]
        if not 0.9 * PLOT_POINTS <= series["n"] <= 1.1 * PLOT_POINTS and ROWS == 1_000_000:
            raise RuntimeError(f"There are {series['n']} points.")
        return len(content) / 1000

    return measure, PLOT_BYTES / 1000
