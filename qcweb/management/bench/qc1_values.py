"""The QC1 database: reading a trend, taking in a million values, scoring, and trying a rule."""

from pathlib import Path

from .frame import Side, benchmark
from .qc1_site import SHARE, VALUES, database, manage, measured

IN_BULK = max(20_000, int(1_000_000 * SHARE))


def _filled(n: int) -> dict[str, str]:
    env = database(f"values-{n}")
    manage(env, "bench", "--part", f"qc1-fill {n}")
    return env


@benchmark("trend of a series / psycopg, same columns", group="qc1", unit="ms", goal=1.5)
def trend(scratch: Path) -> tuple[Side, Side]:
    """Compare a whole history through the service layer with fetching the same columns."""
    env = _filled(VALUES // 10)
    return lambda: measured(env, "qc1-trend"), lambda: measured(env, "qc1-trend-bare")


@benchmark("trend among 10 times as many values", group="qc1", unit="ms", goal=1.3)
def trend_in_a_large_table(scratch: Path) -> tuple[Side, Side]:
    """Compare the same trend in a database of 24 M values with one of 2.4 M."""
    large, small = _filled(VALUES), _filled(VALUES // 10)
    return lambda: measured(large, "qc1-trend"), lambda: measured(small, "qc1-trend")


def _ingest(kind: str) -> tuple[Side, Side]:
    env = database(f"ingest-{kind}")
    manage(env, "bench", "--part", f"qc1-ingest-prepare {IN_BULK}")
    return (
        lambda: measured(env, "qc1-ingest", kind, str(IN_BULK)),
        lambda: measured(env, "qc1-copy", str(IN_BULK)),
    )


@benchmark("bulk ingest, new rows / bare COPY", group="qc1", goal=2.5)
def ingest_new(scratch: Path) -> tuple[Side, Side]:
    """Compare a CSV file through `import_qc1` with COPY into a table with the same indexes."""
    return _ingest("new")


@benchmark("bulk ingest, nothing changed / bare COPY", group="qc1", goal=1.5)
def ingest_unchanged(scratch: Path) -> tuple[Side, Side]:
    """Compare the same with a file that is there already."""
    return _ingest("same")


@benchmark("bulk ingest, all changed, with history / bare COPY", group="qc1", goal=6.0)
def ingest_changed(scratch: Path) -> tuple[Side, Side]:
    """Compare the same with other values for all rows; the former ones stay as history."""
    return _ingest("changed")


@benchmark("10,000 values of 100 series judged / numpy loop", group="qc1", goal=1.5)
def judging(scratch: Path) -> tuple[Side, Side]:
    """Compare finding limits and results, values read from the database, with a loop in memory."""
    env = _scoring()
    return lambda: measured(env, "qc1-judge"), lambda: measured(env, "qc1-score-loop")


@benchmark("the same, scores written / numpy loop", group="qc1")
def scoring(scratch: Path) -> tuple[Side, Side]:
    """Report the same with all that is kept of a score written to the database."""
    env = _scoring()
    return lambda: measured(env, "qc1-score"), lambda: measured(env, "qc1-score-loop")


def _scoring() -> dict[str, str]:
    env = database("scoring")
    manage(env, "bench", "--part", "qc1-score-prepare")
    return env


@benchmark("what-if over 700 nights of 4 setups / 0.3 s", group="qc1", goal=1.0)
def what_if(scratch: Path) -> tuple[Side, float]:
    """Compare a trial of a rule on the whole history with 0.3 s."""
    env = database("what-if")
    manage(env, "bench", "--part", "qc1-what-if-prepare")
    return lambda: measured(env, "qc1-what-if"), 0.3
