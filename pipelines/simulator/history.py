"""Two years of QC1 rows before the first simulated night, as the recipes would have measured them.

`measured.csv` holds what the recipes gave on simulated nights, the drift taken out: mean and
scatter of every parameter. A row of the history is that mean, moved by the same drift the frames
have, with that scatter; and a few things that happen in two years: interventions, outliers, gaps.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .headers import arcfile
from .nights import ordinary_night
from .seeds import generator
from .series import Series, series_of
from .templates import Exposure, Template

MEASURED = Path(__file__).with_name("measured.csv")

_DAYS = 730
_LOST_NIGHTS = 0.03
# Nights without any data: (first, last) in days before the first night.
_CLOSURES = ((402, 394), (161, 157))
_ODD_ROWS = 0.004
_ODD_SIGMA = 6.0
_MISSING_VALUES = 0.001
_DARK_AND_FLAT_EVERY = 3
_TEXTS = {"lamp_on": "T", "lamp_name": "Halogen"}


@dataclass(frozen=True)
class Measured:
    """Mean and scatter of a parameter without drift; `step` 1 when it is a whole number."""

    mean: float
    sigma: float
    step: int


@dataclass(frozen=True)
class Intervention:
    """What was different before a date, `days` before the first night."""

    days: int
    table: str
    detector: str
    column: str
    offset: float = 0.0
    factor: float = 1.0
    fading_per_year: float = 0.0


_INTERVENTIONS = (
    # The controller of CHIP1 was exchanged.
    Intervention(310, "ccdcam_bias", "CHIP1", "bias_level", offset=-4.5),
    Intervention(310, "ccdcam_bias", "CHIP1", "overscan_level", offset=-4.5),
    # A new lamp; the one before had been fading.
    Intervention(215, "ccdcam_flat", "", "lamp_flux", fading_per_year=0.15),
    Intervention(215, "ccdcam_flat", "", "lamp_level", fading_per_year=0.15),
    # A loose ground was found.
    Intervention(266, "uves_bias", "REDL", "ron_raw", factor=1.06),
    Intervention(266, "uves_bias", "REDL", "ron_master", factor=1.06),
    Intervention(340, "muse_bias", "CHAN01", "level2_median", offset=6.0),
)
# Pipelines are installed; rows keep the version that made them.
_PIPELINES = {
    "ccdcam": ((310, "hcm/0.9.2"), (0, "hcm/1.0.0")),
    "uves": ((198, "uves/6.1.6"), (0, "uves/6.1.8")),
    "muse": ((198, "muse/2.8.5"), (0, "muse/2.8.7")),
}


@dataclass(frozen=True)
class Visit:
    """One block of the past: its template, its first frame, and the night's age in days."""

    template: Template
    first: Exposure
    age_days: int

    def product(self, category: str) -> str:
        return f"r.{arcfile(self.template, self.first).removesuffix('.fits')}_{category}.fits"


@dataclass(frozen=True)
class Past:
    """The dates of a series, and how odd each of its rows is: mostly 0, else +1 or -1."""

    mjd: NDArray[np.float64]
    ages: NDArray[np.int64]
    oddness: NDArray[np.float64]


def write_history(directory: Path, first_night: date) -> list[Path]:
    """Write one CSV a QC1 table: what was measured in the two years before a night.

    Parameters
    ----------
    directory
        where the files go; made when it is not there
    first_night
        label of the first night that is not history

    Returns
    -------
    list of Path
        ``<table>.csv``, with the columns mjd_obs, detector, pro_catg, the filters and values of
        the table, pipeline, product; an empty field is a missing value
    """
    directory.mkdir(parents=True, exist_ok=True)
    tables: dict[str, list[dict[str, str]]] = defaultdict(list)
    for series, visits in _past(first_night).items():
        tables[series.table] += _rows(series, visits)
    return [_write(directory / f"{table}.csv", rows) for table, rows in sorted(tables.items())]


