"""Imports QC1 rows from a file: all of it, or nothing and a report of each bad row."""

import datetime as dt
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from django.db import transaction

from trending.domain.definitions import SCORE_SUFFIX
from trending.domain.setups import as_number
from trending.models import ColumnType, Origin, QC1Import, QC1Parameter, QC1Table

from .batch import Batch, RawColumn, RawValue, read_numbers
from .cells import plain_columns
from .read_files import ImportRefusedError, Sheet, read_sheet
from .rows import DuplicateRowError, PipelineRowError, Source, Stored, store_rows
from .score import score_rows

# Columns of the file beside the table's own.
KEYS = ("mjd_obs", "detector", "pro_catg", "product", "pipeline")
_REQUIRED = ("mjd_obs",)
# What our exports write and the table itself knows: read back, it says nothing new.
_IGNORED = (
    "date_obs", "night", "origin", "simulated", "row", "state", "recorded_at", "block",
    "certification",
)  # fmt: skip
_LONGEST = {"detector": 32, "pro_catg": 64, "product": 255, "pipeline": 64}
_LONGEST_TEXT = 255
# How other programs write that there is no value.
_NO_VALUE = {"", "-", "--", "n/a", "na", "none", "null"}
MAX_PROBLEMS = 20

Problems = list[tuple[int, str]]


@dataclass
class ImportReport:
    """What an import did. `rows` has the place of each row in the file and what became of it."""

    table: str
    stored: Stored
    rows: list[tuple[int, str]] = field(default_factory=list)

    def __str__(self) -> str:
        done = self.stored
        return (
            f"{self.table}: {len(done.new)} new, {len(done.replaced)} replaced, "
            f"{done.n_unchanged} unchanged"
        )


def import_file(
    path: Path,
    at: dt.datetime,
    *,
    by: str,
    table_name: str = "",
    kind: str = "",
    is_simulated: bool = False,
    note: Callable[[int, int], None] = lambda done, total: None,
) -> ImportReport:
    """Import a file into the table it is named after, or into `table_name`.

    Parameters
    ----------
    kind
        What the file is, if its name does not say so.
    note
        Is called with the number of rows that are done and of all, now and then.

    Raises
    ------
    ImportRefusedError
        The table is unknown, a column is unknown, or a row is wrong. Nothing has been written.
    """
    sheet = read_sheet(path, kind)
    name = table_name or path.name.partition(".")[0]
    table = QC1Table.objects.filter(name=name).select_related("instrument").first()
    if table is None:
        known = ", ".join(QC1Table.objects.values_list("name", flat=True)) or "none"
        raise ImportRefusedError([f"{path}: there is no table {name!r}. Known are {known}."])
    return import_sheet(
        sheet, table, at, by=by, name=path.name, is_simulated=is_simulated, note=note
    )


def import_sheet(
    sheet: Sheet,
    table: QC1Table,
    at: dt.datetime,
    *,
    by: str,
    name: str,
    is_simulated: bool = False,
    note: Callable[[int, int], None] = lambda done, total: None,
    most_problems: int = MAX_PROBLEMS,
) -> ImportReport:
    """Import what was read into a table, all of it or nothing; `name` is what it is remembered by.

    Raises
    ------
    ImportRefusedError
        A column is unknown, or a row is wrong. Nothing has been written.
    """
    batch = _batch(sheet, table, most_problems)
    with transaction.atomic():
        done_import = QC1Import.objects.create(
            table=table,
            file_name=name[:255],
            digest=sheet.digest,
            by=by,
            is_simulated=is_simulated,
            recorded_at=at,
        )
        source = Source(Origin.IMPORT, is_simulated, came_with=done_import)
        stored = _store(sheet, table, batch, source, at, note)
        score_rows(stored.changed, stored.at, are_new=True)
        QC1Import.objects.filter(pk=done_import.pk).update(
            n_new=len(stored.new),
            n_replaced=len(stored.replaced),
            n_unchanged=stored.n_unchanged,
        )
    return ImportReport(table.name, stored, list(zip(sheet.places, stored.outcomes, strict=True)))


def _store(
    sheet: Sheet,
    table: QC1Table,
    batch: Batch,
    source: Source,
    at: dt.datetime,
    note: Callable[[int, int], None],
) -> Stored:
    try:
        return store_rows(table, batch, source, at, lambda done: note(done, len(batch)))
    except DuplicateRowError as error:
        first, second = (sheet.places[place] for place in (error.first, error.second))
        word = "line" if sheet.where.endswith(":") else "row"
        raise ImportRefusedError(
            [f"{sheet.at(second)}the same measurement as in {word} {first}: {error}"]
        ) from error
    except PipelineRowError as error:
        raise ImportRefusedError([f"{sheet.at(sheet.places[error.place])}{error}."]) from error


