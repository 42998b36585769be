"""Rules that make no sense are found, and others are left alone."""

import numpy as np
import pytest

from tests.trending.domain.test_scoring_table import PAGE
from trending.domain.batch import score_series
from trending.domain.judgements import Judgements
from trending.domain.limits import parse_limits
from trending.domain.sanity import (
    Finding,
    FindingKind,
    check_judgements,
    mixed_modes,
    over_definition_changes,
)
from trending.domain.scoring import GreyReason, Rule
from trending.domain.simulated import SeriesKind, simulate

TIMES = np.arange(57000.0, 57300.0)


def white(n=300, seed=2):
    return np.random.default_rng(seed).normal(0, 1, n)


def checked(values, limits, **options):
    rule = Rule(parse_limits(limits), **options)
    found = score_series(TIMES[: values.size], values, rule, range(values.size))
    return {finding.kind: finding for finding in check_judgements(values, found)}


def test_a_sound_rule_has_no_findings():
    assert checked(white(), "VAL -2.5,2.5") == {}
    assert checked(white(), "2SIG") == {}


def test_limits_that_the_median_itself_breaks():
    # As on three real pages: limits stayed and the parameter moved.
    found = checked(219.33 + white(60), "VAL 180,210")
    assert set(found) == {FindingKind.MEDIAN_OUTSIDE, FindingKind.ALWAYS_FIRES}
    assert "219" in found[FindingKind.MEDIAN_OUTSIDE].words
    assert "180 to 210" in found[FindingKind.MEDIAN_OUTSIDE].words
    one_sided = checked(white(30), "VAL 5,")
    assert "5 to no limit" in one_sided[FindingKind.MEDIAN_OUTSIDE].words


def test_a_median_on_the_line_is_inside():
    assert checked(np.full(30, 5.0), "VAL 5,") == {}


def test_a_rule_that_never_fired_says_how_near_it_came():
    found = checked(white(), "VAL -50,50")
    assert found[FindingKind.NEVER_FIRED].n == 300
    assert found[FindingKind.NEVER_FIRED].words.startswith("never fired in 300 values; the nearest")
    assert checked(white(199), "VAL -50,50") == {}
    assert "nearest" in checked(white(), "VAL ,50")[FindingKind.NEVER_FIRED].words
    without = checked(white(), "VAL -50,50", window_days=1e-9)[FindingKind.NEVER_FIRED]
    assert without.words == "never fired in 300 values"


def test_half_red_is_always_and_a_handful_says_nothing():
    values = np.where(np.arange(40) % 2, 0.0, 9.0)
    assert checked(values, "VAL ,5")[FindingKind.ALWAYS_FIRES].n == 20
    assert FindingKind.ALWAYS_FIRES not in checked(values[1:], "VAL ,5")
    assert FindingKind.ALWAYS_FIRES not in checked(np.full(19, 9.0), "VAL ,5")


def test_a_rule_that_never_judges_says_why():
    found = checked(np.full(30, np.nan), "VAL ,5")
    assert found[FindingKind.NEVER_JUDGED].words == (
        "none of 30 values has a score; 30 times: value missing"
    )
    assert checked(np.full(19, np.nan), "VAL ,5") == {}
    nothing = Judgements.grey(0, GreyReason.NO_RULE)
    assert check_judgements(np.array([]), nothing) == []


@pytest.mark.parametrize(
    ("limits", "changes", "cuts", "n"),
    [
        ("3SIG", [57100.0], [], 10),
        ("3SIG", [57100.0], [57100.0], 0),
        ("3SIG", [57100.0], [57105.0], 5),
        ("3SIG", [57100.0, 57200.0], [], 20),
        ("3SIG", [56000.0, 57000.0, 58000.0], [], 0),
        ("VAL 0,5", [57100.0], [], 0),
    ],
)
def test_statistics_over_a_change_of_definition(limits, changes, cuts, n):
    rule = Rule(parse_limits(limits), window_days=10)
    found = over_definition_changes(TIMES, rule, changes, cuts)
    assert (found.n if found else 0) == n
    assert over_definition_changes(TIMES[:0], rule, changes, cuts) is None


def test_a_statistical_fallback_reaches_over_changes_too():
    rule = Rule(parse_limits("VAL 0,5"), window_days=10, warning=parse_limits("2SIG"))
    assert over_definition_changes(TIMES, rule, [57100.0]) is not None


# --- two read-out modes in one series


@pytest.mark.parametrize("minor", [0.15, 0.5])
def test_two_modes_by_turns_are_found_however_many_outliers_there_are(minor):
    found = 0
    for seed in range(50):
        random = np.random.default_rng(seed)
        values = white(200, seed) + 8 * (random.random(200) < minor)
        values[random.random(200) < 0.02] += 100
        found += mixed_modes(values) is not None
    assert found >= 45


def test_one_mode_is_one_whatever_it_does():
    random = np.random.default_rng(1)
    shapes = [
        white(),
        random.uniform(0, 1, 300),
        random.standard_cauchy(300),
        random.exponential(1, 300),
        np.sin(TIMES / 20),
        TIMES * 1.0,
        np.full(300, 3.0),
        white() + 20 * (TIMES > 57150),
        np.full(300, np.nan),
        white(19),
    ]
    assert [n for n, values in enumerate(shapes) if mixed_modes(values)] == []


def test_series_that_drift_and_jump_are_hardly_ever_taken_for_two_modes():
    found = sum(
        mixed_modes(simulate(SeriesKind(memory=memory, events=events), seed).values) is not None
        for memory in (0.0, 0.9)
        for events in (0, 2)
        for seed in range(50)
    )
    assert found <= 6


def test_modes_of_no_scatter_are_modes():
    assert mixed_modes(np.tile([0.0, 0.5], 20)) == Finding(
        FindingKind.MIXED_MODES, "two levels in one series: 20 values near 0 and 20 near 0.5", 20
    )


def test_counts_that_follow_each_other_are_no_modes():
    assert mixed_modes(np.tile([16.0, 17.0], 40)) is None
    assert mixed_modes(np.tile([16.0, 40.0], 40)) is not None


def test_the_page_names_every_finding():
    page = PAGE.read_text(encoding="utf-8")
    assert [kind for kind in FindingKind if f"| `{kind}` |" not in page] == []
