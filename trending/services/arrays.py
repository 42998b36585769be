"""Answers of the database as columns: numbers as arrays, texts as Arrow has them, no tuple a row."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from django.db import connection

Array = np.ndarray[Any, np.dtype[Any]]
# A value and its score as numbers that are never NULL: NaN is missing (SQLite gives the word, which
# numpy reads as well), -1 is not scored.
VALUE = "coalesce(value, 'NaN')"
RESULT = "coalesce(score_result, CAST(-1 AS smallint))"
# Of an array as PostgreSQL sends it: number of dimensions, whether there are NULLs, type, length,
# first index.
_HEAD = 20


TEXT = "text"


def fetch_arrays(query: str, given: Sequence[Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """Return what a query selects, a column an array, in the query's order.

    Parameters
    ----------
    kinds
        How PostgreSQL sends each column of the query, in its order: ``>i8`` for bigint, ``>f8`` for
        double precision, ``>i2`` for smallint, `TEXT` for a text, which comes as an Arrow array. None
        of them may be NULL.
    """
    if connection.vendor == "postgresql":
        return _sent(query, given, kinds)
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(kinds)
    return {
        name: pa.array(column, type=pa.string()) if kind == TEXT
        else np.array(column, dtype=np.dtype(kind).newbyteorder("="))
        for (name, kind), column in zip(kinds.items(), columns, strict=True)
    }  # fmt: skip


def _sent(query: str, given: Sequence[Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """Read columns as PostgreSQL sends arrays: one message, numbers as they lie in memory.

    Texts come one behind the other, with the length of each. To fetch rows one by one, or by COPY,
    costs the driver some microseconds a row.
    """
    connection.ensure_connection()
    sent = ", ".join(
        f"array_send(array_agg(octet_length({name}))), convert_to(string_agg({name}, ''), 'UTF8')"
        if kind == TEXT
        else f"array_send(array_agg({name}))"
        for name, kind in kinds.items()
    )
    # Django's own cursor asks for text.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        whole = f"SELECT {sent} FROM ({query}) AS found ({', '.join(kinds)})"  # noqa: S608
        contents = iter(cursor.execute(whole, given, binary=True).fetchone() or ())
    return {
        name: _texts(next(contents), next(contents)) if kind == TEXT
        else _array(next(contents), kind)
        for name, kind in kinds.items()
    }  # fmt: skip


def _array(content: bytes | None, kind: str) -> Array:
    """Return what PostgreSQL sent as an array; each element follows its length."""
    native = np.dtype(kind).newbyteorder("=")
    if content is None:
        return np.empty(0, dtype=native)
    records = np.frombuffer(content, dtype=[("length", ">i4"), ("item", kind)], offset=_HEAD)
    return records["item"].astype(native)


def _texts(lengths: bytes | None, content: bytes | None) -> pa.StringArray:
    sizes = _array(lengths, ">i4")
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return pa.StringArray.from_buffers(sizes.size, pa.py_buffer(ends), pa.py_buffer(content or b""))


def keys_in(column: str, keys: Sequence[int] | Array) -> tuple[str, str]:
    """Return a condition that a column is one of many keys, and what is given for its mark."""
    listed = ",".join(map(str, np.asarray(keys, dtype=np.int64).tolist()))
    if connection.vendor == "postgresql":
        return f"{column} = ANY(CAST(%s AS bigint[]))", f"{{{listed}}}"
    return f"{column} IN (SELECT value FROM json_each(%s))", f"[{listed}]"  # noqa: S608  its name is ours
