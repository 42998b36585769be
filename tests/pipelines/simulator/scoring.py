"""A score by the plainest reading of `scores.toml`: inside the limits or not, or not at all."""

import statistics
import tomllib
from collections.abc import Mapping, Sequence

from tests.pipelines.simulator.observatory import INSTRUMENTS, Definition, Row

SeriesKey = tuple[str, str, tuple[str, ...], str]


def rules_of(instrument: str) -> list[Definition]:
    text = (INSTRUMENTS / instrument.lower() / "scores.toml").read_text()
    rules: list[Definition] = tomllib.loads(text)["rules"]
    return rules


def fits_rule(rule: Definition, row: Row) -> bool:
    setup = rule.get("setup", {})
    return (
        rule["table"] == row.table
        and rule.get("detector", row.detector) == row.detector
        and all(row.columns[name] == value for name, value in setup.items())
    )


def limits_of(rule: Definition, past: Sequence[float]) -> tuple[float, float] | None:
    """Give the limits, None when there is too little past for statistical ones."""
    text = rule["limits"]
    if text.startswith("VAL"):
        low, high = map(str.strip, text.removeprefix("VAL").split(","))
        return float(low or "-inf"), float(high or "inf")
    if len(past) < rule["min_n"]:
        return None
    average = statistics.median if rule["average"] == "MEDIAN" else statistics.mean
    centre = average(past)
    half = _half_width(text, centre, past)
    return centre - half, centre + half


def _half_width(text: str, centre: float, past: Sequence[float]) -> float:
    if text.endswith("%"):
        return abs(centre) * float(text[:-1]) / 100
    if text.endswith("SIG"):
        return float(text[:-3]) * statistics.stdev(past)
    if text.startswith("MAD"):
        median = statistics.median(past)
        return float(text[3:]) * 1.4826 * statistics.median(abs(x - median) for x in past)
    raise ValueError(text)


def outliers(
    instrument: str, rows: Sequence[Row], past: Mapping[SeriesKey, Sequence[float]]
) -> tuple[int, list[str]]:
    """Count what is scored, and name what is red."""
    n, red = 0, []
    for row in rows:
        for rule in rules_of(instrument):
            if not fits_rule(rule, row):
                continue
            value = row.columns[rule["parameter"]]
            limits = limits_of(rule, past.get(series_key(row, rule["parameter"]), ()))
            if limits is None:
                continue
            n += 1
            if not limits[0] <= value <= limits[1]:
                red.append(f"{row.detector} {rule['parameter']} {value:g} {limits}")
    return n, red


def series_key(row: Row, parameter: str) -> SeriesKey:
    filters = ("read_mode", "read_speed", "binning", "filter_name")
    setup = tuple(str(row.columns[name]) for name in filters if name in row.columns)
    return row.table, row.detector, setup, parameter
