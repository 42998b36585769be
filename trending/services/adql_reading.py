"""Reads questions in ADQL, the Virtual Observatory's query language, and says what they name.

`queryparser` reads ADQL and writes PostgreSQL's SQL; its grammar knows queries and nothing else. What
is bounded here: how long a query is, how long it takes to read, which functions it uses.
"""

import contextlib
import math
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from antlr4.BufferedTokenStream import BufferedTokenStream
from queryparser.adql import ADQLQueryTranslator
from queryparser.exceptions import QueryError, QuerySyntaxError
from queryparser.postgresql import PostgreSQLQueryProcessor

# To read a query; one at a time is read.
READING_S = 5.0
_reading = threading.Semaphore(1)
# The parser takes ten milliseconds a word, and with brackets in brackets the square of it: what a query
# may be is bounded before it is read.
MAX_LENGTH, MAX_WORDS, MAX_DEPTH = 10_000, 300, 10
LITERAL = re.compile(r"'(?:[^']|'')*'")
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


class QueryRefusedError(Exception):
    """A query cannot be answered; the message says why and what is known."""


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


@dataclass(frozen=True)
class Parsed:
    sql: str
    # Full name of each relation: the columns it is asked for, None for all.
    wanted: dict[str, set[str] | None]
    # Of each column of the answer, in order: relation and column, or None where it is computed.
    shown: list[tuple[str, str] | None]
    # It answers with the columns of its tables as they are.
    is_star: bool


@lru_cache(maxsize=256)
def read_query(query: str) -> Parsed:
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
    if "*" in LITERAL.sub("", _COUNT.sub("", sql)):
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
    return Parsed(sql, wanted, shown, is_star=len(items) == 1 and items[0].endswith("*"))


def _check_functions(used: Sequence[str]) -> None:
    """Refuse what makes much of little: the size of an answer is bounded in rows."""
    for name in used:
        if name.lower() not in FUNCTIONS:
            raise QueryRefusedError(
                f"There is no function {name}. Known are {', '.join(FUNCTIONS)}."
            )


def _items(sql: str) -> list[str]:
    """Return what stands between SELECT and FROM, one column of the answer each."""
    bare = LITERAL.sub(lambda found: "x" * len(found[0]), sql)
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
    bare = LITERAL.sub("x", plain)
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
    for literal in LITERAL.finditer(query):
        parts += [_COMMENT.sub(" ", query[last : literal.start()]), literal[0]]
        last = literal.end()
    return "".join([*parts, _COMMENT.sub(" ", query[last:])])


def _said(error: QuerySyntaxError) -> str:
    try:
        line, column, word = error.syntax_errors[0]
    except (AttributeError, IndexError, TypeError, ValueError):
        return f"This is no ADQL: {error}"
    return f"This is no ADQL: line {line}, character {column}, at {word!r}."
