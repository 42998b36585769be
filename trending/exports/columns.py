"""What a table in an export is made of: columns with units, and rows that come in batches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa

# A table on its way out: batches with the columns of its head, in their order.
Batches = Iterator[pa.RecordBatch]


class Kind(StrEnum):
    """What a column holds. A value of any kind may be missing."""

    FLOAT = "float"
    INTEGER = "integer"
    TEXT = "text"
    FLAG = "flag"
    DATE = "date"
    INSTANT = "instant"


ARROW = {
    Kind.FLOAT: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.TEXT: pa.string(),
    Kind.FLAG: pa.bool_(),
    Kind.DATE: pa.date32(),
    # UT, to the millisecond.
    Kind.INSTANT: pa.timestamp("ms"),
}


@dataclass(frozen=True)
class Column:
    """A column: its name, kind, unit (as FITS writes it), description and UCD."""

    name: str
    kind: Kind
    unit: str = ""
    description: str = ""
    ucd: str = ""


@dataclass(frozen=True)
class Head:
    """What is known of a table before its first row is read.

    Attributes
    ----------
    n_rows
        How many rows will come; only formats that write it first read it.
    widths
        The longest text of each column of texts, in characters; only formats of fixed width
        read it.
    notes
        Lines for formats that have a place for remarks.
    """

    name: str
    title: str
    columns: Sequence[Column]
    n_rows: int = 0
    widths: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def width(self, column: Column) -> int:
        """Return how many characters a text of this column needs at the most, at least 1."""
        return max(1, self.widths.get(column.name, 1))


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the columns as Arrow has them; units and words are the metadata of each."""
    return pa.schema(
        [
            pa.field(
                one.name,
                ARROW[one.kind],
                metadata={"unit": one.unit, "description": one.description, "ucd": one.ucd},
            )
            for one in columns
        ]
    )
