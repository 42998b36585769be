"""The score of one value: OK, NOK or grey with a reason.

Grey is a result of its own. Nothing without data is ever OK.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .baseline import Baseline
from .limits import LimitsError, Method, MethodKind
from .run_rules import parse_run_rule
from .statistics import Statistics, Values, describe

DEFAULT_WINDOW_DAYS = 90.0
DEFAULT_MIN_N = 5
# Written by instruments and pipelines for "not measured".
DEFAULT_SENTINELS = (-999.0,)
# A computed limit is rounded; 219.33 - 5 % must not put 208.3635 outside its own line.
ON_THE_LINE = 1e-12


class ScoreResult(IntEnum):
    """The verdict on a value that could be judged. OK is 0: compare by name, never by truth."""

    OK = 0
    NOK = 1


class GreyReason(StrEnum):
    """Why something has no score."""

    MISSING = "missing"
    NO_RULE = "no_rule"
    NOT_IMPLEMENTED = "not_implemented"
    TOO_FEW_POINTS = "too_few_points"
    AVERAGE_UNDEFINED = "average_undefined"
    NO_CURRENT_DATA = "no_current_data"
    MULTIPLE_DATASETS = "multiple_datasets"
    REMOVED = "removed"

    @property
    def words(self) -> str:
        """The reason as shown to people."""
        return _WORDS[self]


_WORDS = {
    GreyReason.MISSING: "value missing",
    GreyReason.NO_RULE: "not scored: no rule for this setup",
    GreyReason.NOT_IMPLEMENTED: "not implemented",
    GreyReason.TOO_FEW_POINTS: "too few points",
    GreyReason.AVERAGE_UNDEFINED: "average undefined",
    GreyReason.NO_CURRENT_DATA: "no current data",
    GreyReason.MULTIPLE_DATASETS: "multiple datasets, cannot be scored",
    GreyReason.REMOVED: "score removed by a person",
}


class Average(StrEnum):
    """Which average limits are laid around and plots are drawn with."""

    MEAN = "MEAN"
    MEDIAN = "MEDIAN"
    NONE = "none"
    REFERENCE = "REFERENCE"
    """The value agreed on for the epoch: see `references`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How values of one series are judged.

    Parameters
    ----------
    method
        How limits are found.
    average
        Around what. MAD always takes the median.
    window_days
        How far back earlier values count, in days; None with `window_points` is no limit in time,
        None without is 90 days.
    window_points
        How many earlier values count at most, the newest; None is no limit.
    min_n
        From how many values on statistical limits are trusted.
    fallback
        Limits to use while they are not; None leaves the value grey.
    clip
        Leave earlier values out that lie farther than this from their median, in robust sigma;
        None keeps all.
    warning
        Tighter limits beyond which an OK value is marked; None for none.
    sentinels
        Numbers that stand for a missing value.
    baseline
        How the expected value at each instant is found that limits are laid around, in the place of
        one average; None is one average. Fixed limits stay where they are.
    run_rules
        Which patterns of values are looked for, such as ``WE1`` or ``CUSUM(k=0.5,h=5)``.
    """

    method: Method
    average: Average = Average.MEDIAN
    window_days: float | None = None
    window_points: int | None = None
    min_n: int = DEFAULT_MIN_N
    fallback: Method | None = None
    clip: float | None = None
    warning: Method | None = None
    sentinels: tuple[float, ...] = DEFAULT_SENTINELS
    baseline: Baseline | None = None
    run_rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.min_n < 1 or (self.window_points is not None and self.window_points < 1):
            raise LimitsError("min_n and window_points must be at least 1")
        if self.window_days is not None and not self.window_days > 0:
            raise LimitsError("window_days must be above zero")
        if self.clip is not None and not self.clip > 0:
            raise LimitsError("clip must be above zero")
        for name in self.run_rules:
            parse_run_rule(name)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with everything it rests on, so that it can be stored and shown as it was.

    Attributes
    ----------
    result
        OK or NOK; None is grey.
    reason
        Why it is grey; None if it is not.
    lower, upper
        The limits used, in the unit of the parameter; None is no limit on that side.
    average, sigma
        Of the earlier values; None is not known. `sigma` is the robust one for MAD.
    n
        How many earlier values the statistics are of.
    used_fallback
        Whether the limits are those for want of statistics.
    warning
        Whether an OK value lies outside the warning limits, or at a new level nobody declared.
    since
        MJD from which on the limits follow a new level without a declared event; None if they do
        not.
    repeated
        Whether the value repeats the one before to the last digit, and so counts as carried over.
    """

    result: ScoreResult | None
    reason: GreyReason | None = None
    lower: float | None = None
    upper: float | None = None
    average: float | None = None
    sigma: float | None = None
    n: int = 0
    used_fallback: bool = False
    warning: bool = False
    since: float | None = None
    repeated: bool = False


