"""Reads rows of a QC1 table as records, in chunks: memory does not grow with the answer."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from pipelines.domain.times import mjd_to_datetime
from trending.models import (
    ColumnRole,
    ColumnType,
    QC1Parameter,
    QC1Row,
    QC1Table,
    QC1Value,
    ValueState,
)

CHUNK = 1000
Record = dict[str, Any]
# What every record begins with.
KEYS = ("mjd_obs", "date_obs", "night", "detector", "pro_catg")
ENDS = ("product", "pipeline", "origin", "simulated")


@dataclass(frozen=True)
class Cursor:
    """The place of a row in the order of time; stable while rows arrive."""

    mjd_obs: float
    pk: int


def columns_of(table: QC1Table) -> list[QC1Parameter]:
    return list(table.parameters.filter(is_active=True).order_by("order"))


def select_rows(
    table: QC1Table,
    mjd_from: float | None,
    mjd_to: float | None,
    after: Cursor | None = None,
) -> QuerySet[QC1Row]:
    """Return the table's current rows that are neither hidden nor rejected, in order of time."""
    rows = QC1Row.objects.current().filter(table=table, state=ValueState.CURRENT)
    rows = rows.between(mjd_from, mjd_to)
    if after is not None:
        rows = rows.filter(Q(mjd_obs__gt=after.mjd_obs) | Q(mjd_obs=after.mjd_obs, pk__gt=after.pk))
    return rows.select_related("setup").order_by("mjd_obs", "pk")


def records(
    rows: QuerySet[QC1Row], columns: Sequence[QC1Parameter]
) -> Iterator[tuple[Cursor, Record]]:
    """Yield each row as a record by column name, with its place."""
    iterator = rows.iterator(chunk_size=CHUNK)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        values = _values([row.pk for row in chunk])
        for row in chunk:
            yield Cursor(row.mjd_obs, row.pk), _record(row, columns, values)


def _values(row_ids: list[int]) -> dict[tuple[int, int], tuple[float | None, str]]:
    found = QC1Value.objects.filter(row__in=row_ids).values_list(
        "row_id", "series__parameter_id", "value", "text"
    )
    return {(row, parameter): (value, text) for row, parameter, value, text in found}


def _record(
    row: QC1Row,
    columns: Sequence[QC1Parameter],
    values: dict[tuple[int, int], tuple[float | None, str]],
) -> Record:
    record: Record = {
        "mjd_obs": row.mjd_obs,
        "date_obs": mjd_to_datetime(row.mjd_obs).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3],
        "night": row.night.isoformat(),
        "detector": row.detector,
        "pro_catg": row.pro_catg,
    }
    for column in columns:
        if column.role == ColumnRole.FILTER:
            record[column.name] = row.setup.values.get(column.name) or None
        else:
            number, text = values.get((row.pk, column.pk), (None, ""))
            record[column.name] = number if column.type == ColumnType.FLOAT else (text or None)
    record["product"] = row.product_name
    record["pipeline"] = row.pipeline_version
    record["origin"] = row.origin
    record["simulated"] = row.is_simulated
    return record
