"""What ADQL sees: each QC1 table as one wide table, and the tables that describe them (TAP_SCHEMA).

A column of a wide table is found only where a query names it: the values stay as they are stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from trending.exports import Column, Kind
from trending.exports.units import standard_unit
from trending.models import STANDING, QC1Row, QC1Table, QC1Value, Series, Setup

from .row_columns import RowColumn, RowColumns, Source

QC1, TAP_SCHEMA = "qc1", "tap_schema"
_ROWS, _VALUES = QC1Row._meta.db_table, QC1Value._meta.db_table
_SERIES, _SETUPS = Series._meta.db_table, Setup._meta.db_table
_STATES = ", ".join(str(int(one)) for one in STANDING)
_DATATYPES = {
    Kind.FLOAT: "double", Kind.INTEGER: "long", Kind.TEXT: "char", Kind.FLAG: "boolean",
    Kind.DATE: "char", Kind.INSTANT: "char",
}  # fmt: skip
# Columns of a row in words of both databases; what is not here is made below.
_PLAIN = {
    "row": "r.id", "mjd_obs": "r.mjd_obs", "night": "CAST(r.night AS text)",
    "detector": "r.detector", "pro_catg": "r.pro_catg", "product": "r.product_name",
    "pipeline": "r.pipeline_version", "origin": "r.origin",
    "simulated": "CASE WHEN r.is_simulated THEN 1 ELSE 0 END",
}  # fmt: skip


@dataclass(frozen=True)
class Relation:
    """A table as a query sees it: what it is, its columns, and how it is asked of the database."""

    schema: str
    name: str
    title: str
    columns: Mapping[str, Column]
    table: QC1Table | None = None
    sources: Mapping[str, RowColumn] = field(default_factory=dict)
    rows: Sequence[Sequence[Any]] = ()

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    def sql(self, names: Iterable[str]) -> tuple[str, list[Any]]:
        """Return a query with these columns of the relation, and what is given for its marks."""
        wanted = [name for name in self.columns if name in set(names)] or [next(iter(self.columns))]
        if self.table is None:
            return self._fixed(wanted)
        given: list[Any] = []
        parts = []
        for name in wanted:
            expression, more = _expression(self.sources[name])
            parts.append(f'{expression} AS "{name}"')
            given += more
        query = (
            f"SELECT {', '.join(parts)} FROM {_ROWS} r JOIN {_SETUPS} s ON s.id = r.setup_id "  # noqa: S608  names are ours
            f"WHERE r.table_id = %s AND r.is_current AND r.state IN ({_STATES})"
        )
        return query, [*given, self.table.pk]

    def _fixed(self, wanted: Sequence[str]) -> tuple[str, list[Any]]:
        """Return rows that are known as a query: those of the tables about tables are few."""
        places = [list(self.columns).index(name) for name in wanted]
        given: list[Any] = []
        lines = []
        for row in self.rows:
            cells = []
            for name, place in zip(wanted, places, strict=True):
                kind = "bigint" if self.columns[name].kind == Kind.INTEGER else "text"
                cells.append(f'CAST(%s AS {kind}) AS "{name}"')
                given.append(row[place])
            lines.append(f"SELECT {', '.join(cells)}")
        empty = ", ".join(f'NULL AS "{name}"' for name in wanted)
        return " UNION ALL ".join(lines) or f"SELECT {empty} WHERE 1 = 0", given


def _expression(one: RowColumn) -> tuple[str, list[Any]]:
    """Return how a column of a row is asked for."""
    is_postgresql = connection.vendor == "postgresql"
    if one.name in _PLAIN:
        return _PLAIN[one.name], []
    if one.name == "date_obs":
        if is_postgresql:
            instant = "timestamp '1858-11-17' + r.mjd_obs * interval '1 day'"
            return f"to_char({instant}, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS')", []
        ms = "CAST(round((r.mjd_obs - 40587) * 86400000000.0) / 1000 AS integer)"
        seconds = f"strftime('%%Y-%%m-%%dT%%H:%%M:%%S', {ms} / 1000, 'unixepoch')"
        return f"{seconds} || printf('.%%03d', {ms} %% 1000)", []
    if one.source == Source.SETUP:
        text = "s.values ->> %s" if is_postgresql else 'json_extract(s."values", %s)'
        text = f"NULLIF({text}, '')"
        key = one.name if is_postgresql else f"$.{one.name}"
        number = f"CAST({text} AS double precision)"
        return (number if one.column.kind == Kind.FLOAT else text), [key]
    column = "v.value" if one.column.kind == Kind.FLOAT else "NULLIF(v.text, '')"
    column = "v.score_result" if one.source == Source.SCORE else column
    return (
        f"(SELECT {column} FROM {_SERIES} e JOIN {_VALUES} v ON v.series_id = e.id "  # noqa: S608  names are ours
        "WHERE e.parameter_id = %s AND e.setup_id = r.setup_id AND e.detector = r.detector "
        f"AND v.row_id = r.id AND v.state IN ({_STATES}))",
        [one.parameter.pk if one.parameter else 0],
    )


def relations(instruments: frozenset[str] | None = None) -> dict[str, Relation]:
    """Return what can be asked for, by full name; of some instruments only, or of all."""
    tables = QC1Table.objects.prefetch_related("parameters")
    if instruments is not None:
        tables = tables.filter(instrument__name__in=instruments)
    found = [_wide(table) for table in tables]
    return {one.full_name: one for one in [*found, *_about(found)]}


def _wide(table: QC1Table) -> Relation:
    active = sorted(
        (one for one in table.parameters.all() if one.is_active), key=lambda one: one.order
    )
    known = RowColumns.of(active)
    sources = {one.name: one for one in [known.known["row"], *known.with_scores(known.default)]}
    columns = {
        name: Column(name, Kind.INTEGER, "", "1 where the frames were simulated", one.column.ucd)
        if name == "simulated" else one.column
        for name, one in sources.items()
    }  # fmt: skip
    return Relation(QC1, table.name, table.title, columns, table, sources)


def _about(found: Sequence[Relation]) -> list[Relation]:
    """Return the tables of TAP_SCHEMA about these, and about themselves."""
    schemas = [(QC1, "QC1 tables, one an instrument and data type", "", 0),
               (TAP_SCHEMA, "What there is", "", 1)]  # fmt: skip
    about = {
        "schemas": ("schema_name", "description", "utype", "schema_index"),
        "tables": ("schema_name", "table_name", "table_type", "description", "utype", "table_index"),
        "columns": (
            "table_name", "column_name", "datatype", "arraysize", "xtype", "size", "description",
            "utype", "unit", "ucd", "indexed", "principal", "std", "column_index",
        ),
        "keys": ("key_id", "from_table", "target_table", "description", "utype"),
        "key_columns": ("key_id", "from_column", "target_column"),
    }  # fmt: skip
    numbers = {"schema_index", "table_index", "size", "indexed", "principal", "std", "column_index"}
    made = {
        name: Relation(
            TAP_SCHEMA, name, f"Of each of the {name} that can be asked for",
            {one: Column(one, Kind.INTEGER if one in numbers else Kind.TEXT) for one in columns},
        )
        for name, columns in about.items()
    }  # fmt: skip
    every = [*found, *made.values()]
    rows: dict[str, list[tuple[Any, ...]]] = {
        "schemas": list(schemas),
        "tables": [
            (one.schema, one.full_name, "table", one.title, "", n) for n, one in enumerate(every)
        ],
        "columns": [
            _column_row(one, column, n)
            for one in every
            for n, column in enumerate(one.columns.values())
        ],
        "keys": [],
        "key_columns": [],
    }
    return [
        Relation(one.schema, one.name, one.title, one.columns, rows=rows[name])
        for name, one in made.items()
    ]


def _column_row(relation: Relation, column: Column, place: int) -> tuple[Any, ...]:
    datatype = _DATATYPES[column.kind]
    xtype = "timestamp" if column.kind in {Kind.DATE, Kind.INSTANT} else ""
    return (
        relation.full_name, column.name, datatype, "*" if datatype == "char" else "", xtype, None,
        column.description, "", standard_unit(column.unit), column.ucd,
        int(column.name in {"row", "mjd_obs"}), int(relation.schema == QC1), 0, place,
    )  # fmt: skip
