"""The scores of a whole series at once, the same to the last bit as `scoring` gives one by one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .baseline import Baseline, BaselineKind
from .expectation import expect, repeats
from .judgements import NONE, Codes, Judgements, code
from .limits import Method, MethodKind
from .populations import (
    Flags,
    Places,
    Populations,
    Windows,
    describe_windows,
    last_cut,
    unknown,
)
from .scoring import ON_THE_LINE, Average, GreyReason, Rule, ScoreResult, window_days
from .statistics import Values

_Limits: TypeAlias = tuple[Codes, Values, Values]


def score_series(
    times: Values,
    values: Values,
    rule: Rule | None,
    which: Sequence[int] | NDArray[np.integer],
    *,
    excluded: Sequence[bool] | Flags | None = None,
    cuts: Sequence[float] = (),
) -> Judgements:
    """Judge values of one series by those before them.

    Parameters
    ----------
    times, values
        MJD and value of the rows that stand, by ascending MJD; NaN is missing. Of rows of one MJD
        each counts for the others, whatever their order.
    rule
        The rule; None if the setup has none.
    which
        Places of the values to judge. Each is judged as if it were alone.
    excluded
        Values that a person has taken out of the statistics; they are judged like any other.
    cuts
        MJDs of quality events from which on earlier values say nothing; no window reaches over one.

    Examples
    --------
    >>> from .limits import parse_limits
    >>> times, values = np.arange(57080.0, 57087.0), np.array([1.0, 2, 3, 4, 5, 12, 3])
    >>> found = score_series(times, values, Rule(parse_limits("3SIG")), range(7))
    >>> found.result.tolist()
    [-1, -1, -1, -1, -1, 1, 0]
    >>> found[5].n, found[0].reason.words
    (5, 'too few points')
    """
    at, measured = np.asarray(times, dtype=float), np.asarray(values, dtype=float)
    places = np.asarray(which, dtype=np.intp)
    if rule is None:
        return Judgements.grey(places.size, GreyReason.NO_RULE)
    known = np.isfinite(measured)
    for sentinel in rule.sentinels:
        known &= measured != sentinel
    counted = known if excluded is None else known & ~np.asarray(excluded, dtype=bool)
    kept = np.flatnonzero(counted)
    kept = kept[np.lexsort((measured[kept], at[kept]))]
    if rule.baseline is not None:
        return _judge_by_baseline(at, measured, known, kept, rule, rule.baseline, places, cuts)
    windows = _windows(at, kept, rule, places, cuts)
    populations = describe_windows(measured[kept], windows, rule.clip, **_wanted(rule))
    return judge(measured[places], known[places], rule, populations)


def _windows(
    at: Values, kept: Places, rule: Rule, places: Places, cuts: Sequence[float]
) -> Windows:
    """Return which of the points, `kept` of the series in the order of time, judge each value."""
    point_times, mjd = at[kept], at[places]
    begin = np.maximum(mjd - window_days(rule), last_cut(mjd, cuts))
    start = np.searchsorted(point_times, begin, side="left")
    stop = np.searchsorted(point_times, mjd, side="right")
    place_of = np.full(at.size, NONE, dtype=np.intp)
    place_of[kept] = np.arange(kept.size)
    own = place_of[places]
    if rule.window_points is not None:
        newest = stop - rule.window_points
        # The value's own point, if it is among them, makes room for one more.
        start = np.maximum(start, np.where(own >= newest, newest - 1, newest))
    return Windows(start, stop, own)


def _judge_by_baseline(
    at: Values,
    measured: Values,
    known: Flags,
    kept: Places,
    rule: Rule,
    baseline: Baseline,
    places: Places,
    cuts: Sequence[float],
) -> Judgements:
    """Judge values by what the series is expected to be at their time."""
    ordered = np.flatnonzero(known)
    ordered = ordered[np.lexsort((measured[ordered], at[ordered]))]
    repeated = np.zeros(at.size, dtype=bool)
    if baseline.drop_repeats:
        repeated[ordered] = repeats(measured[ordered])
    kept = kept[~repeated[kept]]
    is_rolling = baseline.kind is BaselineKind.ROLLING
    expected = expect(
        at[kept],
        measured[kept],
        at[places],
        baseline,
        window_days=window_days(rule) if is_rolling else rule.window_days,
        window_points=rule.window_points,
        clip=rule.clip,
        cuts=cuts,
    )
    found = judge(measured[places], known[places], rule, expected.populations)
    # A new level is followed, so that it is not red for ever; but it is not followed in silence.
    follows = (found.result == ScoreResult.OK) & np.isfinite(expected.since)
    return replace(
        found,
        warning=found.warning | follows,
        since=expected.since,
        repeated=repeated[places],
    )


def _wanted(rule: Rule) -> dict[str, bool]:
    """Say which statistics a rule needs; the others are not computed."""
    methods = [method for method in (rule.method, rule.fallback, rule.warning) if method]
    robust = any(method.kind is MethodKind.MAD for method in methods)
    plain = any(method.kind is not MethodKind.MAD for method in methods)
    return {"robust": robust, "plain": plain}


def judge(values: Values, known: Flags, rule: Rule, found: Populations) -> Judgements:
    """Judge values by the statistics of their windows; `known` tells which were measured."""
    reason, lower, upper = _limits(rule.method, rule, found)
    used_fallback = np.zeros(values.size, dtype=bool)
    if rule.fallback is not None and rule.method.is_statistical:
        instead, low, high = _limits(rule.fallback, rule, found)
        used_fallback = (reason != NONE) & (instead == NONE)
        reason = np.where(used_fallback, instead, reason)
        lower, upper = np.where(used_fallback, low, lower), np.where(used_fallback, high, upper)
    if rule.method.kind is not MethodKind.NONE:
        reason = np.where(known, reason, code(GreyReason.MISSING)).astype(np.int8)
    judged = reason == NONE
    result = np.full(values.size, NONE, dtype=np.int8)
    result[judged] = ScoreResult.OK
    result[judged & outside(values, lower, upper)] = ScoreResult.NOK
    return Judgements(
        result=result,
        reason=reason,
        lower=lower,
        upper=upper,
        average=_average(rule.method, rule, found),
        sigma=_sigma(rule.method, found),
        n=found.n,
        used_fallback=used_fallback,
        warning=(result == ScoreResult.OK) & _warns(values, rule, found),
        since=unknown(values.size),
        repeated=np.zeros(values.size, dtype=bool),
    )


def outside(values: Values, lower: Values, upper: Values) -> Flags:
    """Tell values beyond closed limits, as `scoring.is_outside` does; NaN is no limit."""
    too_low = (values < lower) & ~_is_on(values, lower)
    too_high = (values > upper) & ~_is_on(values, upper)
    result: Flags = too_low | too_high
    return result


def _is_on(values: Values, limits: Values) -> Flags:
    # As math.isclose: within the tolerance of either.
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.maximum(np.abs(values), np.abs(limits))
        near = np.asarray(np.abs(values - limits) <= ON_THE_LINE * size, dtype=np.bool_)
    return near


def _warns(values: Values, rule: Rule, found: Populations) -> Flags:
    if rule.warning is None:
        return np.zeros(values.size, dtype=bool)
    reason, lower, upper = _limits(rule.warning, rule, found)
    warns: Flags = (reason == NONE) & outside(values, lower, upper)
    return warns


def _limits(method: Method, rule: Rule, found: Populations) -> _Limits:
    """Return the reason why there are no limits, and the limits; one of the two for each value."""
    size = found.n.size
    if method.kind is MethodKind.NONE:
        reason = np.full(size, code(GreyReason.NOT_IMPLEMENTED), dtype=np.int8)
        return reason, unknown(size), unknown(size)
    if method.kind is MethodKind.VAL:
        return (
            np.full(size, NONE, dtype=np.int8),
            _bound(size, method.low),
            _bound(size, method.high),
        )
    average = _average(method, rule, found)
    with np.errstate(over="ignore", invalid="ignore"):
        half_width = _half_width(method, average, found)
        if rule.baseline is not None:
            half_width = np.maximum(half_width, rule.baseline.min_effect)
        lower, upper = average - half_width, average + half_width
    few = (found.n < rule.min_n) | (np.isfinite(average) & np.isnan(half_width))
    undefined = ~(np.isfinite(lower) & np.isfinite(upper))
    reason = np.where(undefined, code(GreyReason.AVERAGE_UNDEFINED), NONE)
    reason = np.where(few, code(GreyReason.TOO_FEW_POINTS), reason).astype(np.int8)
    is_known = reason == NONE
    return reason, np.where(is_known, lower, np.nan), np.where(is_known, upper, np.nan)


def _bound(size: int, limit: float | None) -> Values:
    return np.full(size, np.nan if limit is None else limit)


def _half_width(method: Method, average: Values, found: Populations) -> Values:
    amount = method.amount or 0.0
    if method.kind is MethodKind.PCT:
        width: Values = np.abs(average) * amount / 100
        return width
    if method.kind is MethodKind.OFF:
        return np.full(average.size, amount)
    return amount * _sigma(method, found)


def _average(method: Method, rule: Rule, found: Populations) -> Values:
    follows = rule.baseline is not None
    if follows or method.kind is MethodKind.MAD or rule.average is Average.MEDIAN:
        return found.median
    return found.mean if rule.average is Average.MEAN else unknown(found.n.size)


def _sigma(method: Method, found: Populations) -> Values:
    return found.mad_sigma if method.kind is MethodKind.MAD else found.sigma
