"""The columns a row of a QC1 table can be asked for: the table's own, and what every row has."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trending.domain.definitions import SCORE_SUFFIX
from trending.domain.setups import as_number
from trending.exports import Column, Kind
from trending.models import ColumnRole, ColumnType, QC1Parameter, QC1Table


class Source(StrEnum):
    """Where the values of a column come from."""

    ROW = "row"
    SETUP = "setup"
    VALUE = "value"
    SCORE = "score"
    BLOCK = "block"


@dataclass(frozen=True)
class RowColumn:
    """A column with its source; `parameter` is set where it is one of the table's own."""

    column: Column
    source: Source
    parameter: QC1Parameter | None = None

    @property
    def name(self) -> str:
        return self.column.name


def _built_in(
    name: str,
    kind: Kind,
    description: str,
    unit: str = "",
    ucd: str = "",
    source: Source = Source.ROW,
) -> RowColumn:
    return RowColumn(Column(name, kind, unit, description, ucd), source)


# What every row begins with, what it ends with, and what comes when it is asked for.
FIRST = (
    _built_in("mjd_obs", Kind.FLOAT, "Start of the exposure, MJD, UTC", "d", "time.start;obs"),
    _built_in("date_obs", Kind.INSTANT, "Start of the exposure, UT", "", "time.start;obs"),
    _built_in("night", Kind.DATE, "Night: calendar date of UT less the roll-over hour", "",
              "time.epoch;obs"),
    _built_in("detector", Kind.TEXT, "Detector", "", "meta.id;instr.det"),
    _built_in("pro_catg", Kind.TEXT, "Category of the product (PRO.CATG)", "", "meta.code.class"),
)  # fmt: skip
LAST = (
    _built_in("product", Kind.TEXT, "Name of the product", "", "meta.id;meta.file"),
    _built_in("pipeline", Kind.TEXT, "Pipeline and its version", "", "meta.version;meta.software"),
    _built_in("origin", Kind.TEXT, "pipeline: measured here; import: imported", "", "meta.code"),
    _built_in("simulated", Kind.FLAG, "Whether the frames were simulated", "", "meta.code"),
)
MORE = (
    _built_in("row", Kind.INTEGER, "Key of the row, that of its page too", "", "meta.record"),
    _built_in("state", Kind.TEXT, "current, hidden, rejected, superseded or excluded", "",
              "meta.code.status"),
    _built_in("recorded_at", Kind.INSTANT, "When the row was written, UT", "", "time.creation"),
    _built_in("block", Kind.TEXT, "Association block whose run measured it", "", "meta.id",
              Source.BLOCK),
    _built_in("certification", Kind.TEXT,
              "Decision on that run: AUTO, ACCEPTED, REJECTED or open", "", "meta.code.qual",
              Source.BLOCK),
)  # fmt: skip
_KINDS = {ColumnType.FLOAT: Kind.FLOAT, ColumnType.TEXT: Kind.TEXT, ColumnType.FLAG: Kind.FLAG}


def parameters_of(table: QC1Table) -> list[QC1Parameter]:
    """Return the table's own columns that are still in its definition, in their order."""
    return list(table.parameters.filter(is_active=True).order_by("order"))


def own_columns(parameters: Sequence[QC1Parameter]) -> list[RowColumn]:
    return [
        RowColumn(
            Column(
                one.name, _KINDS[ColumnType(one.type)], one.unit, one.description, one.ucd,
            ),
            Source.SETUP if one.role == ColumnRole.FILTER else Source.VALUE,
            one,
        )
        for one in parameters
    ]  # fmt: skip


def setup_value(one: RowColumn, values: Mapping[str, str]) -> str | float | bool | None:
    """Return the value of a filter column in a set-up, which keeps it as a text."""
    text = values.get(one.name) or None
    if text is None or one.column.kind == Kind.TEXT:
        return text
    if one.column.kind == Kind.FLAG:
        return text == "T"
    number = as_number(text)
    return number if number is not None and math.isfinite(number) else None


def score_column(one: RowColumn) -> RowColumn:
    """Return the column of the scores of a column of numbers."""
    column = Column(
        f"{one.name}{SCORE_SUFFIX}", Kind.INTEGER, "",
        f"Score of {one.name}: 0 OK, 1 NOK, none where it is not scored", "meta.code.qual",
    )  # fmt: skip
    return RowColumn(column, Source.SCORE, one.parameter)


def is_scored(one: RowColumn) -> bool:
    return one.source == Source.VALUE and one.column.kind == Kind.FLOAT


@dataclass(frozen=True)
class RowColumns:
    """All columns of a table by name; `default` are those of a row that is asked for as it is."""

    known: dict[str, RowColumn]
    default: list[RowColumn]

    @classmethod
    def of(cls, parameters: Sequence[QC1Parameter]) -> "RowColumns":
        own = own_columns(parameters)
        default = [*FIRST, *own, *LAST]
        scores = [score_column(one) for one in own if is_scored(one)]
        return cls({one.name: one for one in [*scores, *MORE, *default]}, default)

    def with_scores(self, columns: Sequence[RowColumn]) -> list[RowColumn]:
        """Return columns with the score behind each that can have one."""
        found: dict[str, RowColumn] = {}
        for one in columns:
            found[one.name] = one
            if is_scored(one):
                score = score_column(one)
                found[score.name] = score
        return list(found.values())
