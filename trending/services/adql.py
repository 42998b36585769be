"""Answers questions in ADQL, the Virtual Observatory's query language, about QC1 tables.

`queryparser` reads ADQL and writes PostgreSQL's SQL; its grammar knows queries and nothing else. What
it names is looked up in the tables there are; the database is asked read-only, for a limited time.
"""

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pyarrow as pa
from django.db import DatabaseError, connection, transaction
from queryparser.adql import ADQLQueryTranslator
from queryparser.exceptions import QueryError, QuerySyntaxError
from queryparser.postgresql import PostgreSQLQueryProcessor

from trending.exports import Column, Kind, arrow_schema

from .adql_tables import QC1, TAP_SCHEMA, Relation

TIMEOUT_S = 30.0
# The parser takes ten milliseconds a word, and with brackets in brackets the square of it: what a query
# may be is bounded before it is read.
MAX_LENGTH, MAX_WORDS, MAX_DEPTH = 10_000, 300, 10
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_NAME = r'(?:"([A-Za-z_][A-Za-z0-9_]*)"|([A-Za-z_][A-Za-z0-9_]*))'
_QUALIFIED = re.compile(rf"(?<![\w.\"]){_NAME}\s*\.\s*{_NAME}")
_WORD = re.compile(r"\w+|[^\s\w]")
_COUNT = re.compile(r"count\s*\(\s*\*\s*\)", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*")


class QueryRefusedError(Exception):
    """A query cannot be answered; the message says why and what is known."""


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
    parsed = _parse(query)
    sql, given = _with_relations(parsed, known)
    names, rows = _run(sql, given, n_rows + 1)
    shown = rows[:n_rows]
    return Answer(_columns(names, shown, parsed, known), shown, len(rows) > n_rows)


@dataclass(frozen=True)
class _Parsed:
    sql: str
    # Full name of each relation: the columns it is asked for, None for all.
    wanted: dict[str, set[str] | None]
    # Of each column of the answer, in order: relation and column; empty where it is computed.
    shown: list[tuple[str, str]]


@lru_cache(maxsize=256)
def _parse(query: str) -> _Parsed:
    """Read a query; a dashboard asks the same again and again."""
    sql, found = _read(_one_query(query))
    wanted: dict[str, set[str] | None] = {
        f"{schema}.{table}".lower(): set() for schema, table in found.tables
    }
    for schema, table, column in found.columns:
        columns = wanted.setdefault(f"{schema}.{table}".lower(), set())
        if columns is not None and column not in {None, "*"}:
            columns.add(column.lower())
    # The parser tells of a star, and not of one in a query within the query.
    if "*" in _LITERAL.sub("", _COUNT.sub("", sql)):
        wanted = dict.fromkeys(wanted)
    shown = [] if found.functions else [
        (f"{one[0]}.{one[1]}".lower(), str(one[2] or "").lower()) for _, one in found.display_columns
    ]  # fmt: skip
    return _Parsed(sql.strip().rstrip(";"), wanted, shown)


def _one_query(query: str) -> str:
    plain = _without_comments(query).strip().rstrip(";").strip()
    if len(plain) > MAX_LENGTH:
        raise QueryRefusedError(f"The query has more than {MAX_LENGTH} characters.")
    bare = _LITERAL.sub("x", plain)
    if ";" in bare:
        raise QueryRefusedError("One query at a time: there is a ; within it.")
    n_words = len(_WORD.findall(bare))
    if n_words > MAX_WORDS:
        raise QueryRefusedError(f"The query has {n_words} words; at most {MAX_WORDS} are read.")
    if _depth(bare) > MAX_DEPTH:
        raise QueryRefusedError(f"Brackets stand in brackets more than {MAX_DEPTH} deep.")
    return plain


def _depth(text: str) -> int:
    deepest = depth = 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        deepest = max(deepest, depth)
    return deepest


def _read(plain: str) -> tuple[str, PostgreSQLQueryProcessor]:
    try:
        sql: str = ADQLQueryTranslator(plain).to_postgresql()
        found = PostgreSQLQueryProcessor()
        found.set_query(sql)
        found.process_query()
    except QuerySyntaxError as error:
        raise QueryRefusedError(_said(error)) from error
    except QueryError as error:
        raise QueryRefusedError(f"{error} Tables have names such as qc1.ccdcam_bias.") from error
    # Whatever odd input makes the parser raise: it is a query it cannot read.
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise QueryRefusedError("This query cannot be read.") from error
    return sql, found


def _without_comments(query: str) -> str:
    """Leave out comments to the end of a line, which the grammar does not know."""
    parts, last = [], 0
    for literal in _LITERAL.finditer(query):
        parts += [_COMMENT.sub(" ", query[last : literal.start()]), literal[0]]
        last = literal.end()
    return "".join([*parts, _COMMENT.sub(" ", query[last:])])


def _said(error: QuerySyntaxError) -> str:
    try:
        line, column, word = error.syntax_errors[0]
    except (AttributeError, IndexError, TypeError, ValueError):
        return f"This is no ADQL: {error}"
    return f"This is no ADQL: line {line}, character {column}, at {word!r}."


def _with_relations(parsed: _Parsed, known: Mapping[str, Relation]) -> tuple[str, list[Any]]:
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
    return f"WITH {', '.join(heads)} {body}", given


def _renamed(sql: str) -> str:
    """Write ``qc1.ccdcam_bias`` as the name of the part that stands for it, texts left alone."""
    parts, last = [], 0
    for literal in _LITERAL.finditer(sql):
        parts += [_QUALIFIED.sub(_one_name, sql[last : literal.start()]), literal[0]]
        last = literal.end()
    return "".join([*parts, _QUALIFIED.sub(_one_name, sql[last:])])


def _one_name(found: re.Match[str]) -> str:
    schema, table = (found[1] or found[2]).lower(), found[3] or found[4]
    return f'"{table.lower()}"' if schema in {QC1, TAP_SCHEMA} else found[0]


def _run(sql: str, given: Sequence[Any], n_rows: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    guard = _on_postgresql if connection.vendor == "postgresql" else _on_sqlite
    try:
        with guard(), connection.cursor() as cursor:
            cursor.execute(sql, list(given))
            names = [one[0] for one in cursor.description or ()]
            return names, [tuple(row) for row in cursor.fetchmany(n_rows)]
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
    parsed: _Parsed,
    known: Mapping[str, Relation],
) -> list[Column]:
    """Return what is known of the columns of an answer: kinds from what came, words from the tables."""
    columns = []
    for n, name in enumerate(names):
        stored = _stored(n, name, names, parsed, known)
        kind = _kind([row[n] for row in rows], stored)
        words = stored or Column(name, kind)
        columns.append(Column(name, kind, words.unit, words.description, words.ucd))
    return columns


def _stored(
    place: int, name: str, names: Sequence[str], parsed: _Parsed, known: Mapping[str, Relation]
) -> Column | None:
    """Return the column of a table that a column of an answer is, if it is one."""
    if len(parsed.shown) == len(names):
        relation, column = parsed.shown[place]
        return known[relation].columns.get(column) if relation in known else None
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
