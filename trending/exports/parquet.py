"""Parquet: columns with their units, in the form that pandas, pyarrow and astropy read."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from .columns import Batches, Head, Kind, arrow_schema
from .units import standard_unit

MEDIA_TYPE = "application/vnd.apache.parquet"
_TYPES = {
    Kind.FLOAT: "float64", Kind.INTEGER: "int64", Kind.TEXT: "string", Kind.FLAG: "bool",
    Kind.DATE: "string", Kind.INSTANT: "string",
}  # fmt: skip


class _Pipe:
    """A file whose content is taken away while it is written."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._place = 0

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        self._place += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._place

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def write(head: Head, batches: Batches) -> Iterator[bytes]:
    """Yield the file; a batch becomes a row group."""
    pipe = _Pipe()
    schema = arrow_schema(head.columns).with_metadata(_metadata(head))
    with pq.ParquetWriter(pa.PythonFile(pipe, mode="w"), schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_batches([_readable(batch).cast(schema)]))
            yield pipe.take()
    yield pipe.take()


def _readable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Make texts that are missing empty: astropy reads no others, and none of ours is empty."""
    arrays = [one.fill_null("") if pa.types.is_string(one.type) else one for one in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def _metadata(head: Head) -> dict[str, str]:
    return {
        "name": head.name,
        "description": head.title,
        "timescale": "UTC",
        "notes": "\n".join(head.notes),
        "table_meta_yaml": _astropy_header(head),
        # How long texts get: astropy asks.
        **{
            f"table::len::{one.name}": str(head.width(one))
            for one in head.columns
            if one.kind == Kind.TEXT
        },
    }


def _astropy_header(head: Head) -> str:
    """Return what astropy reads units and descriptions from."""
    lines = ["datatype:"]
    for one in head.columns:
        lines.append(f"- name: {_quoted(one.name)}")
        if one.unit:
            lines.append(f"  unit: {_quoted(standard_unit(one.unit))}")
        lines.append(f"  datatype: {_TYPES[one.kind]}")
        if one.description:
            lines.append(f"  description: {_quoted(one.description)}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    plain = " ".join(text.split())
    return "'" + plain.replace("'", "''") + "'"
