"""Answers questions in ADQL about QC1 tables.

What a query names is looked up in the tables there are; the database is asked read-only, for a
limited time.
"""

import contextlib
import itertools
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
from django.db import DatabaseError, connection, transaction

from trending.exports import Column, Kind, arrow_schema

from .adql_reading import LITERAL, Parsed, QueryRefusedError, read_query
from .adql_tables import QC1, TAP_SCHEMA, Relation

TIMEOUT_S = 30.0
_NAME = r'(?:"([A-Za-z_][A-Za-z0-9_]*)"|([A-Za-z_][A-Za-z0-9_]*))'
_QUALIFIED = re.compile(rf"(?<![\w.\"]){_NAME}\s*\.\s*{_NAME}")


@dataclass(frozen=True)
class Answer:
    """What a query found.

    Attributes
    ----------
    is_cut
        There would be more rows than were asked for.
    """

    columns: list[Column]
    rows: list[tuple[Any, ...]]
    is_cut: bool

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as an export has them."""
        schema = arrow_schema(self.columns)
        parts = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        arrays = [
            pa.array([_plain(cell, one.kind) for cell in part], type=kind)
            for part, one, kind in zip(parts, self.columns, schema.types, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def widths(self) -> dict[str, int]:
        """Return the longest text of each column of texts."""
        return {
            one.name: max((len(str(row[n])) for row in self.rows if row[n] is not None), default=0)
            for n, one in enumerate(self.columns)
            if one.kind == Kind.TEXT
        }


def ask(query: str, known: Mapping[str, Relation], n_rows: int) -> Answer:
    """Answer a query with at most `n_rows` rows.

    Raises
    ------
    QueryRefusedError
        It is no query, names what there is not, or takes too long.
    """
    parsed = read_query(query)
    sql, given = _with_relations(parsed, known)
    # A driver fetches all that a query answers: the limit is the database's.
    names, rows = _run(f"{sql} LIMIT {n_rows + 1}", given)
    shown = rows[:n_rows]
    return Answer(_columns(names, shown, parsed, known), shown, len(rows) > n_rows)


def _with_relations(parsed: Parsed, known: Mapping[str, Relation]) -> tuple[str, list[Any]]:
    """Return the query with each of its relations before it, under a name of its own."""
    heads, given = [], []
    for name, columns in parsed.wanted.items():
        relation = known.get(name)
        if relation is None:
            raise QueryRefusedError(f"There is no table {name}. Known are {', '.join(known)}.")
        unknown = sorted((columns or set()) - set(relation.columns))
        if unknown:
            hint = ", ".join(relation.columns)
            raise QueryRefusedError(f"{name} has no column {', '.join(unknown)}. Known are {hint}.")
        part, more = relation.sql(relation.columns if columns is None else columns)
        heads.append(f'"{relation.name}" AS ({part})')
        given += more
    # Marks of the driver within the query itself: there are none but those of the heads.
    body = _renamed(parsed.sql).replace("%", "%%")
    whole = f"WITH {', '.join(heads)} SELECT * FROM ({body}) AS answer"  # noqa: S608  parsed, its names known
    return whole, given


def _renamed(sql: str) -> str:
    """Write ``qc1.ccdcam_bias`` as the name of the part that stands for it, texts left alone."""
    parts, last = [], 0
    for literal in LITERAL.finditer(sql):
        parts += [_QUALIFIED.sub(_one_name, sql[last : literal.start()]), literal[0]]
        last = literal.end()
    return "".join([*parts, _QUALIFIED.sub(_one_name, sql[last:])])


def _one_name(found: re.Match[str]) -> str:
    schema, table = (found[1] or found[2]).lower(), found[3] or found[4]
    return f'"{table.lower()}"' if schema in {QC1, TAP_SCHEMA} else found[0]


def _run(sql: str, given: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
    guard = _on_postgresql if connection.vendor == "postgresql" else _on_sqlite
    try:
        with guard(), connection.cursor() as cursor:
            cursor.execute(sql, list(given))
            names = [one[0] for one in cursor.description or ()]
            return names, [tuple(row) for row in cursor.fetchall()]
    except DatabaseError as error:
        said = str(error).strip().splitlines()[0][:200] if str(error).strip() else "no reason given"
        if "timeout" in said or "interrupted" in said:
            said = f"it took longer than {TIMEOUT_S:g} s; ask for less, or for a range of time"
        raise QueryRefusedError(f"The database could not answer: {said}") from error


@contextlib.contextmanager
def _on_postgresql() -> Iterator[None]:
    """Let nothing be written, and nothing take too long; all that was set is taken back."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {int(TIMEOUT_S * 1000)}")
            cursor.execute("SET TRANSACTION READ ONLY")
        yield
        transaction.set_rollback(True)


@contextlib.contextmanager
def _on_sqlite() -> Iterator[None]:
    connection.ensure_connection()
    raw: sqlite3.Connection = connection.connection
    deadline = time.monotonic() + TIMEOUT_S
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}
    raw.set_authorizer(lambda act, *_: sqlite3.SQLITE_OK if act in allowed else sqlite3.SQLITE_DENY)
    raw.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        yield
    finally:
        raw.set_authorizer(None)
        raw.set_progress_handler(None, 0)


def _columns(
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    parsed: Parsed,
    known: Mapping[str, Relation],
) -> list[Column]:
    """Return what is known of the columns of an answer: kinds from what came, words from the tables."""
    columns: list[Column] = []
    taken: set[str] = set()
    for n, given in enumerate(names):
        stored = _stored(n, given, names, parsed, known)
        # Some forms hold no two columns of one name.
        name = next(one for one in _names(given) if one.lower() not in taken)
        taken.add(name.lower())
        kind = _kind([row[n] for row in rows], stored)
        words = stored or Column(name, kind)
        columns.append(Column(name, kind, words.unit, words.description, words.ucd))
    return columns


def _names(given: str) -> Iterator[str]:
    """Yield names for a column: its own, then with a number behind it."""
    plain = re.sub(r"\W+", "_", given).strip("_") or "column"
    yield plain
    for n in itertools.count(2):
        yield f"{plain}_{n}"


def _stored(
    place: int, name: str, names: Sequence[str], parsed: Parsed, known: Mapping[str, Relation]
) -> Column | None:
    """Return the column of a table that a column of an answer is, if it is one."""
    if len(parsed.shown) == len(names):
        one = parsed.shown[place]
        return known[one[0]].columns.get(one[1]) if one and one[0] in known else None
    if not parsed.is_star:
        return None
    found = [known[one].columns[name] for one in parsed.wanted if name in known[one].columns]
    return found[0] if len(found) == 1 else None


def _kind(cells: Sequence[Any], stored: Column | None) -> Kind:
    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds & {float, Decimal}:
        return Kind.FLOAT
    if kinds and kinds <= {int, bool}:
        # A column of numbers may hold none but whole ones.
        return Kind.FLOAT if stored and stored.kind == Kind.FLOAT else Kind.INTEGER
    if not kinds and stored and stored.kind in {Kind.FLOAT, Kind.INTEGER}:
        return stored.kind
    return Kind.TEXT


def _plain(cell: Any, kind: Kind) -> Any:
    if cell is None or kind == Kind.INTEGER:
        return None if cell is None else int(cell)
    return float(cell) if kind == Kind.FLOAT else str(cell)
