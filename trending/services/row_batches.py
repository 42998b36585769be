"""Reads rows of a QC1 table as columns, a batch at a time: memory does not grow with the answer."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection

from pipelines.models import Attempt
from trending.exports import ARROW, Kind, arrow_schema
from trending.models import STANDING, QC1Row, QC1Table, QC1Value, Series, ValueState

from .arrays import RESULT, TEXT, VALUE, Array, fetch_arrays, keys_in
from .row_columns import RowColumn, Source, setup_value

BATCH = 32_768
Record = dict[str, Any]
# Of runs, what is said of each: the run's key and the words.
AboutRuns = Callable[[Sequence[int]], Mapping[int, str]]

_ROWS = QC1Row._meta.db_table
_VALUES = QC1Value._meta.db_table
_TEXT = pa.string()
_KEY, _NUMBER = ">i8", ">f8"
# How each built-in column of a row is asked for, in words of both databases.
_ROW_SQL = {
    "mjd_obs": ("mjd_obs", _NUMBER),
    "night": ("CAST(night AS text)", TEXT),
    "detector": ("detector", TEXT),
    "pro_catg": ("pro_catg", TEXT),
    "product": ("product_name", TEXT),
    "pipeline": ("pipeline_version", TEXT),
    "origin": ("origin", TEXT),
    "simulated": ("CAST(CASE WHEN is_simulated THEN 1 ELSE 0 END AS bigint)", _KEY),
    "state": ("CAST(CASE WHEN is_current THEN state ELSE 2 END AS bigint)", _KEY),
}
_DAY_US = 86_400_000_000.0
_MJD_AT_1970 = 40_587


def read_batches(
    table: QC1Table,
    columns: Sequence[RowColumn],
    row_ids: Sequence[int] | Array,
    *,
    about_runs: Mapping[str, AboutRuns] | None = None,
    states: Sequence[int] = STANDING,
    is_dense: bool = True,
) -> Iterator[pa.RecordBatch]:
    """Yield rows in the order of their keys, with these columns.

    Parameters
    ----------
    about_runs
        By column, who knows what to say of the runs that measured the rows.
    states
        States of values that are given; others are missing.
    is_dense
        The rows are in the order of time and none of their set-ups and detectors was passed over
        between them: their values lie together.
    """
    reader = _Reader(table, columns, about_runs or {}, states, is_dense=is_dense)
    for first in range(0, len(row_ids), BATCH):
        yield reader.read(np.asarray(row_ids[first : first + BATCH], dtype=np.int64))


def records(batches: Iterator[pa.RecordBatch]) -> Iterator[Record]:
    """Yield rows by column name; dates and instants as ISO texts."""
    for batch in batches:
        for one in batch.to_pylist():
            yield {name: _plain(value) for name, value in one.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds")
    return value.isoformat() if isinstance(value, dt.date) else value


class _Reader:
    """Reads batches of rows of one table; remembers its set-ups and series."""

    def __init__(
        self,
        table: QC1Table,
        columns: Sequence[RowColumn],
        about_runs: Mapping[str, AboutRuns],
        states: Sequence[int],
        *,
        is_dense: bool,
    ) -> None:
        self.columns, self.about_runs, self.is_dense = columns, about_runs, is_dense
        # A row that was chosen is given as it was, though a later run takes its place meanwhile.
        shown = sorted({*map(int, states), int(ValueState.SUPERSEDED)})
        self.states = ", ".join(map(str, shown))
        self.schema = arrow_schema([one.column for one in columns])
        self.with_scores = any(one.source == Source.SCORE for one in columns)
        self.setups = (
            dict(table.setups.values_list("pk", "values")) if self._has(Source.SETUP) else {}
        )
        of_values = (Source.VALUE, Source.SCORE)
        wanted = {one.parameter.pk for one in columns if one.parameter and one.source in of_values}
        words = {
            one.parameter.pk
            for one in columns
            if one.parameter and one.column.kind in {Kind.TEXT, Kind.FLAG}
        }
        found = Series.objects.filter(parameter__in=wanted).order_by("pk")
        series = list(found.values_list("pk", "parameter_id", "setup_id", "detector"))
        self.numbers = _Places([one for one in series if one[1] not in words])
        self.texts = _Places([one for one in series if one[1] in words])

    def _has(self, source: Source) -> bool:
        return any(one.source == source for one in self.columns)

    def read(self, row_ids: Array) -> pa.RecordBatch:
        rows = self._rows(row_ids)
        numbers, scores = self._numbers(row_ids, rows)
        texts = self._texts(row_ids, rows)
        runs = self._runs(rows)
        arrays = []
        for one in self.columns:
            if one.source == Source.ROW:
                array = _row_column(one.name, rows)
            elif one.source == Source.SETUP:
                array = self._setup_column(one, rows["setup"])
            elif one.source == Source.BLOCK:
                array = runs[one.name]
            else:
                array = _value_column(one, row_ids.size, numbers, scores, texts)
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _rows(self, row_ids: Array) -> pa.Table:
        """Return what stands in the rows themselves, in the order of the keys."""
        wanted = {"id": ("id", _KEY), "setup": ("setup_id", _KEY)}
        wanted |= {name: _ROW_SQL[name] for name in ("mjd_obs", "detector")}
        names = {one.name for one in self.columns if one.source == Source.ROW}
        wanted |= {name: _ROW_SQL[name] for name in names if name in _ROW_SQL}
        if "recorded_at" in names:
            utc = "recorded_at AT TIME ZONE 'UTC'" if _is_postgresql() else "recorded_at"
            wanted["recorded_at"] = (f"CAST({utc} AS text)", TEXT)
        if self._has(Source.BLOCK):
            wanted["attempt"] = ("coalesce(attempt_id, 0)", _KEY)
        condition, given = keys_in("id", row_ids)
        asked = ", ".join(expression for expression, _ in wanted.values())
        query = f"SELECT {asked} FROM {_ROWS} WHERE {condition}"  # noqa: S608  names are ours
        kinds = {name: kind for name, (_, kind) in wanted.items()}
        found = fetch_arrays(query, [given], kinds)
        return pa.table(found).take(pa.array(_places_of(row_ids, found["id"])))

    def _numbers(self, row_ids: Array, rows: pa.Table) -> tuple[dict[int, Array], dict[int, Array]]:
        """Return the numbers of each parameter, and their scores; NaN and -1 where there is none."""
        if not len(self.numbers):
            return {}, {}
        kinds = {"series": _KEY, "row_id": _KEY, "value": _NUMBER}
        asked = f"series_id, row_id, {VALUE}"
        if self.with_scores:
            kinds["result"] = ">i2"
            asked += f", {RESULT}"
        condition, given = self._where(row_ids, rows, self.numbers)
        query = f"SELECT {asked} FROM {_VALUES} WHERE {condition}"  # noqa: S608  names are ours
        found = fetch_arrays(query, given, kinds)
        places, is_there = _find(row_ids, found["row_id"])
        lines = self.numbers.lines(found["series"])[is_there]
        values = np.full((len(self.numbers.parameters), row_ids.size), np.nan)
        values[lines, places] = found["value"][is_there]
        scores = np.full(values.shape if self.with_scores else (0, 0), -1, dtype=np.int16)
        if self.with_scores:
            scores[lines, places] = found["result"][is_there]
        parameters = self.numbers.parameters
        return (
            {parameter: values[n] for n, parameter in enumerate(parameters)},
            {parameter: scores[n] for n, parameter in enumerate(parameters) if self.with_scores},
        )

    def _where(self, row_ids: Array, rows: pa.Table, places: "_Places") -> tuple[str, list[Any]]:
        """Return the condition of the values of rows, and what is given for its marks.

        Values of one stretch of time lie together in one index; scattered ones are found by row.
        """
        of_series, series = keys_in("series_id", places.series_of(rows))
        condition = f"{of_series} AND state IN ({self.states})"
        if self.is_dense:
            mjds = rows["mjd_obs"].to_numpy()
            condition += " AND mjd_obs >= %s AND mjd_obs <= %s"
            return condition, [series, float(mjds.min()), float(mjds.max())]
        of_rows, wanted = keys_in("row_id", row_ids)
        return f"{condition} AND {of_rows}", [series, wanted]

    def _texts(self, row_ids: Array, rows: pa.Table) -> dict[int, list[str | None]]:
        """Return the texts of each parameter that has texts; None where there is none."""
        if not len(self.texts):
            return {}
        kinds = {"series": _KEY, "row_id": _KEY, "said": TEXT}
        condition, given = self._where(row_ids, rows, self.texts)
        query = f"SELECT series_id, row_id, text FROM {_VALUES} WHERE {condition}"  # noqa: S608
        found = fetch_arrays(query, given, kinds)
        places, is_there = _find(row_ids, found["row_id"])
        lines = self.texts.lines(found["series"])[is_there]
        texts: dict[int, list[str | None]] = {
            one: [None] * row_ids.size for one in self.texts.parameters
        }
        said = found["said"].filter(pa.array(is_there)).to_pylist()
        for line, place, text in zip(lines.tolist(), places.tolist(), said, strict=True):
            texts[self.texts.parameters[line]][place] = text or None
        return texts

    def _runs(self, rows: pa.Table) -> dict[str, pa.Array]:
        """Return what is said of the runs that measured the rows."""
        names = [one.name for one in self.columns if one.source == Source.BLOCK]
        if not names:
            return {}
        attempts = rows["attempt"].to_numpy()
        unique, places = np.unique(attempts, return_inverse=True)
        keys = [int(one) for one in unique if one]
        known = {"block": _blocks_of, **self.about_runs}
        found = {}
        for name in names:
            said = known[name](keys) if keys else {}
            words = pa.array([said.get(int(one)) for one in unique], type=_TEXT)
            found[name] = words.take(pa.array(places))
        return found

    def _setup_column(self, one: RowColumn, setups: pa.ChunkedArray) -> pa.Array:
        unique, places = np.unique(setups.to_numpy(), return_inverse=True)
        values = [setup_value(one, self.setups[int(pk)]) for pk in unique]
        return pa.array(values, type=ARROW[one.column.kind]).take(pa.array(places))


class _Places:
    """Which line of a batch the values of each series go to: that of their parameter."""

    def __init__(self, series: Sequence[tuple[int, int, int, str]]) -> None:
        self._kinds = series
        self.series = np.array([one[0] for one in series], dtype=np.int64)
        self.parameters = sorted({one[1] for one in series})
        line = {parameter: n for n, parameter in enumerate(self.parameters)}
        self._lines = np.array([line[one[1]] for one in series], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.series.size)

    def series_of(self, rows: pa.Table) -> list[int]:
        """Return the series of the set-ups and detectors that some rows have."""
        pairs = rows.select(["setup", "detector"]).group_by(["setup", "detector"]).aggregate([])
        there = set(zip(pairs["setup"].to_pylist(), pairs["detector"].to_pylist(), strict=True))
        return [pk for pk, _, setup, detector in self._kinds if (setup, detector) in there]

    def lines(self, series: Array) -> Array:
        found: Array = self._lines[np.searchsorted(self.series, series)]
        return found


def _find(row_ids: Array, found: Array) -> tuple[Array, Array]:
    """Return where rows that were found stand among the keys, and which of them are there at all."""
    order = np.argsort(row_ids)
    spots = np.minimum(np.searchsorted(row_ids, found, sorter=order), row_ids.size - 1)
    places = order[spots]
    is_there: Array = row_ids[places] == found
    return places[is_there], is_there


def _places_of(row_ids: Array, found: Array) -> Array:
    """Return where each key stands among the rows that were found."""
    order = np.argsort(found)
    spots = np.minimum(np.searchsorted(found, row_ids, sorter=order), max(found.size - 1, 0))
    if found.size != row_ids.size or np.any(found[order[spots]] != row_ids):
        raise LookupError("A row that was chosen is no longer there.")
    places: Array = order[spots]
    return places


def _row_column(name: str, rows: pa.Table) -> pa.Array:
    if name == "date_obs":
        return _instants(rows["mjd_obs"].to_numpy())
    if name == "row":
        return rows["id"].combine_chunks()
    column = rows[name].combine_chunks()
    if name == "night":
        return pc.cast(column, ARROW[Kind.DATE])
    if name == "recorded_at":
        return pc.cast(pc.cast(column, pa.timestamp("us")), ARROW[Kind.INSTANT], safe=False)
    if name == "simulated":
        return pc.cast(column, pa.bool_())
    if name == "state":
        words = pa.array([one.name.lower() for one in sorted(ValueState)], type=_TEXT)
        return words.take(column)
    if column.type == _TEXT:
        return pc.if_else(pc.equal(column, ""), pa.scalar(None, _TEXT), column)
    return column


def _instants(mjds: Array) -> pa.Array:
    """Return the instants of MJDs, UT, to the millisecond; what is beyond it is cut off."""
    microseconds = np.rint((mjds - _MJD_AT_1970) * _DAY_US).astype(np.int64)
    return pa.array((microseconds // 1000).view("datetime64[ms]"), type=ARROW[Kind.INSTANT])


def _value_column(
    one: RowColumn,
    n_rows: int,
    numbers: Mapping[int, Array],
    scores: Mapping[int, Array],
    texts: Mapping[int, list[str | None]],
) -> pa.Array:
    """Return a column of values or scores; a parameter that was never measured has none."""
    kind, key = one.column.kind, one.parameter.pk if one.parameter else 0
    given = scores if one.source == Source.SCORE else numbers if kind == Kind.FLOAT else texts
    if key not in given:
        return pa.nulls(n_rows, type=ARROW[kind])
    if one.source == Source.SCORE:
        return pa.array(scores[key], mask=scores[key] < 0).cast(ARROW[kind])
    if kind == Kind.FLOAT:
        return pa.array(numbers[key], from_pandas=True)
    if kind == Kind.FLAG:
        return pa.array([None if text is None else text == "T" for text in texts[key]])
    return pa.array(texts[key], type=ARROW[kind])


def _blocks_of(attempts: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for n in range(0, len(attempts), 1000):
        some = Attempt.objects.filter(pk__in=attempts[n : n + 1000])
        found |= dict(some.values_list("pk", "block__ab_name"))
    return found


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"
