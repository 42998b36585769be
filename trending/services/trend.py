"""The values of series over time, as arrays: what a plot, a statistic or an export is made of.

All of it stands in one index: no table is read, whatever the length of the history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trending.models import QC1Value, ValueState

from .arrays import RESULT, VALUE, fetch_arrays, keys_in

_TABLE = QC1Value._meta.db_table
# How each column is asked for, and how PostgreSQL sends it.
_COLUMNS = {
    "series": ("series_id", ">i8"),
    "mjd": ("mjd_obs", ">f8"),
    "value": (VALUE, ">f8"),
    "row": ("row_id", ">i8"),
    "result": (RESULT, ">i2"),
    "state": ("state", ">i2"),
}
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
    # One series and one order are what the index has: nothing is sorted.
    chosen, given = ("series_id = %s", ids[0]) if len(ids) == 1 else keys_in("series_id", ids)
    wanted = ", ".join(source for source, _ in _COLUMNS.values())
    query = (
        f"SELECT {wanted} FROM {_TABLE} WHERE {chosen} AND mjd_obs >= %s AND mjd_obs <= %s "  # noqa: S608  names are ours
        f"AND state IN ({', '.join(str(one) for one in states)}) ORDER BY mjd_obs"
    )
    columns = fetch_arrays(
        query, [given, *bounds], {name: kind for name, (_, kind) in _COLUMNS.items()}
    )
    if np.any(columns["mjd"][1:] == columns["mjd"][:-1]):
        # Rows of one instant in the order of their keys.
        order = np.lexsort((columns["row"], columns["mjd"]))
        columns = {name: column[order] for name, column in columns.items()}
    return Trend(**columns)
