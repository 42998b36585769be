"""What the benchmarks of the QC1 database do inside a database of their own."""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from pipelines.models import Instrument
from trending.domain.definitions import parse_rules, parse_tables
from trending.models import (
    Origin,
    QC1Parameter,
    QC1Row,
    QC1Table,
    QC1Value,
    Score,
    ScoreRule,
    Series,
)
from trending.services.batch import Batch
from trending.services.clock import take_tables
from trending.services.definitions import load_definitions
from trending.services.facts import Facts
from trending.services.import_rows import import_file
from trending.services.judging import judge
from trending.services.rows import Source, store_rows
from trending.services.score import score_rows
from trending.services.trend import read_trend
from trending.services.what_if import try_rule

COLUMNS = 20
# A nightly parameter of twenty years.
POINTS = 6200
TRIES = 40
_VALUES = QC1Value._meta.db_table


def bench_table(rules: str = "") -> QC1Table:
    at = timezone.now()
    instrument, _ = Instrument.objects.get_or_create(
        name="BENCH",
        defaults={
            "title": "Bench", "header_names": ["BENCH"], "runner": "native", "pipeline": "hcm",
            "digest": "-", "loaded_at": at,
        },
    )  # fmt: skip
    columns = [("mode", "text", 'role = "filter"')]
    columns += [(f"p{n}", "float", "") for n in range(COLUMNS)]
    text = '[[tables]]\nname = "bench_bias"\ntitle = "Bench"\nraw_types = ["BIAS"]\n'
    text += '[[tables.products]]\npro_catg = "MASTER"\n'
    for name, kind, more in columns:
        text += (
            f'[[tables.columns]]\nname = "{name}"\nkeyword = "QC.{name}"\ntype = "{kind}"\n'
            f'description = "{name}"\n{more}\n'
        )
    tables = parse_tables("qc1.toml", text)
    by_name = {one.name: one for one in tables}
    load_definitions(instrument, tables, parse_rules("scores.toml", rules, by_name), [], at)
    return QC1Table.objects.select_related("instrument").get()


# ---- trends


def _fill(n_values: str) -> str:
    """Write series of 6200 points each in the order of time, as nights bring them."""
    if QC1Value.objects.exists():
        return "filled"
    table = bench_table()
    setup = table.setups.create(text="A", values={"mode": "A"})
    parameters = list(QC1Parameter.objects.filter(table=table, role="", type="float"))
    n_series = max(1, int(n_values) // POINTS)
    Series.objects.bulk_create(
        Series(parameter=parameters[n % COLUMNS], setup=setup, detector=f"D{n // COLUMNS}")
        for n in range(n_series)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_VALUES} "  # noqa: S608  the name is ours
            "(series_id, row_id, mjd_obs, value, text, missing_reason, score_result, state) "
            "SELECT s.id, t * %s + s.id, 50000 + t * 1.2, 100 + random(), '', '', "
            "CASE WHEN random() < 0.02 THEN 1 ELSE 0 END, 0 "
            "FROM generate_series(0, %s) AS t CROSS JOIN trending_series AS s",
            [n_series + 1, POINTS - 1],
        )
    connection.commit()
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {_VALUES}")
    return "filled"


def _median_ms(work: Callable[[int], object]) -> float:
    keys = list(Series.objects.values_list("pk", flat=True))
    chosen = random.Random(7).choices(keys, k=TRIES)  # noqa: S311  which series, not secrets
    work(chosen[0])
    spent = []
    for key in chosen:
        started = time.perf_counter()
        work(key)
        spent.append(time.perf_counter() - started)
    return 1000 * statistics.median(spent)


def _trend() -> float:
    return _median_ms(lambda key: read_trend([key]))


def _trend_bare() -> float:
    connection.ensure_connection()
    cursor = connection.connection.cursor()
    query = (
        f"SELECT mjd_obs, value, row_id, score_result, state FROM {_VALUES} "  # noqa: S608
        "WHERE series_id = %s AND state = ANY(%s) ORDER BY mjd_obs"
    )
    return _median_ms(lambda key: cursor.execute(query, [key, [0, 4]]).fetchall())


# ---- bulk ingest


def _csv(n_values: int, first: int, seed: int) -> Path:
    """Write a file of so many values: rows of twenty, four detectors, three modes."""
    path = settings.HCM_DATA_DIR / "bench_bias.csv"
    numbers = np.random.default_rng(seed)
    n_rows = n_values // COLUMNS
    values = numbers.normal(100, 3, (n_rows, COLUMNS))
    with path.open("w") as file:
        file.write("mjd_obs,detector,pro_catg,mode," + ",".join(f"p{n}" for n in range(COLUMNS)))
        file.write("\n")
        for n, line in enumerate(values.tolist()):
            cells = ",".join(f"{value:.6g}" for value in line)
            file.write(f"{50000 + (first + n) * 0.001:.3f},D{n % 4},MASTER,M{n % 3},{cells}\n")
    return path


def _ingest_prepare(n_values: str) -> str:
    bench_table()
    import_file(_csv(int(n_values), 0, 1), timezone.now(), by="bench")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bare (LIKE {_VALUES} INCLUDING DEFAULTS INCLUDING INDEXES)")
    return "prepared"


