"""Imports QC1 rows from CSV: all of the file, or nothing and a report of each bad row."""

import csv
import datetime as dt
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction

from trending.domain.setups import as_number
from trending.models import ColumnType, Origin, QC1Import, QC1Table

from .rows import DuplicateRowError, NewRow, PipelineRowError, Source, Stored, store_rows
from .score import score_rows

# Columns of the file beside the table's own.
_KEYS = ("mjd_obs", "detector", "pro_catg", "product", "pipeline")
_REQUIRED = ("mjd_obs",)
_LONGEST = {"detector": 32, "pro_catg": 64}
# How other programs write that there is no value.
_NO_VALUE = {"", "-", "--", "n/a", "na", "none", "null"}
MAX_PROBLEMS = 20


class ImportRefusedError(Exception):
    """Nothing was imported; `problems` names line and reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass
class ImportReport:
    table: str
    stored: Stored = field(default_factory=Stored)

    def __str__(self) -> str:
        done = self.stored
        return (
            f"{self.table}: {len(done.new)} new, {len(done.replaced)} replaced, "
            f"{done.n_unchanged} unchanged"
        )


def import_csv(
    path: Path,
    at: dt.datetime,
    *,
    by: str,
    table_name: str = "",
    is_simulated: bool = False,
) -> ImportReport:
    """Import a CSV file into the table it is named after, or into `table_name`.

    Raises
    ------
    ImportRefusedError
        The table is unknown, a column is unknown, or a row is wrong. Nothing has been written.
    """
    content = _read(path)
    name = table_name or path.name.partition(".")[0]
    table = QC1Table.objects.filter(name=name).select_related("instrument").first()
    if table is None:
        known = ", ".join(QC1Table.objects.values_list("name", flat=True)) or "none"
        raise ImportRefusedError([f"{path}: there is no table {name!r}. Known are {known}."])
    lines, rows = _rows(path, content, table)
    with transaction.atomic():
        done_import = QC1Import.objects.create(
            table=table,
            file_name=path.name[:255],
            digest=hashlib.sha256(content.encode()).hexdigest(),
            by=by,
            is_simulated=is_simulated,
            recorded_at=at,
        )
        source = Source(Origin.IMPORT, is_simulated, came_with=done_import)
        stored = _store(path, table, lines, rows, source, at)
        score_rows(stored.changed, at)
        QC1Import.objects.filter(pk=done_import.pk).update(
            n_new=len(stored.new),
            n_replaced=len(stored.replaced),
            n_unchanged=stored.n_unchanged,
        )
    return ImportReport(table.name, stored)


def _read(path: Path) -> str:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportRefusedError([f"{path}: byte {error.start} is not UTF-8."]) from error
    except OSError as error:
        raise ImportRefusedError([f"{path}: {error.strerror}."]) from error
    if "\x00" in content:
        raise ImportRefusedError([f"{path}: it holds a NUL; this is not a CSV file."])
    return content


def _store(
    path: Path,
    table: QC1Table,
    lines: Sequence[int],
    rows: Sequence[NewRow],
    source: Source,
    at: dt.datetime,
) -> Stored:
    try:
        return store_rows(table, rows, source, at)
    except DuplicateRowError as error:
        first, second = lines[error.first], lines[error.second]
        raise ImportRefusedError(
            [f"{path}:{second}: the same measurement as in line {first}: {error}"]
        ) from error
    except PipelineRowError as error:
        raise ImportRefusedError([f"{path}:{lines[error.place]}: {error}."]) from error


def _rows(path: Path, content: str, table: QC1Table) -> tuple[list[int], list[NewRow]]:
    """Return the rows of a file, and the line each of them ends in."""
    reader = csv.DictReader(io.StringIO(content), strict=True)
    parameters = list(table.parameters.filter(is_active=True))
    columns = [one.name for one in parameters]
    numbers = [one.name for one in parameters if one.type == ColumnType.FLOAT]
    problems: list[str] = []
    lines: list[int] = []
    rows: list[NewRow] = []
    try:
        _check_head(path, list(reader.fieldnames or []), columns)
        for record in reader:
            try:
                rows.append(_row(record, columns, numbers))
                lines.append(reader.line_num)
            except ValueError as error:
                problems.append(f"{path}:{reader.line_num}: {error}")
    except csv.Error as error:
        # The inner reader has counted the line that could not be read, the outer one has not.
        problems.append(f"{path}:{max(1, reader.reader.line_num)}: {error}")
    if problems:
        more = len(problems) - MAX_PROBLEMS
        rest = [f"… and {more} more"] if more > 0 else []
        raise ImportRefusedError([*problems[:MAX_PROBLEMS], *rest])
    return lines, rows


def _check_head(path: Path, head: list[str], columns: list[str]) -> None:
    known = [*_KEYS, *columns]
    unknown = [name or "''" for name in head if name not in known]
    missing = [name for name in _REQUIRED if name not in head]
    if unknown or missing or len(set(head)) != len(head):
        what = (
            f"unknown columns {', '.join(unknown)}" if unknown
            else f"column {', '.join(missing)} is missing" if missing
            else "a column is there twice"
        )  # fmt: skip
        raise ImportRefusedError([f"{path}:1: {what}. Known are {', '.join(known)}."])


def _row(record: dict[str, str | None], columns: list[str], numbers: list[str]) -> NewRow:
    if None in record or None in record.values():
        raise ValueError("the row has not as many cells as the head")
    cells = {name: (cell or "").strip() for name, cell in record.items()}
    for name, longest in _LONGEST.items():
        if len(cells.get(name, "")) > longest:
            raise ValueError(f"{name} is longer than {longest} characters")
    for name in numbers:
        cell = cells.get(name, "")
        if cell.lower() not in _NO_VALUE and as_number(cell) is None:
            raise ValueError(f"{name} = {cell!r} is not a number; leave it empty if there is none")
    return NewRow(
        detector=cells.get("detector", ""),
        mjd_obs=_mjd(cells["mjd_obs"]),
        pro_catg=cells.get("pro_catg", ""),
        values={name: cells[name] for name in columns if name in cells},
        product_name=cells.get("product", ""),
        pipeline_version=cells.get("pipeline", ""),
    )


def _mjd(text: str) -> float:
    mjd = as_number(text)
    if mjd is None:
        raise ValueError(f"mjd_obs = {text!r} is not a number")
    if not (math.isfinite(mjd) and 0 < mjd < 200000):
        raise ValueError(f"mjd_obs = {text!r}: expected a Modified Julian Date")
    return mjd
