"""The values of series over time, as arrays: what a plot, a statistic or an export is made of.

All of it stands in one index: no table is read, whatever the length of the history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from django.db import connection

from trending.models import QC1Value, ValueState

# How PostgreSQL sends each column, and what stands for NULL in it.
_COLUMNS = {
    "series": ("series_id", ">i8"),
    "mjd": ("mjd_obs", ">f8"),
    "value": ("coalesce(value, 'NaN')", ">f8"),
    "row": ("row_id", ">i8"),
    "result": ("coalesce(score_result, -1::smallint)", ">i2"),
    "state": ("state", ">i2"),
}
# Of an array: number of dimensions, whether there are NULLs, type, length, first index.
_HEAD = 20
NOT_SCORED = -1


@dataclass(frozen=True)
class Trend:
    """Values in order of time.

    Attributes
    ----------
    series, row
        Keys of the series and the row of each.
    mjd, value
        When, and the number; NaN is missing.
    result
        0 is OK, 1 is NOK, -1 not scored.
    state
        `ValueState` of each.
    """

    series: np.ndarray[Any, np.dtype[np.int64]]
    mjd: np.ndarray[Any, np.dtype[np.float64]]
    value: np.ndarray[Any, np.dtype[np.float64]]
    row: np.ndarray[Any, np.dtype[np.int64]]
    result: np.ndarray[Any, np.dtype[np.int16]]
    state: np.ndarray[Any, np.dtype[np.int16]]

    def __len__(self) -> int:
        return int(self.row.size)


def read_trend(
    series_ids: Sequence[int],
    mjd_from: float = -np.inf,
    mjd_to: float = np.inf,
    *,
    with_hidden: bool = False,
) -> Trend:
    """Read the values of series between two MJDs, both included.

    Parameters
    ----------
    with_hidden
        Hidden, rejected and superseded values too; `state` tells them apart.
    """
    ids = [int(one) for one in series_ids]
    # Finite for both databases: SQLite has no infinity.
    bounds = max(float(mjd_from), 0.0), min(float(mjd_to), 1e6)
    states = [int(one) for one in ValueState] if with_hidden else [
        int(ValueState.CURRENT), int(ValueState.EXCLUDED)
    ]  # fmt: skip
    if connection.vendor == "postgresql":
        return _sent(ids, bounds, states)
    return _fetched(ids, bounds, states)


_TABLE = QC1Value._meta.db_table


def _sent(ids: Sequence[int], bounds: tuple[float, float], states: Sequence[int]) -> Trend:
    """Read columns as PostgreSQL sends arrays: one message, numbers as they lie in memory."""
    connection.ensure_connection()
    # One series and one order are what the index has: nothing is sorted.
    chosen = "= %s" if len(ids) == 1 else "= ANY(%s)"
    wanted = ", ".join(f"{source} AS {name}" for name, (source, _) in _COLUMNS.items())
    sent = ", ".join(f"array_send(array_agg({name}))" for name in _COLUMNS)
    query = (
        f"SELECT {sent} FROM (SELECT {wanted} FROM {_TABLE} "  # noqa: S608  names are ours
        f"WHERE series_id {chosen} AND mjd_obs >= %s AND mjd_obs <= %s AND state = ANY(%s) "
        "ORDER BY mjd_obs) AS trend"
    )
    given = [ids[0] if len(ids) == 1 else list(ids), *bounds, list(states)]
    # Django's own cursor asks for text.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        found = cursor.execute(query, given, binary=True).fetchone() or ()
    columns = {
        name: _array(content, kind)
        for content, (name, (_, kind)) in zip(found, _COLUMNS.items(), strict=True)
    }
    if np.any(columns["mjd"][1:] == columns["mjd"][:-1]):
        # Rows of one instant in the order of their keys.
        order = np.lexsort((columns["row"], columns["mjd"]))
        columns = {name: column[order] for name, column in columns.items()}
    return Trend(**columns)


def _array(content: bytes | None, kind: str) -> np.ndarray[Any, np.dtype[Any]]:
    """Return what PostgreSQL sent as an array; each element follows its length."""
    native = np.dtype(kind).newbyteorder("=")
    if content is None:
        return np.empty(0, dtype=native)
    records = np.frombuffer(content, dtype=[("length", ">i4"), ("item", kind)], offset=_HEAD)
    return records["item"].astype(native)


def _fetched(ids: Sequence[int], bounds: tuple[float, float], states: Sequence[int]) -> Trend:
    marks = ", ".join(["%s"] * len(ids)) or "NULL"
    state_marks = ", ".join(["%s"] * len(states))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT series_id, mjd_obs, value, row_id, coalesce(score_result, -1), state "  # noqa: S608
            f"FROM {_TABLE} WHERE series_id IN ({marks}) AND mjd_obs >= %s AND mjd_obs <= %s "
            f"AND state IN ({state_marks}) ORDER BY mjd_obs, row_id",
            [*ids, *bounds, *states],
        )
        columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(_COLUMNS)
    return Trend(
        series=np.array(columns[0], dtype=np.int64),
        mjd=np.array(columns[1], dtype=float),
        value=np.array(columns[2], dtype=float),
        row=np.array(columns[3], dtype=np.int64),
        result=np.array(columns[4], dtype=np.int16),
        state=np.array(columns[5], dtype=np.int16),
    )