def _ingest(kind: str, n_values: str) -> float:
    n, done = int(n_values), QC1Row.objects.count()
    path = {
        "new": lambda: _csv(n, done, 2),
        "same": lambda: _csv(n, 0, 1),
        "changed": lambda: _csv(n, 0, done),
    }[kind]()
    started = time.perf_counter()
    import_file(path, timezone.now(), by="bench")
    return time.perf_counter() - started


def _copy(n_values: str) -> float:
    """Copy as many values into an empty table with the same indexes; they lie in memory, ready."""
    connection.ensure_connection()
    raw = connection.connection
    with raw.cursor() as cursor:
        with cursor.copy(
            f"COPY (SELECT * FROM {_VALUES} ORDER BY row_id, series_id LIMIT {int(n_values)}) "  # noqa: S608
            "TO STDOUT (FORMAT BINARY)"
        ) as copy:
            content = b"".join(bytes(piece) for piece in copy)
        cursor.execute("TRUNCATE bare")
        raw.commit()
        started = time.perf_counter()
        with cursor.copy("COPY bare FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(content)
        raw.commit()
    return time.perf_counter() - started


# ---- scoring

_RULE = """
[[rules]]
table = "bench_bias"
parameter = "p{n}"
limits = "3SIG"
window_days = 90
reason = "bench"
"""


def _nights(n_nights: int, detectors: int, setups: int) -> Iterator[tuple[float, str, str]]:
    for night in range(n_nights):
        for setup in range(setups):
            for detector in range(detectors):
                yield 50000.0 + night + 0.01 * setup, f"D{detector}", f"M{setup}"


def _store(n_nights: int, detectors: int, setups: int) -> None:
    table = QC1Table.objects.select_related("instrument").get()
    keys = list(_nights(n_nights, detectors, setups))
    values = np.random.default_rng(3).normal(100, 3, (COLUMNS, len(keys)))
    batch = Batch(
        mjd_obs=[mjd for mjd, _, _ in keys],
        detector=[detector for _, detector, _ in keys],
        pro_catg=["MASTER"] * len(keys),
        columns={"mode": [mode for _, _, mode in keys]}
        | {f"p{n}": values[n] for n in range(COLUMNS)},
        product_name=[""] * len(keys),
        pipeline_version=[""] * len(keys),
        product_id=[None] * len(keys),
    )
    store_rows(table, batch, Source(Origin.IMPORT, is_simulated=True), timezone.now())


def _score_prepare() -> str:
    if QC1Row.objects.exists():
        return "prepared"
    bench_table("".join(_RULE.format(n=n) for n in range(COLUMNS)))
    _store(200, detectors=5, setups=1)
    return "prepared"


def _score() -> float:
    """Score the newest hundred nights of twenty parameters and five detectors, with all writing."""
    Score.objects.all().delete()
    QC1Value.objects.exclude(score_result=None).update(score_result=None)
    rows = list(QC1Row.objects.filter(mjd_obs__gte=50100.0).values_list("pk", flat=True))
    started = time.perf_counter()
    with transaction.atomic():
        scores = score_rows(rows, take_tables([QC1Table.objects.get()], timezone.now()))
    spent = time.perf_counter() - started
    if len(scores) != 10_000:
        raise RuntimeError(f"{len(scores)} values were scored.")
    return spent


def _judge() -> float:
    """Judge the same values, and keep nothing."""
    series = list(Series.objects.select_related("setup", "parameter"))
    rows = set(QC1Row.objects.filter(mjd_obs__gte=50100.0).values_list("pk", flat=True))
    started = time.perf_counter()
    found = judge(
        Facts(series),
        {one.pk: rows for one in series},
        {one.pk: (50100.0, 50300.0) for one in series},
    )
    spent = time.perf_counter() - started
    if sum(len(one.judgements) for one in found) != 10_000:
        raise RuntimeError("Not all values were judged.")
    return spent


def _score_loop() -> float:
    """Find limits of the same windows with numpy, one value after the other, from arrays."""
    trends = [read_trend([key]) for key in Series.objects.values_list("pk", flat=True)]
    red = 0
    started = time.perf_counter()
    for one in trends:
        for place in np.flatnonzero(one.mjd >= 50100.0):
            is_in = (one.mjd >= one.mjd[place] - 90) & (one.mjd < one.mjd[place])
            population = one.value[is_in]
            median, sigma = np.median(population), np.std(population, ddof=1)
            red += abs(one.value[place] - median) > 3 * sigma
    return time.perf_counter() - started


def _what_if_prepare() -> str:
    bench_table(_RULE.format(n=0))
    _store(700, detectors=1, setups=4)
    return "prepared"


def _what_if() -> float:
    stored = ScoreRule.objects.get()
    former = ScoreRule.objects.get()
    stored.pk, stored.limits = None, "4SIG"
    started = time.perf_counter()
    trials = try_rule(stored, former)
    spent = time.perf_counter() - started
    if sum(len(one.now) for one in trials) != 2800:
        raise RuntimeError("Not all of the history was judged.")
    return spent


PARTS: dict[str, Callable[..., object]] = {
    "qc1-fill": _fill,
    "qc1-trend": _trend,
    "qc1-trend-bare": _trend_bare,
    "qc1-ingest-prepare": _ingest_prepare,
    "qc1-ingest": _ingest,
    "qc1-copy": _copy,
    "qc1-score-prepare": _score_prepare,
    "qc1-judge": _judge,
    "qc1-score": _score,
    "qc1-score-loop": _score_loop,
    "qc1-what-if-prepare": _what_if_prepare,
    "qc1-what-if": _what_if,
}
