"""Many rows into a table at once, past the ORM: COPY on PostgreSQL, executemany elsewhere."""

import datetime as dt
import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from django.db import connection, models

from trending.models import QC1Value, ValueState

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
# PostgreSQL's binary COPY: a signature, flags, no extension; at the end a count of -1.
_HEAD = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_END = struct.pack("!h", -1)


def next_ids(model: type[models.Model], n: int) -> range | list[int]:
    """Reserve keys for `n` new rows of a table; on SQLite the transaction must be a writer's."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [table, n],
            )
            return [one for (one,) in cursor.fetchall()]
        cursor.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = %s", [table])
        first = int(cursor.fetchone()[0]) + 1
    return range(first, first + n)


def insert(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Insert rows of a model, their cells in the order of `columns` (columns of the database)."""
    table, names = model._meta.db_table, ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A copy is the driver's own: its errors become Django's here.
            with (
                connection.wrap_database_errors,
                cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
            ):
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join(["%s"] * len(columns))
        cursor.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608  names are ours
            cast(Any, (tuple(map(_adapt, row)) for row in rows)),
        )


def _adapt(cell: object) -> object:
    if isinstance(cell, dt.datetime):
        return connection.ops.adapt_datetimefield_value(cell)
    return connection.ops.adapt_datefield_value(cell) if isinstance(cell, dt.date) else cell


@dataclass(frozen=True)
class Values:
    """New values of one series and many rows, of the state they have.

    Attributes
    ----------
    series
        Key of the series of each value.
    row, mjd_obs
        Key and MJD of the row of each value.
    number
        The numbers; NaN is none.
    words
        By place, text and reason why the value is missing; others have a number only.
    """

    series: Ints
    row: Ints
    mjd_obs: Floats
    number: Floats
    words: dict[int, tuple[str, str]]


_COLUMNS = ("series_id", "row_id", "mjd_obs", "value", "text", "missing_reason", "state")
_STATE = int(ValueState.CURRENT)


def insert_values(parts: Sequence[Values]) -> None:
    """Insert values that are current. On PostgreSQL as binary: numbers go as they lie in memory."""
    if connection.vendor != "postgresql":
        insert(QC1Value, _COLUMNS, itertools.chain.from_iterable(map(_tuples, parts)))
        return
    table, names = QC1Value._meta.db_table, ", ".join(_COLUMNS)
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(_HEAD)
        for part in parts:
            for piece in _binary(part):
                copy.write(piece)
        copy.write(_END)


def _tuples(part: Values) -> Iterator[tuple[object, ...]]:
    numbers: list[float | None] = part.number.tolist()
    texts, reasons = [""] * len(numbers), [""] * len(numbers)
    for place, (text, reason) in part.words.items():
        numbers[place], texts[place], reasons[place] = None, text, reason
    return zip(
        part.series.tolist(), part.row.tolist(), part.mjd_obs.tolist(), numbers, texts, reasons,
        itertools.repeat(_STATE),
    )  # fmt: skip


def _binary(part: Values) -> Iterator[bytes]:
    """Yield the values as PostgreSQL reads them: those with the same words have the same shape."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, words in part.words.items():
        places.setdefault(words, []).append(place)
    is_plain = np.ones(part.number.size, dtype=bool)
    for words, of_them in places.items():
        chosen = np.array(of_them)
        is_plain[chosen] = False
        yield _records(part, chosen, words)
    yield _records(part, np.flatnonzero(is_plain), None)


def _records(part: Values, chosen: Ints, words: tuple[str, str] | None) -> bytes:
    text, reason = (word.encode() for word in (words or ("", "")))
    cells: list[tuple[str, object]] = [
        (">i8", part.series[chosen]),
        (">i8", part.row[chosen]),
        (">f8", part.mjd_obs[chosen]),
        ("", None) if words else (">f8", part.number[chosen]),
        (f"S{len(text)}", text),
        (f"S{len(reason)}", reason),
        (">i2", _STATE),
    ]
    shape: list[tuple[str, str]] = [("n", ">i2")]
    for place, (kind, _) in enumerate(cells):
        shape.append((f"length{place}", ">i4"))
        if kind not in {"", "S0"}:
            shape.append((f"cell{place}", kind))
    records = np.empty(chosen.size, dtype=shape)
    records["n"] = len(cells)
    fields = {name for name, _ in shape}
    for place, (kind, cell) in enumerate(cells):
        # A length of -1 is NULL.
        is_null = not kind
        records[f"length{place}"] = -1 if is_null else np.dtype(kind).itemsize
        if f"cell{place}" in fields:
            records[f"cell{place}"] = cell
    return records.tobytes()


def set_results(results: Sequence[tuple[int, int, int | None]]) -> None:
    """Copy results of scores into their values: series, row, and 0, 1 or None for grey."""
    table = QC1Value._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = [list(column) for column in zip(*results, strict=True)]
            cursor.execute(
                f"UPDATE {table} v SET score_result = n.result "  # noqa: S608  the name is ours
                "FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[]) AS n (series, row, result) "
                "WHERE v.series_id = n.series AND v.row_id = n.row "
                "AND v.score_result IS DISTINCT FROM n.result",
                columns,
            )
            return
        cursor.executemany(
            f"UPDATE {table} SET score_result = %s WHERE series_id = %s AND row_id = %s",  # noqa: S608
            [(result, series, row) for series, row, result in results],
        )
