"""Answers questions in ADQL, the Virtual Observatory's query language, about QC1 tables.

`queryparser` reads ADQL and writes PostgreSQL's SQL; its grammar knows queries and nothing else. What
it names is looked up in the tables there are; the database is asked read-only, for a limited time.
"""

import contextlib
import itertools
import math
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pyarrow as pa
from antlr4.BufferedTokenStream import BufferedTokenStream
from django.db import DatabaseError, connection, transaction
from queryparser.adql import ADQLQueryTranslator
from queryparser.exceptions import QueryError, QuerySyntaxError
from queryparser.postgresql import PostgreSQLQueryProcessor

from trending.exports import Column, Kind, arrow_schema

from .adql_tables import QC1, TAP_SCHEMA, Relation

TIMEOUT_S = 30.0
# To read a query; one at a time is read.
READING_S = 5.0
_reading = threading.Semaphore(1)
# The parser takes ten milliseconds a word, and with brackets in brackets the square of it: what a query
# may be is bounded before it is read.
MAX_LENGTH, MAX_WORDS, MAX_DEPTH = 10_000, 300, 10
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_NAME = r'(?:"([A-Za-z_][A-Za-z0-9_]*)"|([A-Za-z_][A-Za-z0-9_]*))'
_QUALIFIED = re.compile(rf"(?<![\w.\"]){_NAME}\s*\.\s*{_NAME}")
_UNKNOWN = re.compile(r"[^A-Za-z0-9_\s.,()*+\-/=<>!\"|%;]")
_PLAIN_ITEM = re.compile(r'(?:"?\w+"?\s*\.\s*)*"?\w+"?(?:\s+(?:as\s+)?"?\w+"?)?', re.IGNORECASE)
FUNCTIONS = (
    "count", "sum", "avg", "min", "max", "abs", "acos", "asin", "atan", "atan2", "ceiling", "cos",
    "degrees", "exp", "floor", "log", "log10", "mod", "pi", "power", "radians", "rand", "round",
    "sin", "sqrt", "tan", "truncate", "lower", "upper",
)  # fmt: skip
_WORD = re.compile(r"\w+|[^\s\w]")
_COUNT = re.compile(r"count\s*\(\s*\*\s*\)", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*")


class _Deadline(threading.local):
    """Ends the reading of a query that takes too long, in its own thread.

    The parser is one of Python, and asks its stream of tokens for each step it looks ahead: there
    the clock is asked.
    """

    at = math.inf

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        # Of this thread's own work: a busy machine makes no query harder.
        self.at = time.thread_time() + seconds
        try:
            yield
        finally:
            self.at = math.inf


_deadline = _Deadline()
_look_ahead = BufferedTokenStream.LA


def _look_ahead_in_time(stream: BufferedTokenStream, n: int) -> Any:
    if time.thread_time() > _deadline.at:
        raise QueryRefusedError(
            f"The query takes more than {READING_S:g} s to read: make it simpler."
        )
    return _look_ahead(stream, n)


BufferedTokenStream.LA = _look_ahead_in_time


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
    # A driver fetches all that a query answers: the limit is the database's.
    names, rows = _run(f"{sql} LIMIT {n_rows + 1}", given)
    shown = rows[:n_rows]
    return Answer(_columns(names, shown, parsed, known), shown, len(rows) > n_rows)


@dataclass(frozen=True)
class _Parsed:
    sql: str
    # Full name of each relation: the columns it is asked for, None for all.
    wanted: dict[str, set[str] | None]
    # Of each column of the answer, in order: relation and column, or None where it is computed.
    shown: list[tuple[str, str] | None]
    # It answers with the columns of its tables as they are.
    is_star: bool


@lru_cache(maxsize=256)
def _parse(query: str) -> _Parsed:
    """Read a query; a dashboard asks the same again and again."""
    plain = _one_query(query)
    if not _reading.acquire(timeout=2 * READING_S):
        raise QueryRefusedError("Others are asking; try again in some seconds.")
    try:
        with _deadline.within(READING_S):
            sql, found = _read(plain)
    finally:
        _reading.release()
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
    _check_functions(found.functions)
    sql = sql.strip().rstrip(";")
    items = _items(sql)
    told = [(f"{one[0]}.{one[1]}".lower(), str(one[2]).lower()) for _, one in found.display_columns]
    shown: list[tuple[str, str] | None] = []
    if len(told) == len(items):
        shown = [
            one if _PLAIN_ITEM.fullmatch(item) else None
            for one, item in zip(told, items, strict=True)
        ]
    return _Parsed(sql, wanted, shown, is_star=len(items) == 1 and items[0].endswith("*"))


def _check_functions(used: Sequence[str]) -> None:
    """Refuse what makes much of little: the size of an answer is bounded in rows."""
    for name in used:
        if name.lower() not in FUNCTIONS:
            raise QueryRefusedError(
                f"There is no function {name}. Known are {', '.join(FUNCTIONS)}."
            )


def _items(sql: str) -> list[str]:
    """Return what stands between SELECT and FROM, one column of the answer each."""
    bare = _LITERAL.sub(lambda found: "x" * len(found[0]), sql)
    head = re.match(r"\s*select\s+(?:distinct\s+|all\s+)?", bare, re.IGNORECASE)
    items, depth, last = [], 0, head.end() if head else 0
    for place in range(last, len(bare)):
        depth += (bare[place] == "(") - (bare[place] == ")")
        ends = depth == 0 and re.match(r"\sfrom\s", bare[place:], re.IGNORECASE)
        if depth == 0 and (bare[place] == "," or ends):
            items.append(sql[last:place].strip())
            last = place + 1
        if ends:
            break
    return items


def _one_query(query: str) -> str:
    plain = _without_comments(query).strip().rstrip(";").strip()
    if len(plain) > MAX_LENGTH:
        raise QueryRefusedError(f"The query has more than {MAX_LENGTH} characters.")
    bare = _LITERAL.sub("x", plain)
    # What the grammar's own lexer does not know it passes over, and the query means something else.
    if odd := _UNKNOWN.search(bare):
        raise QueryRefusedError(f"There is no {odd[0]!r} in ADQL; is it a sign that only looks so?")
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
    whole = f"WITH {', '.join(heads)} SELECT * FROM ({body}) AS answer"  # noqa: S608  parsed, its names known
    return whole, given


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
    parsed: _Parsed,
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
    place: int, name: str, names: Sequence[str], parsed: _Parsed, known: Mapping[str, Relation]
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
