"""Does a rule make sense? Findings on rules that judge wrongly, or nothing, without anybody noticing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .judgements import NONE, REASONS, Judgements
from .limits import print_number
from .populations import last_cut
from .scoring import Rule, ScoreResult, is_outside, window_days
from .statistics import MAD_TO_SIGMA, Values

# From so many values on, silence or constant alarm says something about the rule.
ENOUGH_SILENT = 200
ENOUGH = 20
ALWAYS = 0.5
# Two levels are two modes if they lie so many sigma of theirs apart,
MODES_APART = 5.0
# with at least this share of the values at either, hardly any between them,
MODE_SHARE = 0.1
BETWEEN_SHARE = 0.05
# and the series goes to and fro between them as often; a step goes once.
MODE_SWITCHES = 6


class FindingKind(StrEnum):
    """What is odd about a rule, or about the series it is for."""

    MEDIAN_OUTSIDE = "median_outside"
    NEVER_FIRED = "never_fired"
    ALWAYS_FIRES = "always_fires"
    NEVER_JUDGED = "never_judged"
    OVER_DEFINITION_CHANGE = "over_definition_change"
    MIXED_MODES = "mixed_modes"
    PLOT_WITHOUT_RULE = "plot_without_rule"
    RULE_WITHOUT_DATA = "rule_without_data"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd.

    Attributes
    ----------
    kind
        What.
    words
        What, for people, with its numbers.
    n
        How many values it concerns.
    """

    kind: FindingKind
    words: str
    n: int = 0


def check_judgements(values: Values, judgements: Judgements) -> list[Finding]:
    """Look at what a rule said of the newest values of a series.

    Parameters
    ----------
    values
        The values judged, by time; NaN is missing.
    judgements
        What was said of them.

    Examples
    --------
    >>> from .batch import score_series
    >>> from .limits import parse_limits
    >>> values = np.linspace(219.0, 220.0, 50)
    >>> found = score_series(np.arange(50.0), values, Rule(parse_limits("VAL 180,210")), range(50))
    >>> [finding.words for finding in check_judgements(values, found)]
    ['the median 219.5 lies outside the limits 180 to 210', 'fires at 50 of 50 values']
    """
    judged = judgements.result != NONE
    n, n_red = int(judged.sum()), int((judgements.result == ScoreResult.NOK).sum())
    if n == 0:
        return _never_judged(judgements)
    found = _median_outside(values, judgements, judged)
    if n >= ENOUGH and n_red >= ALWAYS * n:
        found.append(Finding(FindingKind.ALWAYS_FIRES, f"fires at {n_red} of {n} values", n_red))
    if n >= ENOUGH_SILENT and n_red == 0:
        nearest = _nearest(values, judgements)
        words = f"never fired in {n} values"
        if nearest is not None:
            words += f"; the nearest went {nearest:.0%} of the way to a limit"
        found.append(Finding(FindingKind.NEVER_FIRED, words, n))
    return found


def _never_judged(judgements: Judgements) -> list[Finding]:
    if len(judgements) < ENOUGH:
        return []
    reason, n = Counter(judgements.reason.tolist()).most_common(1)[0]
    words = f"none of {len(judgements)} values has a score; {n} times: {REASONS[reason].words}"
    return [Finding(FindingKind.NEVER_JUDGED, words, len(judgements))]


def _median_outside(values: Values, judgements: Judgements, judged: Values) -> list[Finding]:
    newest = judgements[int(np.flatnonzero(judged)[-1])]
    middle = float(np.median(values[judged]))
    if not is_outside(middle, newest.lower, newest.upper):
        return []
    limits = f"{_short(newest.lower)} to {_short(newest.upper)}"
    words = f"the median {_short(middle)} lies outside the limits {limits}"
    return [Finding(FindingKind.MEDIAN_OUTSIDE, words, int(judged.sum()))]


def _short(number: float | None) -> str:
    return "no limit" if number is None else print_number(float(f"{number:.6g}"))


def _nearest(values: Values, judgements: Judgements) -> float | None:
    """Return how far the nearest value went towards a limit: 0 at the expected value, 1 at the line."""
    with np.errstate(invalid="ignore", divide="ignore"):
        off = values - judgements.average
        up, down = judgements.upper - judgements.average, judgements.lower - judgements.average
        shares = np.concatenate([(off / up)[up > 0], (off / down)[down < 0]])
    shares = shares[np.isfinite(shares)]
    return float(max(shares.max(), 0.0)) if shares.size else None


