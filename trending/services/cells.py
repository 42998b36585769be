"""What a cell of a file may hold: nothing, a text, a number, or yes and no."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from .batch import RawColumn, RawValue
from .read_files import Sheet

_PLAIN = {type(None), str, int, float, bool}


class CellError(ValueError):
    """A cell cannot be stored; the message says why."""


def plain_columns(
    sheet: Sheet, names: Sequence[str], longest: Mapping[str, int], problems: list[tuple[int, str]]
) -> dict[str, RawColumn]:
    """Return columns of a file with nothing but plain cells in them.

    Parameters
    ----------
    longest
        Which columns are texts, and how many characters of theirs can be stored.
    problems
        Cells that are of no use are added: place and reason.
    """
    return {
        name: _plain_column(sheet, name, longest.get(name), problems)
        for name in names
        if name in sheet.columns
    }


def _plain_column(
    sheet: Sheet, name: str, longest: int | None, problems: list[tuple[int, str]]
) -> RawColumn:
    column = sheet.columns[name]
    if isinstance(column, np.ndarray):
        if longest is None:
            return column
        column = column.tolist()
    if _is_plain(column, longest):
        return column
    cells: list[RawValue] = []
    for place, cell in zip(sheet.places, column, strict=True):
        try:
            cells.append(_plain(cell, longest))
        except CellError as error:
            problems.append((place, f"{name} {error}"))
            # It is not stored: that it is nothing here says no second thing of it.
            cells.append(None)
    return cells


def _is_plain(column: Sequence[Any], longest: int | None) -> bool:
    """Whether no cell needs a closer look: nearly always, and quickly seen."""
    kinds = set(map(type, column))
    if not kinds <= (_PLAIN if longest is None else {str, type(None)}):
        return False
    texts = [cell for cell in column if isinstance(cell, str)] if str in kinds else []
    is_short = longest is None or max(map(len, texts), default=0) <= longest
    return is_short and not any("\x00" in text for text in texts) and _is_text("".join(texts))


def _is_text(text: str) -> bool:
    """Whether a text can be written: JSON may hold half of a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(cell: Any, longest: int | None) -> RawValue:
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, Decimal):
        cell = float(cell)
    if isinstance(cell, dt.date | dt.time | dt.timedelta):
        raise CellError(f"= {cell} is a date or time; write it as a number or as a text")
    if type(cell) not in _PLAIN:
        raise CellError(f"= {_shown(cell)} is no text or number")
    if isinstance(cell, str) and "\x00" in cell:
        raise CellError(f"= {_shown(cell)} holds a NUL")
    if isinstance(cell, str) and not _is_text(cell):
        raise CellError(f"= {_shown(cell)} holds half a character")
    return cell if longest is None else _text(cell, longest)


def _text(cell: RawValue, longest: int) -> RawValue:
    if isinstance(cell, float) and math.isnan(cell):
        return None
    if isinstance(cell, str) and len(cell.strip()) > longest:
        raise CellError(f"is longer than {longest} characters")
    return cell


def _shown(cell: Any) -> str:
    shown = repr(cell)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
