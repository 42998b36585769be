"""Values as texts, a column at a time: numbers to their last digit, times as ISO 8601 in UT."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns import Column, Kind


def as_texts(values: pa.Array, column: Column) -> pa.Array:
    """Return a column as texts; what is missing stays missing.

    A number is written with as few digits as give the same number when read again.
    """
    if column.kind == Kind.TEXT:
        return values
    if column.kind == Kind.INSTANT:
        instants = values.to_numpy(zero_copy_only=False).astype("datetime64[ms]")
        written = np.datetime_as_string(instants)
        return pa.array(written, mask=np.isnat(instants), type=pa.string())
    return pc.cast(values, pa.string())


def join(parts: list[pa.Array], between: str, end: str) -> bytes:
    """Join columns of texts, none of them missing, to lines."""
    lines = pc.binary_join_element_wise(*parts, between)
    lines = pc.binary_join_element_wise(lines, pa.scalar(end), "")
    return content(lines)


def content(texts: pa.Array) -> bytes:
    """Return all texts of an array one after the other: they lie in memory as they are written."""
    if not len(texts):
        return b""
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    first, last = int(places[0]), int(places[-1])
    return bytes(data.slice(first, last - first)) if last > first else b""
