"""Reads tables from files, whole and by column: CSV, VOTable, FITS and Parquet."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .batch import RawColumn

# How the end of a file's name says what it is.
FORMATS = {
    ".csv": "csv",
    ".vot": "votable", ".votable": "votable", ".xml": "votable",
    ".fits": "fits", ".fit": "fits",
    ".parquet": "parquet",
}  # fmt: skip


class ImportRefusedError(Exception):
    """Nothing was imported; `problems` names place and reason of each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Sheet:
    """The columns of a file.

    Attributes
    ----------
    columns
        Values by name. Cells of a CSV file are texts without blanks around them; other files give
        numbers as numbers, and None where they say that a value is missing.
    places
        Of each row, what an editor or table viewer calls it: the line it ends in, or its number.
    where
        The file's name and what comes between it and a place.
    problems
        Rows that could not be read: place and reason.
    digest
        SHA-256 of the file.
    """

    columns: dict[str, RawColumn]
    places: Sequence[int]
    where: str
    problems: list[tuple[int, str]]
    digest: str

    def __len__(self) -> int:
        return len(self.places)

    def at(self, place: int) -> str:
        """Return the words before what is wrong in a row of the file."""
        return f"{self.where}{place}: "


def read_sheet(path: Path, kind: str = "") -> Sheet:
    """Read a file; `kind` is one of `FORMATS`, by default what its name ends in.

    Raises
    ------
    ImportRefusedError
        It cannot be read at all.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImportRefusedError([f"{path}: {error.strerror}."]) from error
    suffix = path.suffix.lower()
    kind = kind or FORMATS.get(suffix, "")
    if not kind:
        known = ", ".join(FORMATS)
        raise ImportRefusedError(
            [f"{path}: a name that ends in {suffix or 'nothing'} says no format; known: {known}."]
        )
    return read_content(content, kind, str(path))


def read_content(content: bytes, kind: str, name: str = "") -> Sheet:
    """Read what was in a file; `name` is what it is called where something is wrong."""
    digest = hashlib.sha256(content).hexdigest()
    if kind == "csv":
        return _read_csv(name, content, digest)
    return _read_binary(name, kind, content, digest)


def _read_csv(path: str, content: bytes, digest: str) -> Sheet:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportRefusedError([f"{path}: byte {error.start} is not UTF-8."]) from error
    if "\x00" in text:
        raise ImportRefusedError([f"{path}: it holds a NUL; this is not a CSV file."])
    reader = csv.reader(io.StringIO(text, newline=None), strict=True)
    head: list[str] = []
    rows: list[list[str]] = []
    places: list[int] = []
    problems: list[tuple[int, str]] = []
    try:
        head = next(reader, [])
        for row in reader:
            if len(row) == len(head):
                rows.append(row)
                places.append(reader.line_num)
            elif row:
                problems.append((reader.line_num, "the row has not as many cells as the head"))
    except csv.Error as error:
        problems.append((max(1, reader.line_num), str(error)))
    if len(set(head)) != len(head):
        problems.insert(0, (1, "a column is there twice"))
    cells: list[Sequence[str]] = list(zip(*rows, strict=True)) if rows else [()] * len(head)
    columns: dict[str, RawColumn] = {
        name: [cell.strip() for cell in column] for name, column in zip(head, cells, strict=True)
    }
    return Sheet(columns, places, f"{path}:", problems, digest)


def _read_binary(name: str, kind: str, content: bytes, digest: str) -> Sheet:
    try:
        columns = _READERS[kind](content)
    # Whatever a file's bytes make a library raise: it is a file that cannot be read.
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise ImportRefusedError(
            [f"{name or 'file'}: this is no {_WORDS[kind]} with a table: {said}"]
        ) from error
    return sheet_of(columns, digest, name)


def sheet_of(columns: dict[str, RawColumn], digest: str, name: str = "") -> Sheet:
    """Return columns that were read elsewhere as a sheet; its rows are counted from 1."""
    n = len(next(iter(columns.values()), []))
    return Sheet(columns, range(1, n + 1), f"{name}: row " if name else "row ", [], digest)


_WORDS = {"votable": "VOTable", "fits": "FITS file", "parquet": "Parquet file"}


def _votable(content: bytes) -> dict[str, RawColumn]:
    from astropy.io.votable import parse_single_table

    return _columns(parse_single_table(io.BytesIO(content)).to_table(use_names_over_ids=True))


def _fits(content: bytes) -> dict[str, RawColumn]:
    from astropy.table import Table

    return _columns(Table.read(io.BytesIO(content), format="fits"))


def _columns(table: Any) -> dict[str, RawColumn]:
    """Return the columns of an astropy table; masked cells are None."""
    columns: dict[str, RawColumn] = {}
    for name in table.colnames:
        column = table[name]
        if len(getattr(column, "shape", ())) != 1:
            raise ValueError(f"column {name} has more than one value a row")
        mask = np.ma.getmaskarray(column)
        cells = np.asarray(column)
        if cells.dtype.kind in "fiu" and not mask.any():
            columns[name] = cells
        else:
            columns[name] = [
                None if is_masked else _plain(cell)
                for cell, is_masked in zip(cells.tolist(), mask.tolist(), strict=True)
            ]
    return columns


def _plain(cell: Any) -> Any:
    return cell.decode("utf-8").strip() if isinstance(cell, bytes) else cell


def _parquet(content: bytes) -> dict[str, RawColumn]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(content), use_threads=False)
    columns: dict[str, RawColumn] = {}
    for name in table.column_names:
        column = table.column(name)
        is_plain = column.null_count == 0 and pyarrow.types.is_floating(column.type)
        columns[name] = column.to_numpy() if is_plain else column.to_pylist()
    return columns


_READERS = {"votable": _votable, "fits": _fits, "parquet": _parquet}
