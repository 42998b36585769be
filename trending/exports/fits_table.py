"""A FITS binary table: the number of rows stands in its head, so it is known before the first one."""

import warnings
from collections.abc import Iterator

import pyarrow as pa
from astropy.io import fits

from .columns import Batches, Column, Head, Kind
from .records import Array, ascii_texts, flags, floats, integers, is_text, pack, text_width
from .units import standard_unit

MEDIA_TYPE = "application/fits"
_BLOCK = 2880
# FITS has no sign for an integer that is missing: the lowest one stands for it.
_NULL = -(2**63)
_FORMATS = {Kind.FLOAT: "D", Kind.INTEGER: "K", Kind.FLAG: "L"}


class RowCountError(RuntimeError):
    """There were not as many rows as the head says."""


def write(head: Head, batches: Batches) -> Iterator[bytes]:
    """Yield the file.

    Raises
    ------
    RowCountError
        The batches have more or fewer rows than the head has said.
    """
    yield _heads(head)
    n_rows = size = 0
    for batch in batches:
        n_rows += batch.num_rows
        piece = pack(batch, head.columns, lambda values, one: _encode(head, values, one))
        size += len(piece)
        yield piece
    if n_rows != head.n_rows:
        raise RowCountError(f"{head.name}: {n_rows} rows instead of {head.n_rows}")
    yield b"\0" * (-size % _BLOCK)


def _encode(head: Head, values: pa.Array, column: Column) -> Array:
    if is_text(column):
        return ascii_texts(values, column, text_width(column, head.width(column)))
    if column.kind == Kind.FLAG:
        return flags(values, b"\0")
    return floats(values) if column.kind == Kind.FLOAT else integers(values, _NULL)


def _heads(head: Head) -> bytes:
    with warnings.catch_warnings():
        # A unit that FITS has no word for is written as it is.
        warnings.simplefilter("ignore")
        table = fits.BinTableHDU.from_columns([_column(head, one) for one in head.columns], nrows=0)
        header = table.header
        header["NAXIS2"] = head.n_rows
        header["EXTNAME"] = (_ascii(head.name, 60), "QC1 table")
        for n, one in enumerate(head.columns, 1):
            if one.description:
                header[f"TCOMM{n}"] = _ascii(one.description, 66)
            if one.ucd:
                header[f"TUCD{n}"] = _ascii(one.ucd, 66)
        header["TIMESYS"] = ("UTC", "time scale of every MJD and date")
        for note in (head.title, *head.notes):
            header["HISTORY"] = _ascii(note, 500)
        primary = fits.PrimaryHDU().header
        heads: str = primary.tostring() + header.tostring()
        return heads.encode("ascii")


def _column(head: Head, column: Column) -> fits.Column:
    if is_text(column):
        code = f"{text_width(column, head.width(column))}A"
    else:
        code = _FORMATS[column.kind]
    null = _NULL if column.kind == Kind.INTEGER else None
    return fits.Column(
        name=column.name, format=code, unit=standard_unit(column.unit) or None, null=null
    )


def _ascii(text: str, longest: int) -> str:
    plain = " ".join(text.split()).encode("ascii", "replace").decode()
    return "".join(one if " " <= one <= "~" else "?" for one in plain)[:longest]
