"""VOTable 1.4 with its rows as BINARY2: compact, exact, and with a place for units, words and UCDs."""

import binascii
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyarrow as pa

from .columns import Batches, Column, Head, Kind
from .records import (
    Array,
    ascii_texts,
    flags,
    floats,
    integers,
    is_text,
    pack,
    text_width,
    utf16_texts,
)
from .units import standard_unit

MEDIA_TYPE = "application/x-votable+xml"
_TIME = "ut"
_DATATYPES = {
    Kind.FLOAT: "double", Kind.INTEGER: "long", Kind.FLAG: "boolean", Kind.TEXT: "unicodeChar",
    Kind.DATE: "char", Kind.INSTANT: "char",
}  # fmt: skip


def write(head: Head, batches: Batches, is_cut: bool = False) -> Iterator[bytes]:
    """Yield the table.

    Parameters
    ----------
    is_cut
        There are more rows than are given; the table says so, as TAP wants it.
    """
    yield _start(head).encode()
    yield from _in_base64(_rows(head, batches))
    yield _end(is_cut).encode()


def failure(words: str) -> bytes:
    """Return a VOTable that says why there is no table."""
    info = f'<INFO name="QUERY_STATUS" value="ERROR">{_clean(words)}</INFO>'
    return f'{_OPEN}\n<RESOURCE type="results">\n{info}\n</RESOURCE>\n</VOTABLE>\n'.encode()


_OPEN = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
)


def _start(head: Head) -> str:
    lines = [
        _OPEN,
        '<RESOURCE type="results">',
        '<INFO name="QUERY_STATUS" value="OK"/>',
        *(f'<INFO name="note" value={_attribute(note)}/>' for note in head.notes),
        # Every MJD here is UTC, at the observatory.
        f'<TIMESYS ID="{_TIME}" timeorigin="MJD-origin" timescale="UTC" refposition="TOPOCENTER"/>',
        f"<TABLE name={_attribute(head.name)}>",
        f"<DESCRIPTION>{_clean(head.title)}</DESCRIPTION>",
        *(_field(head, one) for one in head.columns),
        '<DATA><BINARY2><STREAM encoding="base64">\n',
    ]
    return "\n".join(lines)


def _end(is_cut: bool) -> str:
    said = '\n<INFO name="QUERY_STATUS" value="OVERFLOW"/>' if is_cut else ""
    return f"\n</STREAM></BINARY2></DATA>\n</TABLE>{said}\n</RESOURCE>\n</VOTABLE>\n"


def _field(head: Head, column: Column) -> str:
    given = {"name": column.name, "datatype": _DATATYPES[column.kind]}
    if is_text(column):
        given["arraysize"] = str(text_width(column, head.width(column)))
    if column.kind in {Kind.DATE, Kind.INSTANT}:
        given["xtype"] = "timestamp"
    if column.name == "mjd_obs":
        given["ref"] = _TIME
    given |= {
        name: said
        for name, said in (("unit", standard_unit(column.unit)), ("ucd", column.ucd))
        if said
    }
    attributes = " ".join(f"{name}={_attribute(said)}" for name, said in given.items())
    return f"<FIELD {attributes}><DESCRIPTION>{_clean(column.description)}</DESCRIPTION></FIELD>"


def _rows(head: Head, batches: Batches) -> Iterator[bytes]:
    def encode(values: pa.Array, column: Column) -> Array:
        if column.kind == Kind.TEXT:
            return utf16_texts(values, head.width(column))
        if is_text(column):
            return ascii_texts(values, column, text_width(column, 0))
        if column.kind == Kind.FLAG:
            return flags(values, b"?")
        return floats(values) if column.kind == Kind.FLOAT else integers(values, 0)

    for batch in batches:
        missing = np.array([one.is_null().to_numpy(zero_copy_only=False) for one in batch.columns])
        # A bit a field, the first one the highest: set where there is no value.
        lead = np.packbits(missing.T.astype(bool), axis=1)
        yield pack(batch, head.columns, encode, lead)


def _in_base64(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Encode pieces as one text: only whole groups of three bytes go on."""
    rest = b""
    for piece in pieces:
        whole = rest + piece
        cut = len(whole) - len(whole) % 3
        rest = whole[cut:]
        yield binascii.b2a_base64(whole[:cut])
    if rest:
        yield binascii.b2a_base64(rest)


def _attribute(text: str) -> str:
    return quoteattr(_printable(text))


def _clean(text: str) -> str:
    return escape(_printable(text))


def _printable(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(one for one in text if one >= " " or one in "\n\t").replace("\ufffe", "")
