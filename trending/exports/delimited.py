"""CSV after RFC 4180: a head line, texts quoted where they must be, nothing a spreadsheet would run."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from .columns import Batches, Column, Head, Kind
from .texts import as_texts, join

# What a spreadsheet takes for a formula, and what looks like one and is a number.
_FORMULA = r"^[=+\-@\t\r]"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NEEDS_QUOTES = '[",\r\n]'


def write(head: Head, batches: Batches) -> Iterator[bytes]:
    """Yield the table as UTF-8; a missing value is an empty cell."""
    names = [pa.array([one.name]) for one in head.columns]
    yield join([_harmless(one) for one in names], ",", "\r\n")
    for batch in batches:
        cells = [
            _cells(values, column)
            for values, column in zip(batch.columns, head.columns, strict=True)
        ]
        yield join(cells, ",", "\r\n")


def _cells(values: pa.Array, column: Column) -> pa.Array:
    cells = as_texts(values, column).fill_null("")
    return _harmless(cells) if column.kind == Kind.TEXT else cells


def _harmless(texts: pa.Array) -> pa.Array:
    """Quote what a reader would take for the end of a cell, and disarm what would be run."""
    formulas = pc.and_not(
        pc.match_substring_regex(texts, _FORMULA), pc.match_substring_regex(texts, _NUMBER)
    )
    if pc.any(formulas).as_py():
        texts = pc.if_else(formulas, pc.binary_join_element_wise("'", texts, ""), texts)
    structural = pc.match_substring_regex(texts, _NEEDS_QUOTES)
    if pc.any(structural).as_py():
        doubled = pc.replace_substring(texts, '"', '""')
        texts = pc.if_else(structural, pc.binary_join_element_wise('"', doubled, '"', ""), texts)
    return texts
