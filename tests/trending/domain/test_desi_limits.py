"""The limits of 120 real amplifiers through eleven epochs: loaded as rules, tried at every edge."""

import csv
import datetime as dt
import math
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipelines.domain.times import datetime_to_mjd
from trending.domain.dated import DatedRule, score_dated
from trending.domain.limits import Method, MethodKind, parse_limits
from trending.domain.scoring import GreyReason, Rule, ScoreResult

TABLE = Path(__file__).parents[2] / "data" / "desi_limits" / "amp_limits_by_epoch.csv"
NUMBERS = ("nominal", "lower_err", "lower", "upper", "upper_err")


def night(text):
    """Return the MJD a night's label stands for; day 00 is the day before the first."""
    first = dt.datetime(int(text[:4]), int(text[4:6]), 1, tzinfo=dt.UTC)
    return datetime_to_mjd(first) + int(text[6:]) - 1


def load():
    """Return the epochs of each metric, kind of exposure and amplifier, by time."""
    epochs = defaultdict(list)
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            numbers = {name: float(row[name]) if row[name] else None for name in NUMBERS}
            key = row["metric"], row["exptype"], row["amp"]
            epochs[key].append((night(row["valid_from"]), numbers))
    return {key: sorted(rows, key=lambda row: row[0]) for key, rows in epochs.items()}


EPOCHS = load()


def rule(numbers):
    """Return error limits as the limits and warning limits as the warning of a rule."""
    return Rule(
        Method(MethodKind.VAL, numbers["lower_err"], numbers["upper_err"]),
        warning=Method(MethodKind.VAL, numbers["lower"], numbers["upper"]),
    )


def rules(rows):
    ends = [begin for begin, _ in rows[1:]] + [None]
    return [
        DatedRule(rule(numbers), begin, end)
        for (begin, numbers), end in zip(rows, ends, strict=True)
    ]


def one(at, value, dated):
    return score_dated(np.array([at]), np.array([value]), dated, [0])[0]


def test_the_table_is_what_it_is():
    assert len(EPOCHS) == 480
    assert len({amplifier for _, _, amplifier in EPOCHS}) == 120
    every = [numbers for rows in EPOCHS.values() for _, numbers in rows]
    assert len(every) == 3000
    assert sum(numbers["nominal"] is None for numbers in every) == 840
    assert [parse_limits(str(rule(numbers).method)) for numbers in every[:50]] == [
        rule(numbers).method for numbers in every[:50]
    ]


@pytest.mark.parametrize("amplifier", sorted({amplifier for _, _, amplifier in EPOCHS}))
def test_every_limit_holds_at_its_edge_and_just_beyond(amplifier):
    for key, rows in EPOCHS.items():
        if key[2] == amplifier:
            hold_edges(rows)


def hold_edges(rows):
    dated = rules(rows)
    times, values, expected = [], [], []
    for begin, numbers in rows:
        low, high = numbers["lower_err"], numbers["upper_err"]
        width = high - low
        steps = [
            (low, ScoreResult.OK),
            (low - 1e-6 * width, ScoreResult.NOK),
            (low + 1e-6 * width, ScoreResult.OK),
            (high, ScoreResult.OK),
            (high + 1e-6 * width, ScoreResult.NOK),
            (high - 1e-6 * width, ScoreResult.OK),
        ]
        times += [begin] * len(steps)
        values += [value for value, _ in steps]
        expected += [result for _, result in steps]
    found = score_dated(np.array(times), np.array(values), dated, range(len(times)))
    assert found.result.tolist() == expected


def test_the_night_an_epoch_begins_has_its_limits_and_the_one_before_has_not():
    tried = 0
    for rows in EPOCHS.values():
        dated = rules(rows)
        for (_, old), (begin, new) in pairwise(rows):
            before, after = one(begin - 1e-6, 0.0, dated), one(begin, 0.0, dated)
            assert (before.lower, before.upper) == (old["lower_err"], old["upper_err"])
            assert (after.lower, after.upper) == (new["lower_err"], new["upper_err"])
            if old["upper_err"] < new["upper_err"]:
                between = (old["upper_err"] + new["upper_err"]) / 2
                assert one(begin - 1e-6, between, dated).result is ScoreResult.NOK
                assert one(begin, between, dated).result is ScoreResult.OK
                tried += 1
    assert tried > 500


def test_before_the_first_epoch_nothing_is_judged():
    for rows in list(EPOCHS.values())[::40]:
        found = one(rows[0][0] - 1e-6, rows[0][1]["upper"], rules(rows))
        assert (found.result, found.reason) == (None, GreyReason.NO_RULE)


def test_between_warning_and_error_a_value_is_marked():
    for rows in EPOCHS.values():
        begin, numbers = rows[-1]
        dated = rules(rows)
        marked = one(begin, (numbers["upper"] + numbers["upper_err"]) / 2, dated)
        assert (marked.result, marked.warning) == (ScoreResult.OK, True)
        assert not one(begin, numbers["upper"], dated).warning
        assert not one(begin, (numbers["lower"] + numbers["upper"]) / 2, dated).warning


def test_limits_need_not_lie_evenly_about_the_nominal_value():
    uneven = 0
    for rows in EPOCHS.values():
        for begin, numbers in rows:
            nominal = numbers["nominal"]
            if nominal is None:
                continue
            assert one(begin, nominal, rules(rows)).result is ScoreResult.OK
            up, down = numbers["upper_err"] - nominal, nominal - numbers["lower_err"]
            uneven += not math.isclose(up, down, rel_tol=1e-6)
    assert uneven > 1000


def test_what_would_be_laid_around_a_missing_nominal_value_is_no_rule():
    def around_nominal(rows):
        # Where no nominal value is known there is nothing to lay limits around.
        return [
            DatedRule(
                Rule(Method(MethodKind.VAL, numbers["nominal"] - 1, numbers["nominal"] + 1)), begin
            )
            for begin, numbers in reversed(rows)
            if numbers["nominal"] is not None
        ]

    rows = EPOCHS["BIAS", "", "B0A"]
    assert one(rows[-1][0], 1000.0, around_nominal(rows)).reason is GreyReason.NO_RULE
    rows = EPOCHS["READNOISE", "ZERO", "B0A"]
    assert one(rows[0][0], 3.5, around_nominal(rows)).reason is GreyReason.NO_RULE
    assert one(rows[-1][0], rows[-1][1]["nominal"], around_nominal(rows)).result is ScoreResult.OK
