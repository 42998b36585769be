"""The values of series over time, as arrays: what a plot, a statistic or an export is made of.

All of it stands in one index: no table is read, whatever the length of the history.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection

from trending.models import QC1Value, ValueState

# In PostgreSQL's binary COPY every cell follows its length, and every row its number of cells.
_CELLS = (
    ("series", ">i8"), ("mjd", ">f8"), ("value", ">f8"), ("row", ">i8"), ("result", ">i2"),
    ("state", ">i2"),
)  # fmt: skip
_RECORD = np.dtype(
    [
        ("n", ">i2"),
        *(field for name, kind in _CELLS for field in ((f"_{name}", ">i4"), (name, kind))),
    ]
)
_HEAD = 19
_END = 2
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
        return _copied(ids, bounds, states)
    return _fetched(ids, bounds, states)


_TABLE = QC1Value._meta.db_table


def _copied(ids: Sequence[int], bounds: tuple[float, float], states: Sequence[int]) -> Trend:
    """Read by COPY: numbers arrive as they lie in memory."""
    connection.ensure_connection()
    query = (
        "COPY (SELECT series_id, mjd_obs, coalesce(value, 'NaN'), row_id, "  # noqa: S608
        f"coalesce(score_result, -1::smallint), state FROM {_TABLE} WHERE series_id = ANY(%s) "
        "AND mjd_obs >= %s AND mjd_obs <= %s AND state = ANY(%s) ORDER BY mjd_obs, row_id) "
        "TO STDOUT (FORMAT BINARY)"
    )
    raw = connection.connection.cursor()
    with (
        connection.wrap_database_errors,
        raw,
        raw.copy(query, [list(ids), *bounds, list(states)]) as copy,
    ):
        content = b"".join(bytes(piece) for piece in copy)
    (extension,) = struct.unpack_from("!i", content, _HEAD - 4)
    body = memoryview(content)[_HEAD + extension : len(content) - _END]
    records = np.frombuffer(body, dtype=_RECORD)
    return Trend(
        *(records[name].astype(np.dtype(kind).newbyteorder("=")) for name, kind in _in_order())
    )


def _in_order() -> tuple[tuple[str, str], ...]:
    kinds = dict(_CELLS)
    return tuple((name, kinds[name]) for name in Trend.__dataclass_fields__)


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
        columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(_CELLS)
    return Trend(
        series=np.array(columns[0], dtype=np.int64),
        mjd=np.array(columns[1], dtype=float),
        value=np.array(columns[2], dtype=float),
        row=np.array(columns[3], dtype=np.int64),
        result=np.array(columns[4], dtype=np.int16),
        state=np.array(columns[5], dtype=np.int16),
    )
