"""ASCII as ESO's QC1 database answers it: a head line, a line of dashes, rows of fixed width, remarks.

The remarks begin with ``!`` and stand below the rows: programs that exist take the first line for
the head and the second for dashes, delete every ``!`` and read the rest, so that what is left of a
remark begins with ``#``.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from .columns import Batches, Column, Head, Kind
from .texts import as_texts, join

# Characters that the longest value of a kind needs: -1.2345678901234567e-308.
_WIDTHS = {Kind.FLOAT: 24, Kind.INTEGER: 20, Kind.FLAG: 5, Kind.DATE: 10, Kind.INSTANT: 23}
# Readers that part a line at its blanks need a word where there is no value.
_MISSING_NUMBER, _MISSING = "nan", '""'


def write(head: Head, batches: Batches) -> Iterator[bytes]:
    """Yield the table as UTF-8. A missing number is nan, anything else that is missing is ``""``."""
    widths = [_width(head, one) for one in head.columns]
    names = " ".join(one.name.rjust(width) for one, width in zip(head.columns, widths, strict=True))
    yield f"{names}\n{'-' * len(names)}\n".encode()
    n_rows = 0
    for batch in batches:
        n_rows += batch.num_rows
        cells = [
            pc.utf8_lpad(_cells(values, column), width)
            for values, column, width in zip(batch.columns, head.columns, widths, strict=True)
        ]
        yield join(cells, " ", "\n")
    yield "".join(f"!# {_line(note)}\n" for note in _remarks(head, n_rows)).encode()


def _width(head: Head, column: Column) -> int:
    # Two more for the quotes of a text.
    wanted = head.width(column) + 2 if column.kind == Kind.TEXT else _WIDTHS[column.kind]
    return max(wanted, len(column.name) + 1)


def _cells(values: pa.Array, column: Column) -> pa.Array:
    missing = _MISSING_NUMBER if column.kind in {Kind.FLOAT, Kind.INTEGER} else _MISSING
    texts = as_texts(values, column)
    if column.kind == Kind.TEXT:
        texts = _one_word(texts)
    return texts.fill_null(missing)


def _one_word(texts: pa.Array) -> pa.Array:
    """Quote texts with blanks in them, and the empty one; what ends a line becomes a blank."""
    texts = pc.replace_substring_regex(texts, r"[\x00-\x1f\x7f\x{85}\x{2028}\x{2029}]", " ")
    odd = pc.fill_null(pc.match_substring_regex(texts, r'[\s"!#]|^$|^-+$'), False)
    if not pc.any(odd).as_py():
        return texts
    # A remark begins with "!" and programs delete that sign everywhere: a text must not have one.
    plain = pc.replace_substring(pc.replace_substring(texts, '"', "'"), "!", ".")
    return pc.if_else(odd, pc.binary_join_element_wise('"', plain, '"', ""), texts)


def _remarks(head: Head, n_rows: int) -> Iterator[str]:
    yield f"{head.name}: {head.title}, {n_rows} rows"
    yield from head.notes
    for one in head.columns:
        unit = f" [{one.unit}]" if one.unit else ""
        yield f"{one.name}{unit}: {one.description}"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("!", ".")
