"""Rows on their way into a table, column by column, and what of each column can be stored."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from pipelines.models import Product
from trending.domain.scoring import DEFAULT_SENTINELS
from trending.domain.setups import as_number, canonical
from trending.models import ColumnType, QC1Parameter

RawValue = str | int | float | bool | None
Floats = np.ndarray[Any, np.dtype[np.float64]]
RawColumn = Sequence[RawValue] | np.ndarray[Any, np.dtype[Any]]
_FLAGS = {"t": "T", "true": "T", "1": "T", "f": "F", "false": "F", "0": "F"}
# Of nothing else is a column of numbers made up; what is, `float` reads as `as_number` does.
_ONLY_NUMBERS = re.compile(r"[0-9+\-.eE\n]*", re.ASCII)
# Below this many cells, to look at each costs less than to look at all of them together.
_FEW = 32


@dataclass(frozen=True)
class NewRow:
    """A row to be stored; `values` by column name, None where there is no value."""

    detector: str
    mjd_obs: float
    pro_catg: str
    values: Mapping[str, RawValue]
    product_name: str = ""
    pipeline_version: str = ""
    product: Product | None = None


@dataclass(frozen=True)
class Batch:
    """Many rows, by column. All sequences have one length; `columns` are by column name."""

    mjd_obs: Sequence[float]
    detector: Sequence[str]
    pro_catg: Sequence[str]
    columns: Mapping[str, RawColumn]
    product_name: Sequence[str]
    pipeline_version: Sequence[str]
    product_id: Sequence[int | None]

    def __len__(self) -> int:
        return len(self.mjd_obs)

    @classmethod
    def of(cls, rows: Sequence[NewRow]) -> Self:
        """Turn rows on their side."""
        names = dict.fromkeys(name for row in rows for name in row.values)
        return cls(
            mjd_obs=[row.mjd_obs for row in rows],
            detector=[row.detector for row in rows],
            pro_catg=[row.pro_catg for row in rows],
            columns={name: [row.values.get(name) for row in rows] for name in names},
            product_name=[row.product_name for row in rows],
            pipeline_version=[row.pipeline_version for row in rows],
            product_id=[row.product.pk if row.product else None for row in rows],
        )

    def part(self, first: int, end: int) -> Self:
        """Return the rows from `first` until before `end`."""
        cut = slice(first, end)
        return type(self)(
            self.mjd_obs[cut], self.detector[cut], self.pro_catg[cut],
            {name: column[cut] for name, column in self.columns.items()},
            self.product_name[cut], self.pipeline_version[cut], self.product_id[cut],
        )  # fmt: skip


@dataclass(frozen=True)
class CleanValue:
    """A value as it is stored: a number, a text, or missing with its reason."""

    value: float | None = None
    text: str = ""
    missing_reason: str = ""


@dataclass(frozen=True)
class CleanColumn:
    """A column as it is stored.

    Attributes
    ----------
    numbers
        The numbers; NaN where there is none.
    words
        By place: the text, or the reason why the value is missing. A place that is not here has a
        number and nothing else.
    """

    numbers: Floats
    words: dict[int, tuple[str, str]]


def clean(parameter: QC1Parameter, value: RawValue) -> CleanValue:
    """Make a value storable; NaN, infinities and sentinels become missing, with the reason."""
    if value is None or value == "":
        return CleanValue(missing_reason="no value")
    if parameter.type == ColumnType.TEXT:
        if isinstance(value, float) and math.isnan(value):
            return CleanValue(missing_reason="no value")
        # As it was written: version "1.10" is not version "1.1".
        text = value.strip() if isinstance(value, str) else canonical(value)
        return CleanValue(text=text[:255]) if text else CleanValue(missing_reason="no value")
    if parameter.type == ColumnType.FLAG:
        return _clean_flag(value)
    number = as_number(value)
    if number is None:
        return CleanValue(missing_reason=f"not a number: {value}"[:64])
    if math.isnan(number):
        return CleanValue(missing_reason="NaN")
    if math.isinf(number):
        return CleanValue(missing_reason="infinite")
    if number in sentinels_of(parameter):
        return CleanValue(missing_reason=f"sentinel {number:g}")
    return CleanValue(value=number)


def sentinels_of(parameter: QC1Parameter) -> tuple[float, ...]:
    """Return the numbers that stand for "not measured" in a column."""
    return (*DEFAULT_SENTINELS, *parameter.missing_values)


def _clean_flag(value: str | int | float | bool) -> CleanValue:
    text = _FLAGS.get(canonical(value).lower())
    if text is None:
        return CleanValue(missing_reason=f"neither yes nor no: {value}"[:64])
    return CleanValue(text=text)


def clean_column(parameter: QC1Parameter, values: RawColumn | None, n: int) -> CleanColumn:
    """Make a column of `n` values storable, as `clean` does with each; None is no value at all."""
    numbers = np.full(n, np.nan)
    if values is None:
        return CleanColumn(numbers, dict.fromkeys(range(n), ("", "no value")))
    if parameter.type == ColumnType.FLOAT and n > _FEW:
        read = read_numbers(values)
        if read is not None:
            is_missing = ~np.isfinite(read) | np.isin(read, sentinels_of(parameter))
            # 0 and -0 are one value.
            numbers[~is_missing] = read[~is_missing] + 0.0
            places = np.flatnonzero(is_missing).tolist()
            return CleanColumn(numbers, _words(parameter, values, places, numbers))
    return CleanColumn(numbers, _words(parameter, values, range(n), numbers))


def read_numbers(values: RawColumn) -> Floats | None:
    """Return a column of numbers with NaN where a cell is empty, or None if anything is no number."""
    if isinstance(values, np.ndarray):
        return values.astype(float) if values.dtype.kind in "fiu" else None
    texts = ["" if value is None else value for value in values]
    try:
        joined = "\n".join(texts)  # type: ignore[arg-type]  # what is no text raises
    except TypeError:
        return None
    if not _ONLY_NUMBERS.fullmatch(joined):
        return None
    try:
        if "" in texts:
            return np.array([float(text) if text else math.nan for text in texts])
        return np.array(list(map(float, texts)))
    except ValueError:
        return None


def _words(
    parameter: QC1Parameter, values: RawColumn, places: Sequence[int], numbers: Floats
) -> dict[int, tuple[str, str]]:
    """Clean the cells at `places`: numbers go to `numbers`, all else is returned."""
    known: dict[tuple[type, RawValue], CleanValue] = {}
    words = {}
    for place in places:
        raw = values[place]
        raw = raw.item() if isinstance(raw, np.generic) else raw
        key = (type(raw), raw)
        one = known.get(key)
        if one is None:
            one = known[key] = clean(parameter, raw)
        if one.value is None:
            words[place] = (one.text, one.missing_reason)
        else:
            numbers[place] = one.value + 0.0
    return words