def _batch(sheet: Sheet, table: QC1Table, most_problems: int) -> Batch:
    """Return the rows of a file; refuse it with all that is wrong in it."""
    parameters = list(table.parameters.filter(is_active=True))
    _check_head(sheet, [one.name for one in parameters])
    problems = list(sheet.problems)
    longest = _LONGEST | {
        one.name: _LONGEST_TEXT for one in parameters if one.type == ColumnType.TEXT
    }
    names = [*KEYS, *(one.name for one in parameters)]
    odd: Problems = []
    sheet = replace(sheet, columns=plain_columns(sheet, names, longest, odd))
    mjds = _mjds(sheet, problems)
    texts = {name: _texts(sheet, name) for name in KEYS[1:]}
    for one in parameters:
        if one.type == ColumnType.FLOAT and one.name in sheet.columns:
            problems += _no_numbers(sheet, one)
    problems = [*odd, *problems]
    if problems:
        # In the order of the file; of one row only what was found first.
        problems.reverse()
        by_place = dict(sorted(problems, key=lambda one: one[0]))
        said = [f"{sheet.at(place)}{words}" for place, words in by_place.items()]
        more = len(said) - most_problems
        rest = [f"… and {more} more"] if more > 0 else []
        raise ImportRefusedError([*said[:most_problems], *rest])
    return Batch(
        mjd_obs=mjds,
        detector=texts["detector"],
        pro_catg=texts["pro_catg"],
        columns={
            one.name: sheet.columns[one.name] for one in parameters if one.name in sheet.columns
        },
        product_name=texts["product"],
        pipeline_version=texts["pipeline"],
        product_id=[None] * len(sheet),
    )


def _check_head(sheet: Sheet, columns: Sequence[str]) -> None:
    known = [*KEYS, *columns]
    unknown = [
        name or "''"
        for name in sheet.columns
        if name not in {*known, *_IGNORED} and name.removesuffix(SCORE_SUFFIX) not in columns
    ]
    missing = [name for name in _REQUIRED if name not in sheet.columns]
    what = (
        f"unknown columns {', '.join(unknown)}" if unknown
        else f"column {', '.join(missing)} is missing" if missing
        else ""
    )  # fmt: skip
    # A head that cannot be read to its end has no columns to complain of.
    is_cut = bool(sheet.problems) and not sheet.columns
    if what and not is_cut:
        is_lines = sheet.where.endswith(":")
        mark = f"{sheet.where}1: " if is_lines else sheet.where.removesuffix("row ") or "columns: "
        raise ImportRefusedError([f"{mark}{what}. Known are {', '.join(known)}."])


def _mjds(sheet: Sheet, problems: Problems) -> list[float]:
    column = sheet.columns.get("mjd_obs", [])
    read = read_numbers(column) if len(column) else np.empty(0)
    if read is not None and bool(np.all((read > 0) & (read < 200000))):
        found: list[float] = read.tolist()
        return found
    mjds = []
    for place, cell in zip(sheet.places, column, strict=True):
        try:
            mjds.append(_mjd(cell))
        except ValueError as error:
            problems.append((place, str(error)))
    return mjds


def _mjd(cell: RawValue) -> float:
    mjd = None if cell is None or isinstance(cell, bool) else as_number(cell)
    shown = "" if cell is None else str(cell)
    if mjd is None:
        raise ValueError(f"mjd_obs = {shown!r} is not a number")
    if not (math.isfinite(mjd) and 0 < mjd < 200000):
        raise ValueError(f"mjd_obs = {shown!r}: expected a Modified Julian Date")
    return mjd


def _texts(sheet: Sheet, name: str) -> list[str]:
    column = sheet.columns.get(name)
    if column is None:
        return [""] * len(sheet)
    return ["" if cell is None else str(cell).strip() for cell in column]


def _no_numbers(sheet: Sheet, parameter: QC1Parameter) -> Iterator[tuple[int, str]]:
    """Yield the cells of a column of numbers that are none, and do not say "no value" either."""
    column: RawColumn = sheet.columns[parameter.name]
    if read_numbers(column) is not None:
        return
    for place, cell in zip(sheet.places, column, strict=True):
        is_empty = cell is None or str(cell).strip().lower() in _NO_VALUE
        if not is_empty and not _is_number(cell):
            yield (
                place,
                f"{parameter.name} = {str(cell)!r} is not a number; leave it empty if there is none",
            )


def _is_number(cell: RawValue) -> bool:
    if cell is None:
        return False
    number = as_number(cell)
    # An integer that no number of the database holds would be stored as missing.
    return number is not None and (math.isfinite(number) or not isinstance(cell, int))
