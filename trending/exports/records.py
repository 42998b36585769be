"""Fixed binary records, as VOTable (BINARY2) and FITS have them: a row after the other, big-endian."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns import Column, Kind
from .texts import as_texts

Array = np.ndarray[Any, np.dtype[Any]]
# Of a column: the type of its field, and its values in that type.
Encode = Callable[[pa.Array, Column], Array]


def pack(
    batch: pa.RecordBatch, columns: Sequence[Column], encode: Encode, lead: Array | None = None
) -> bytes:
    """Return rows as bytes.

    Parameters
    ----------
    lead
        Bytes before the fields of each row, one line a row.
    """
    fields = [encode(values, one) for values, one in zip(batch.columns, columns, strict=True)]
    if lead is not None:
        fields.insert(0, lead)
    shape = [(f"f{n}", one.dtype, one.shape[1:]) for n, one in enumerate(fields)]
    records = np.empty(batch.num_rows, dtype=shape)
    for n, one in enumerate(fields):
        records[f"f{n}"] = one
    return records.tobytes()


def floats(values: pa.Array) -> Array:
    """Return numbers as big-endian doubles; NaN where there is none."""
    found: Array = values.to_numpy(zero_copy_only=False).astype(">f8")
    return found


def integers(values: pa.Array, missing: int) -> Array:
    found: Array = values.fill_null(missing).to_numpy(zero_copy_only=False).astype(">i8")
    return found


def flags(values: pa.Array, missing: bytes) -> Array:
    """Return T, F, or the byte for what is missing."""
    known = np.array([b"F", b"T", missing], dtype="S1")
    places = pc.cast(values, pa.int8()).fill_null(2).to_numpy(zero_copy_only=False)
    found: Array = known[places]
    return found


def ascii_texts(values: pa.Array, column: Column, width: int) -> Array:
    """Return texts of a fixed width, ended by NULs; what is not ASCII becomes a question mark."""
    texts = as_texts(values, column).fill_null("")
    if not pc.all(pc.string_is_ascii(texts)).as_py():
        return np.array([one.encode("ascii", "replace") for one in texts.to_pylist()], f"S{width}")
    return np.array(pc.cast(texts, pa.binary()).to_pylist(), dtype=f"S{width}")


def utf16_texts(values: pa.Array, width: int) -> Array:
    """Return texts of a fixed width in UTF-16, two bytes a character, ended by zeros."""
    texts = values.fill_null("").to_pylist()
    codes = np.array(texts, dtype=f"U{width}").view(np.uint32).reshape(len(texts), width)
    # Beyond the first plane there is no such character.
    return np.where(codes > 0xFFFF, 0xFFFD, codes).astype(">u2")


def is_text(column: Column) -> bool:
    """Whether a column is written as a text."""
    return column.kind in {Kind.TEXT, Kind.DATE, Kind.INSTANT}


def text_width(column: Column, longest: int) -> int:
    """Return the characters of a column that is written as a text."""
    return {Kind.DATE: 10, Kind.INSTANT: 23}.get(column.kind, longest)
