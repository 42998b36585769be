"""What an address asks of the rows of a QC1 table: read once, checked whole, said back when wrong."""

import datetime as dt
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from qcweb import parameters
from trending.exports import FORMATS, Kind
from trending.models import QC1Table, ValueState
from trending.services.row_columns import (
    RowColumn,
    RowColumns,
    Source,
    is_scored,
    parameters_of,
)
from trending.services.row_selection import (
    ROW_FIELDS,
    SCORES,
    Condition,
    OrderValue,
    Place,
    Selection,
)

JSON = "json"
KNOWN_FORMATS = (JSON, *FORMATS)
ALWAYS = ("from", "to", "format", "columns", "order", "with", "include", "score")
PAGED = ("limit", "cursor")
WITH = ("score", "certification", "state")
INCLUDE = {
    "hidden": ValueState.HIDDEN,
    "rejected": ValueState.REJECTED,
    "superseded": ValueState.SUPERSEDED,
}
COMPARE = ("gt", "gte", "lt", "lte")
# Kinds of columns that can be compared, not only named.
_COMPARED = {Kind.FLOAT, Kind.INTEGER, Kind.DATE, Kind.INSTANT}
_NOT_ASKED = {"date_obs", "state", "certification"}
_MAX_KEY = 2**63 - 1


@dataclass(frozen=True)
class RowQuestion:
    """Which rows are asked for, with which columns, in which form."""

    selection: Selection
    columns: list[RowColumn]
    format: str
    limit: int
    after: Place | None


def read_question(query: QueryDict, table: QC1Table) -> RowQuestion:
    """Read an address.

    Raises
    ------
    ProblemError
        Something in it is unknown or wrong: which part, and what is known.
    """
    known = RowColumns.of(parameters_of(table))
    chosen = parameters.one_of(query, "format", KNOWN_FORMATS)
    named = (*ALWAYS, *PAGED) if chosen == JSON else ALWAYS
    conditions = _conditions(query, known, named)
    order_by, is_descending = _order(query, known)
    include = _words(query, "include", tuple(INCLUDE))
    selection = Selection(
        table,
        *_times(query),
        conditions=conditions,
        score=parameters.one_of(query, "score", ("", *SCORES)),
        include=frozenset(INCLUDE[one] for one in include),
        order_by=order_by,
        is_descending=is_descending,
    )
    columns = _columns(query, known, with_state=bool(include))
    limit = parameters.limit(query) if chosen == JSON else 0
    return RowQuestion(selection, columns, chosen, limit, _cursor(query, order_by))


def _times(query: QueryDict) -> tuple[float | None, float | None]:
    mjd_from = parameters.mjd(query, "from")
    mjd_to = parameters.mjd(query, "to", is_end=True)
    if mjd_from is not None and mjd_to is not None and mjd_from > mjd_to:
        raise parameters.bad("from", "from is after to.", "Exchange the two.")
    return mjd_from, mjd_to


def _words(query: QueryDict, name: str, known: Sequence[str]) -> list[str]:
    """Read words with commas between them; a parameter that stands twice means both."""
    words = [word.strip() for text in query.getlist(name) for word in text.split(",")]
    found = [word for word in dict.fromkeys(words) if word]
    for word in found:
        if word not in known:
            raise parameters.bad(
                name, f"{name}={word!r} is not known.", f"Known are {', '.join(known)}."
            )
    return found


def _columns(query: QueryDict, known: RowColumns, *, with_state: bool) -> list[RowColumn]:
    asked = _words(query, "columns", tuple(known.known))
    columns = [known.known[name] for name in asked] or list(known.default)
    wanted = _words(query, "with", WITH)
    if "score" in wanted:
        columns = known.with_scores(columns)
    more = ["block", "certification"] if "certification" in wanted else []
    more += ["state"] if "state" in wanted or with_state else []
    there = {one.name for one in columns}
    return columns + [known.known[name] for name in more if name not in there]


def _order(query: QueryDict, known: RowColumns) -> tuple[RowColumn | None, bool]:
    text = query.get("order", "")
    if not text:
        return None, False
    name = text.removeprefix("-")
    orders = [
        name
        for name, one in known.known.items()
        if is_scored(one) or (name in ROW_FIELDS and name not in {"block", "simulated"})
    ]
    if name not in orders:
        hint = f"Known are {', '.join(orders)}; a - in front is descending."
        raise parameters.bad("order", f"order={text!r} is not known.", hint)
    return known.known[name], text.startswith("-")


# ---- filters


