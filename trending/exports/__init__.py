"""Tables in the forms the field reads. Each is written while it is read: memory does not grow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import delimited, fits_table, fixed_width, parquet, votable
from .columns import ARROW, Batches, Column, Head, Kind, arrow_schema

__all__ = ["ARROW", "FORMATS", "Batches", "Column", "Format", "Head", "Kind", "arrow_schema"]


@dataclass(frozen=True)
class Format:
    """A form of a table.

    Attributes
    ----------
    ending
        Of the names of its files.
    is_fixed
        The longest text of a column is written before the first row.
    is_binary
        It is no text.
    """

    name: str
    media_type: str
    ending: str
    write: Callable[[Head, Batches], Iterator[bytes]]
    is_fixed: bool = False
    is_binary: bool = False


FORMATS = {
    one.name: one
    for one in (
        Format("csv", "text/csv; charset=utf-8", "csv", delimited.write),
        Format("ascii", "text/plain; charset=utf-8", "txt", fixed_width.write, is_fixed=True),
        Format("votable", votable.MEDIA_TYPE, "vot", votable.write, is_fixed=True),
        Format(
            "fits", fits_table.MEDIA_TYPE, "fits", fits_table.write, is_fixed=True, is_binary=True
        ),
        Format(
            "parquet", parquet.MEDIA_TYPE, "parquet", parquet.write, is_fixed=True, is_binary=True
        ),
    )
}