def score(
    value: float | None, rule: Rule | None, population: Sequence[float | None] | Values = ()
) -> Judgement:
    """Judge one value.

    Parameters
    ----------
    value
        The value; None, NaN, an infinity or a sentinel of the rule is missing.
    rule
        The rule; None if the setup has none.
    population
        The earlier values statistics are taken of, as `window` selects them.

    Raises
    ------
    LimitsError
        If the rule has a baseline: what is expected depends on times, which `score_series` knows.

    Examples
    --------
    >>> from .limits import parse_limits
    >>> score(6.0, Rule(parse_limits("VAL -6,6"))).result
    <ScoreResult.OK: 0>
    >>> judgement = score(205.0, Rule(parse_limits("5%")), [219.33] * 5)
    >>> judgement.result, round(judgement.lower, 4), round(judgement.upper, 4)
    (<ScoreResult.NOK: 1>, 208.3635, 230.2965)
    >>> score(float("nan"), Rule(parse_limits("VAL -6,6"))).reason.words
    'value missing'
    """
    if rule is None:
        return Judgement(None, GreyReason.NO_RULE)
    if rule.baseline is not None:
        raise LimitsError("a rule with a baseline judges series, not single values")
    statistics = describe(population, rule.clip, rule.sentinels)
    evidence = _evidence(rule, statistics)
    if evidence.reason is GreyReason.NOT_IMPLEMENTED:
        return evidence
    if value is None or is_missing(value, rule.sentinels):
        return replace(evidence, reason=GreyReason.MISSING)
    if evidence.reason is not None:
        return evidence
    if is_outside(value, evidence.lower, evidence.upper):
        return replace(evidence, result=ScoreResult.NOK)
    return replace(evidence, result=ScoreResult.OK, warning=_warns(value, rule, statistics))


def is_missing(value: float | None, sentinels: Sequence[float] = DEFAULT_SENTINELS) -> bool:
    """Tell a value that was not measured."""
    return value is None or not math.isfinite(value) or value in sentinels


def is_outside(value: float, lower: float | None, upper: float | None) -> bool:
    """Tell a value beyond closed limits; on the line is inside, None is no limit.

    Examples
    --------
    >>> is_outside(6.0, -6.0, 6.0), is_outside(6.01, -6.0, 6.0), is_outside(-999.9, None, 6.0)
    (False, True, False)
    """
    return (lower is not None and value < lower and not _is_on(value, lower)) or (
        upper is not None and value > upper and not _is_on(value, upper)
    )


def _is_on(value: float, limit: float) -> bool:
    return math.isclose(value, limit, rel_tol=ON_THE_LINE)


def _evidence(rule: Rule, statistics: Statistics) -> Judgement:
    """Return what a verdict will rest on: limits, or the reason why there are none."""
    found = _limits(rule.method, rule, statistics)
    used_fallback = False
    if isinstance(found, GreyReason) and rule.fallback is not None:
        instead = _limits(rule.fallback, rule, statistics)
        if not isinstance(instead, GreyReason) and rule.method.is_statistical:
            found, used_fallback = instead, True
    reason, (lower, upper) = (found, _NO_LIMITS) if isinstance(found, GreyReason) else (None, found)
    average = _average(rule.method, rule, statistics)
    sigma = _sigma(rule.method, statistics)
    return Judgement(None, reason, lower, upper, average, sigma, statistics.n, used_fallback)


_Limits: TypeAlias = tuple[float | None, float | None]
_NO_LIMITS: _Limits = (None, None)


