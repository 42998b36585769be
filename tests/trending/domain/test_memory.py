"""What is new in each value: what run rules may be applied to."""

from functools import cache

import numpy as np
import pytest

from tests.trending.domain.test_scoring_table import table
from trending.domain.baseline import Baseline
from trending.domain.batch import score_series
from trending.domain.limits import parse_limits
from trending.domain.memory import independent
from trending.domain.run_rules import signals
from trending.domain.scoring import Rule
from trending.domain.simulated import YEAR, SeriesKind, simulate

SEEDS = range(1000, 1030)


def remembering(memory, n=2000, seed=3):
    made = simulate(
        SeriesKind(
            n, memory, drift=0, season=0, events=0, gaps=0, repeated=0, missed=0, outliers=0
        ),
        seed,
    )
    return made.values


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_what_is_new_remembers_nothing_and_has_sigma_one(memory):
    new = independent(remembering(memory))
    assert abs(np.corrcoef(new[1:], new[:-1])[0, 1]) < 0.08
    assert new.std() == pytest.approx(1, abs=0.07)


def test_an_outlier_throws_no_shadow():
    values = remembering(0.9)
    values[1000] += 50
    new = independent(values)
    assert new[1000] > 50
    assert new[1001] > -10


def test_missing_values_are_stepped_over():
    values = remembering(0.9)
    missing = np.insert(values, [10, 500], np.nan)
    new = independent(missing)
    assert np.isnan(missing).tolist() == np.isnan(new).tolist()
    assert new[np.isfinite(new)] == pytest.approx(independent(values))


def test_of_too_few_or_of_no_scatter_nothing_is_taken():
    few = remembering(0.9)[:19]
    assert independent(few).tolist() == few.tolist()
    assert independent(np.ones(50)).tolist() == [1.0] * 50
    assert independent(np.array([])).size == 0
    # More than half of the residuals zero: scatter enough, and no size to cap by.
    coarse = np.where(np.arange(60) % 3, 0.0, 1.0)
    assert np.isfinite(independent(coarse)).all()


@cache
def kinds(memory):
    """Return departures from the first year, residuals and what is new in them, of each series."""
    rule = Rule(parse_limits("2.5SIG"), baseline=Baseline())
    found = []
    for seed in SEEDS:
        made = simulate(SeriesKind(memory=memory, outliers=0), seed)
        first = made.values[made.times < made.times[0] + YEAR]
        judged = score_series(made.times, made.values, rule, range(made.times.size), cuts=made.cuts)
        residuals = judged.residuals(made.values)
        naive = (made.values - first.mean()) / first.std(ddof=1)
        found.append((naive, residuals, independent(residuals)))
    return found


def share(residuals, rule):
    """Return the share of values that lie within a signal."""
    within = np.zeros(residuals.size, dtype=bool)
    for signal in signals(residuals, [rule]):
        within[signal.first : signal.last + 1] = True
    return within[np.isfinite(residuals)].mean()


@pytest.mark.parametrize("row", table("signals by chance"))
def test_run_rules_signal_as_often_as_documented(row):
    rule = row["rule"]
    found = [np.mean([share(one[kind], rule) for one in kinds(0.88)]) for kind in range(3)]
    found.append(np.mean([share(one[1], rule) for one in kinds(0.0)]))
    names = ("from the first year", "residuals", "independent", "by chance")
    printed = [float(row[name].removesuffix("%")) / 100 for name in names]
    assert found == pytest.approx(printed, abs=0.02, rel=0.1)