def over_definition_changes(
    times: Values, rule: Rule, changes: Sequence[float], cuts: Sequence[float] = ()
) -> Finding | None:
    """Tell statistics taken over a change of what the parameter means, such as a new pipeline.

    Parameters
    ----------
    times
        MJD of the values of the series, by time.
    rule
        The rule they are judged by.
    changes
        MJDs from which on the parameter means something else.
    cuts
        MJDs at which windows end already.

    Examples
    --------
    >>> from .limits import parse_limits
    >>> rule = Rule(parse_limits("3SIG"), window_days=10)
    >>> over_definition_changes(np.arange(57000.0, 57100.0), rule, [57050.0]).words
    'statistics of 10 values reach over the change of MJD 57050'
    >>> over_definition_changes(np.arange(57000.0, 57100.0), rule, [57050.0], cuts=[57050.0])
    """
    methods = (rule.method, rule.fallback, rule.warning)
    if not any(method is not None and method.is_statistical for method in methods):
        return None
    at = np.asarray(times, dtype=float)
    begin = np.maximum(at - window_days(rule), last_cut(at, cuts))
    first = np.searchsorted(at, begin, side="left")
    counts: dict[float, int] = {}
    for change in sorted(changes):
        # Reaches over it: some point of the window lies before, the value itself does not.
        oldest = at[np.minimum(first, at.size - 1)] if at.size else at
        counts[change] = int(((at >= change) & (oldest < change)).sum())
    n = sum(counts.values())
    if n == 0:
        return None
    where = ", ".join(_short(change) for change, count in counts.items() if count)
    plural = "s" if sum(count > 0 for count in counts.values()) > 1 else ""
    words = f"statistics of {n} values reach over the change{plural} of MJD {where}"
    return Finding(FindingKind.OVER_DEFINITION_CHANGE, words, n)


def mixed_modes(values: Values) -> Finding | None:
    """Tell a series that goes to and fro between two levels, as two read-out modes in one.

    The values are cut in two where both parts scatter least. They are two modes if their medians lie
    five robust sigma of theirs apart, each has a tenth of the values, hardly any lies between, and the
    series changes sides at least six times: a step does so once, a few outliers are too few.

    Parameters
    ----------
    values
        By time; NaN is missing.

    Examples
    --------
    >>> values = np.tile([200.0, 200.4, 199.8, 340.2, 339.6], 20) + np.arange(100) * 0.001
    >>> mixed_modes(values).words
    'two levels in one series: 60 values near 200.048 and 40 near 339.951'
    """
    known = values[np.isfinite(values)]
    if known.size < ENOUGH:
        return None
    is_high = known > _best_cut(known)
    low, high = known[~is_high], known[is_high]
    if min(low.size, high.size) < MODE_SHARE * known.size:
        return None
    centres = float(np.median(low)), float(np.median(high))
    apart = centres[1] - centres[0]
    scatter = max(_robust(low, centres[0]), _robust(high, centres[1]), _step(known))
    third = apart / 3
    between = (known > centres[0] + third) & (known < centres[1] - third)
    switches = int((np.diff(is_high.astype(np.int8)) != 0).sum())
    is_mixed = (
        apart > MODES_APART * scatter
        and between.mean() <= BETWEEN_SHARE
        and switches >= MODE_SWITCHES
    )
    if not is_mixed:
        return None
    words = (
        f"two levels in one series: {low.size} values near {_short(centres[0])} "
        f"and {high.size} near {_short(centres[1])}"
    )
    return Finding(FindingKind.MIXED_MODES, words, min(low.size, high.size))


def _step(values: Values) -> float:
    """Return 1 for counts: two that follow each other are no two levels."""
    return 1.0 if np.array_equal(values, np.round(values)) else 0.0


def _robust(values: Values, centre: float) -> float:
    return MAD_TO_SIGMA * float(np.median(np.abs(values - centre)))


def _best_cut(values: Values) -> float:
    """Return the value up to which the lower part reaches, so that both parts scatter least.

    Neither part may be too small for a mode, and what lies far out pulls no harder than the rest.
    """
    ordered = np.sort(np.clip(values, *np.quantile(values, [0.05, 0.95])))
    n = np.arange(1, ordered.size)
    total = np.cumsum(ordered - ordered[0])
    # The scatter within the parts is least where that between their means is largest.
    between = (total[:-1] - n * total[-1] / ordered.size) ** 2 / (n * (ordered.size - n))
    between[np.minimum(n, ordered.size - n) < MODE_SHARE * ordered.size] = -1
    return float(ordered[int(np.argmax(between))])