def _limits(method: Method, rule: Rule, statistics: Statistics) -> _Limits | GreyReason:
    if method.kind is MethodKind.NONE:
        return GreyReason.NOT_IMPLEMENTED
    if method.kind is MethodKind.VAL:
        return method.low, method.high
    if statistics.n < rule.min_n:
        return GreyReason.TOO_FEW_POINTS
    average = _average(method, rule, statistics)
    if average is None:
        return GreyReason.AVERAGE_UNDEFINED
    half_width = _half_width(method, average, statistics)
    if half_width is None:
        return GreyReason.TOO_FEW_POINTS
    lower, upper = average - half_width, average + half_width
    # Numbers beyond the range of floats; limits at infinity would let everything pass.
    is_known = math.isfinite(lower) and math.isfinite(upper)
    return (lower, upper) if is_known else GreyReason.AVERAGE_UNDEFINED


def _half_width(method: Method, average: float, statistics: Statistics) -> float | None:
    """Return the distance from the average to either limit, None without scatter to measure."""
    amount = method.amount or 0.0
    if method.kind is MethodKind.PCT:
        return abs(average) * amount / 100
    if method.kind is MethodKind.OFF:
        return amount
    sigma = _sigma(method, statistics)
    return None if sigma is None else amount * sigma


def _average(method: Method, rule: Rule, statistics: Statistics) -> float | None:
    if method.kind is MethodKind.MAD or rule.average is Average.MEDIAN:
        return statistics.median
    return statistics.mean if rule.average is Average.MEAN else None


def _sigma(method: Method, statistics: Statistics) -> float | None:
    return statistics.mad_sigma if method.kind is MethodKind.MAD else statistics.sigma


def _warns(value: float, rule: Rule, statistics: Statistics) -> bool:
    found = GreyReason.NO_RULE if rule.warning is None else _limits(rule.warning, rule, statistics)
    return not isinstance(found, GreyReason) and is_outside(value, *found)


def window(
    times: Sequence[float] | Values,
    values: Sequence[float | None] | Values,
    mjd: float,
    rule: Rule,
    own: int | None = None,
    *,
    excluded: Sequence[bool] | NDArray[np.bool_] | None = None,
    cuts: Sequence[float] = (),
) -> Values:
    """Select the earlier values that a value is judged by.

    Parameters
    ----------
    times
        MJD of the rows of the series, in any order.
    values
        Their values; None and NaN are missing, and do not count as points.
    mjd
        MJD of the row to be judged.
    rule
        Says how far back: all of ``[mjd - window_days, mjd]``, and the newest `window_points` of it.
    own
        Index of the row to be judged. None takes every row of exactly `mjd` for it: a series has
        one row an exposure, a second one is an earlier version of the same.
    excluded
        Rows that a person has taken out of the statistics.
    cuts
        MJDs from which on earlier values say nothing: the newest one not after `mjd` ends the window.

    Returns
    -------
    array
        The values, oldest first.

    Examples
    --------
    >>> from .limits import parse_limits
    >>> rule = Rule(parse_limits("3SIG"), window_days=10)
    >>> window([57070.0, 57069.9, 57079.0, 57080.0], [1.0, 2.0, 3.0, 4.0], 57080.0, rule).tolist()
    [1.0, 3.0]
    """
    at = np.asarray(times, dtype=float)
    measured = np.asarray(values, dtype=float)
    is_own = at == mjd if own is None else np.arange(at.size) == own
    is_known = np.isfinite(measured) & ~np.isin(measured, rule.sentinels)
    if excluded is not None:
        is_known &= ~np.asarray(excluded, dtype=bool)
    begin = max([mjd - window_days(rule), *(cut for cut in cuts if cut <= mjd)])
    wanted = is_known & ~is_own & (at <= mjd) & (at >= begin)
    # Values of one instant in order of size, so that the choice does not hang on their place.
    order = np.lexsort((measured[wanted], at[wanted]))
    selected: Values = measured[wanted][order]
    return selected if rule.window_points is None else selected[-rule.window_points :]


def window_days(rule: Rule) -> float:
    """Return how far back a rule's window reaches, in days; infinite without a limit in time."""
    if rule.window_days is not None:
        return rule.window_days
    return DEFAULT_WINDOW_DAYS if rule.window_points is None else math.inf