def _conditions(query: QueryDict, known: RowColumns, named: Sequence[str]) -> list[Condition]:
    found = []
    for name in query:
        if name in named:
            continue
        column, _, compare = (name, "", "") if name in known.known else name.rpartition("__")
        one = known.known.get(column)
        if one is None or column in _NOT_ASKED or not _may(name, one, compare):
            raise parameters.bad(name, f"There is no parameter {name!r}.", _hint(known, named))
        values = [_value(name, text, one, compare) for text in query.getlist(name)]
        if compare in COMPARE and len(values) > 1:
            raise parameters.bad(name, f"{name} stands there twice.", "Give one.")
        found.append(Condition(one, compare or "in", values))
    return found


def _may(name: str, one: RowColumn, compare: str) -> bool:
    if compare in COMPARE:
        return one.column.kind in _COMPARED and one.source != Source.SCORE
    is_own = one.source == Source.VALUE or one.name == "block"
    return name == one.name or (compare == "missing" and is_own)


def _hint(known: RowColumns, named: Sequence[str]) -> str:
    columns = ", ".join(name for name in known.known if name not in _NOT_ASKED)
    return (
        f"Known are {', '.join(named)}, and to filter by {columns}; numbers, dates and times also "
        f"with __{', __'.join(COMPARE)}, values with __missing."
    )


def _value(name: str, text: str, one: RowColumn, compare: str) -> Any:
    if compare == "missing":
        return _flag(name, text)
    if one.source == Source.SCORE:
        return _read(name, text, _score, "Give 0, 1 or none.")
    kind = one.column.kind
    if kind == Kind.FLAG:
        flag = _flag(name, text)
        # A value that is a flag is kept as a letter.
        return ("T" if flag else "F") if one.source == Source.VALUE else flag
    reader, hint = _READERS.get(kind, (str, ""))
    return _read(name, text, reader, hint)


def _read(name: str, text: str, reader: Callable[[str], Any], hint: str) -> Any:
    try:
        return reader(text)
    except ValueError as error:
        raise parameters.bad(name, f"{name}={text[:60]!r}.", hint) from error


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) > _MAX_KEY:
        raise ValueError(text)
    return int(text)


def _instant(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(text)
    try:
        return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
    except OverflowError as error:
        # Of a zone that leads out of the calendar.
        raise ValueError(text) from error


def _score(text: str) -> int | None:
    return {"0": 0, "1": 1, "none": None}[text] if text in {"0", "1", "none"} else _integer("-")


def _flag(name: str, text: str) -> bool:
    known = {"true": True, "false": False, "t": True, "f": False, "1": True, "0": False}
    if text.lower() not in known:
        raise parameters.bad(name, f"{name}={text[:60]!r}.", "Give true or false.")
    return known[text.lower()]


_READERS: dict[Kind, tuple[Callable[[str], Any], str]] = {
    Kind.FLOAT: (_number, "Give a number."),
    Kind.INTEGER: (_integer, "Give a whole number."),
    Kind.DATE: (dt.date.fromisoformat, "Give a date: 2015-02-27."),
    Kind.INSTANT: (_instant, "Give a UT time: 2015-02-27T10:46:39."),
}


# ---- places


def cursor_text(place: Place) -> str:
    """Write a place as it stands in the address of the next page."""
    value = place.value.isoformat() if isinstance(place.value, dt.date) else place.value
    return f"{json.dumps(value)}~{place.pk}"


def _cursor(query: QueryDict, order_by: RowColumn | None) -> Place | None:
    text = query.get("cursor", "")
    if not text:
        return None
    kind = order_by.column.kind if order_by else Kind.FLOAT
    # Of a date of observation the order is that of its MJD.
    kind = Kind.FLOAT if order_by and ROW_FIELDS.get(order_by.name) == "mjd_obs" else kind
    value, _, pk = text.rpartition("~")
    try:
        return Place(_order_value(json.loads(value, parse_constant=_integer), kind), _integer(pk))
    except (ValueError, RecursionError) as error:
        hint = "Use the address in `next` as it is."
        raise parameters.bad("cursor", f"cursor={text[:60]!r}.", hint) from error


def _order_value(value: object, kind: Kind) -> OrderValue:
    if value is None:
        return None
    if kind in {Kind.FLOAT, Kind.INTEGER}:
        wanted = int if kind == Kind.INTEGER else int | float
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise ValueError(value)
        if isinstance(value, int) and abs(value) > _MAX_KEY:
            raise ValueError(value)
        return value if kind == Kind.INTEGER else _number(repr(value))
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError(value)
    # What is half a character raises, as a ValueError too.
    value.encode()
    if kind == Kind.DATE:
        return dt.date.fromisoformat(value)
    return _instant(value) if kind == Kind.INSTANT else value
