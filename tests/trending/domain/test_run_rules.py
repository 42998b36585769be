"""Run rules: the tables of docs/scoring.md, textbook charts, and what holds for all of them."""

import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tests.trending.domain.test_scoring_table import number, repeated, table
from trending.domain.limits import LimitsError, parse_limits
from trending.domain.run_rules import (
    RunRuleError,
    cusum,
    ewma,
    ewma_limit,
    parse_run_rule,
    signals,
)
from trending.domain.scoring import Rule

ALL = [
    *(f"WE{n}" for n in range(1, 5)),
    *(f"NELSON{n}" for n in range(1, 9)),
    "3of4(1.5)",
    "CUSUM(k=0.5,h=2)",
    "EWMA(lambda=0.3,L=2)",
    "HYST(on=2,off=1)",
]
residuals = st.lists(st.integers(-8, 8).map(lambda n: n / 2) | st.just(np.nan), max_size=40).map(
    lambda values: np.array(values, dtype=float)
)


@pytest.mark.parametrize("row", table("runs"))
def test_patterns_are_found_as_documented(row):
    values = [number(text) for text in repeated(row["residuals"])]
    found = signals(np.array([np.nan if v is None else v for v in values]), [row["rule"]])
    expected = [] if row["signals"] == "none" else row["signals"].split("; ")
    written = [f"{one.first + 1}–{one.last + 1}" for one in found]
    assert written == [text.split(" ", 1)[0] for text in expected]
    for one, text in zip(found, expected, strict=True):
        assert text.split(" ", 1)[1] in one.words
        assert one.rule == str(parse_run_rule(row["rule"]))


@pytest.mark.parametrize("row", table("run rules"))
def test_run_rules_are_read_as_documented(row):
    written, expected = row["written"].removeprefix("`").removesuffix("`"), row["read as"]
    if expected.startswith("error: "):
        with pytest.raises(RunRuleError, match=re.escape(expected.removeprefix("error: "))):
            parse_run_rule(written)
    else:
        assert str(parse_run_rule(written)) == expected
        assert parse_run_rule(expected) == parse_run_rule(written)


def test_a_rule_refuses_run_rules_that_nobody_knows():
    assert Rule(parse_limits("3SIG"), run_rules=("WE1", "CUSUM")).run_rules == ("WE1", "CUSUM")
    with pytest.raises(LimitsError, match="WE9"):
        Rule(parse_limits("3SIG"), run_rules=("WE1", "WE9"))


@given(residuals, st.sampled_from(ALL))
def test_signals_lie_within_the_series_and_turn_with_its_sign(values, rule):
    found = signals(values, [rule])
    for one in found:
        assert 0 <= one.first <= one.last < values.size
        assert np.isfinite(values[[one.first, one.last]]).all()
    turned = [(one.first, one.last) for one in signals(-values, [rule])]
    assert sorted(turned) == sorted((one.first, one.last) for one in found)


@given(residuals, st.sampled_from(ALL))
def test_missing_values_change_no_signal(values, rule):
    known = np.flatnonzero(np.isfinite(values))
    found = [(one.first, one.last, one.words) for one in signals(values, [rule])]
    alone = [(known[s.first], known[s.last], s.words) for s in signals(values[known], [rule])]
    assert found == alone


@given(residuals, st.sampled_from(ALL), st.integers(0, 40))
def test_what_was_signalled_stays_signalled(values, rule, now):
    earlier = {n for one in signals(values[:now], [rule]) for n in range(one.first, one.last + 1)}
    later = {n for one in signals(values, [rule]) for n in range(one.first, one.last + 1)}
    assert earlier <= later


@given(residuals)
def test_western_electric_and_nelson_agree_where_they_say_the_same(values):
    for one, other in (
        ("WE1", "NELSON1"),
        ("WE2", "NELSON5"),
        ("WE3", "NELSON6"),
        ("WE2", "2of3(2)"),
    ):
        pair = [
            [(s.first, s.last, s.words) for s in signals(values, [rule])] for rule in (one, other)
        ]
        assert pair[0] == pair[1]


def test_noise_gives_about_as_many_signals_as_the_textbooks_say():
    values = np.random.default_rng(11).normal(0, 1, 100_000)
    # One in 370 lies beyond 3 sigma; nine in a row on one side end at about one in 512.
    assert len(signals(values, ["WE1"])) == pytest.approx(270, rel=0.15)
    assert len(signals(values, ["NELSON2"])) == pytest.approx(100_000 / 512, rel=0.15)
    # A sum with k = 1/2, h = 5 runs for about 465 values from zero before it signals.
    assert len(signals(values, ["CUSUM"])) == pytest.approx(100_000 / 475, rel=0.25)


# --- NIST/SEMATECH e-Handbook of Statistical Methods, doi:10.18434/M32189 (public domain)

EWMA_DATA = np.array([
    52.0, 47.0, 53.0, 49.3, 50.1, 47.0, 51.0, 50.1, 51.2, 50.5,
    49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1,
])  # fmt: skip
EWMA_PRINTED = [
    50.60, 49.52, 50.56, 50.18, 50.16, 49.21, 49.75, 49.85, 50.26, 50.33,
    50.11, 49.36, 49.52, 50.05, 49.38, 49.92, 50.73, 51.23, 51.94, 51.99,
]  # fmt: skip


def test_the_handbooks_moving_average_comes_out_as_printed():
    sigma = 2.0539
    z = (EWMA_DATA - 50) / sigma
    # The handbook cuts some of its figures where others would round.
    assert 50 + sigma * ewma(z, 0.3) == pytest.approx(EWMA_PRINTED, abs=0.011)
    assert 50 + sigma * ewma_limit(0.3, 3) == pytest.approx(52.5884, abs=5e-4)
    assert 50 - sigma * ewma_limit(0.3, 3) == pytest.approx(47.4115, abs=5e-4)
    assert signals(z, ["EWMA(lambda=0.3,L=3)"]) == []


CUSUM_DATA = np.array([
    324.925, 324.675, 324.725, 324.350, 325.350, 325.225, 324.125, 324.525, 325.225, 324.600,
    324.625, 325.150, 328.325, 327.250, 327.825, 328.500, 326.675, 327.775, 326.875, 328.350,
])  # fmt: skip
UPPER_PRINTED = [0] * 4 + [0.03] + [0] * 7 + [3.01, 4.94, 7.45, 10.63, 11.99, 14.44, 16.00, 19.04]


def test_the_handbooks_cumulative_sum_comes_out_as_printed():
    upper, lower = cusum(CUSUM_DATA - 325, k=0.3175)
    assert upper == pytest.approx(UPPER_PRINTED, abs=0.011)
    assert lower[[2, 3, 6, 7]] == pytest.approx([0.0, 0.33, 0.56, 0.71], abs=0.011)
    found = signals(CUSUM_DATA - 325, ["CUSUM(k=0.3175,h=4.1959)"])
    # Beyond h from the fourteenth on, and begun at the thirteenth, where the level changed.
    assert [(one.first, one.last) for one in found] == [(12, 19)]
    assert np.flatnonzero(upper > 4.1959)[0] == 13