def _write(path: Path, rows: list[dict[str, str]]) -> Path:
    rows.sort(key=lambda row: (float(row["mjd_obs"]), row["detector"]))
    part = path.with_name(f".{path.name}.part")
    with part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return part.replace(path)


def _past(first_night: date) -> Mapping[Series, list[Visit]]:
    """Give every series with the blocks that fed it, oldest first."""
    past: dict[Series, list[Visit]] = defaultdict(list)
    for age in range(_DAYS, 0, -1):
        label = first_night - timedelta(days=age)
        if _is_lost(label, age):
            continue
        for template in ordinary_night(label).templates:
            if template.kind == "BIAS" or label.toordinal() % _DARK_AND_FLAT_EVERY == 0:
                visit = _visit(template, age)
                for series in series_of(template):
                    past[series].append(visit)
    return past


def _is_lost(label: date, age: int) -> bool:
    closed = any(first >= age >= last for first, last in _CLOSURES)
    return closed or generator("weather", label).random() < _LOST_NIGHTS


def _visit(template: Template, age: int) -> Visit:
    late_s = float(generator("late", *template.key, template.read_mode).integers(5, 900))
    start = template.start + timedelta(seconds=late_s, milliseconds=217)
    return Visit(template, Exposure(1, start), age)


def _rows(series: Series, visits: Sequence[Visit]) -> Iterator[dict[str, str]]:
    past = _past_of(series, visits)
    columns = {
        column: _values(series, column, measured, past)
        for column, measured in measured_columns(series).items()
    }
    for i, visit in enumerate(visits):
        yield {
            "mjd_obs": repr(visit.first.mjd),
            "detector": series.detector,
            "pro_catg": series.pro_catg,
            **dict(series.filters),
            **{column: _text(values[i]) for column, values in columns.items()},
            **({name: _TEXTS[name] for name in _TEXTS} if series.table == "ccdcam_flat" else {}),
            "pipeline": _pipeline(series, visit.age_days),
            "product": visit.product(series.pro_catg),
        }


def _past_of(series: Series, visits: Sequence[Visit]) -> Past:
    chance = generator("odd", series.table, series.setup, series.detector)
    is_odd = chance.random(len(visits)) < _ODD_ROWS
    return Past(
        np.array([visit.first.mjd for visit in visits]),
        np.array([visit.age_days for visit in visits]),
        is_odd * chance.choice([-1.0, 1.0], len(visits)),
    )


def _values(series: Series, column: str, measured: Measured, past: Past) -> NDArray[np.float64]:
    chance = generator("history", series.table, series.setup, series.detector, column)
    values = series.with_drift(column, measured.mean, past.mjd)
    values = _before_interventions(series, column, values, past.ages)
    values += measured.sigma * chance.standard_normal(values.size)
    values += _ODD_SIGMA * values.std() * past.oddness
    if measured.step:
        return np.rint(values)
    values[chance.random(values.size) < _MISSING_VALUES] = np.nan
    return values


def _before_interventions(
    series: Series, column: str, values: NDArray[np.float64], ages: NDArray[np.int64]
) -> NDArray[np.float64]:
    for each in _INTERVENTIONS:
        if (each.table, each.column) != (series.table, column):
            continue
        if each.detector in {"", series.detector}:
            before = ages > each.days
            years = (_DAYS - ages[before]) / 365.25
            fading = 1 - each.fading_per_year * years
            values[before] = values[before] * each.factor * fading + each.offset
    return values


def _pipeline(series: Series, age_days: int) -> str:
    versions = _PIPELINES[series.table.partition("_")[0]]
    return next(version for since, version in versions if age_days > since)


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.7g}"


@lru_cache
def measured_columns(series: Series) -> Mapping[str, Measured]:
    """Give the parameters of a series in the order of its table."""
    return {
        line["column"]: Measured(float(line["mean"]), float(line["sigma"]), int(line["step"]))
        for line in _measured_lines()
        if (line["table"], line["setup"], line["detector"])
        == (series.table, series.setup, series.detector)
    }


@lru_cache
def _measured_lines() -> Iterable[Mapping[str, str]]:
    with MEASURED.open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))
