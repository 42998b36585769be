"""Rules that change with time: each value is judged by the one in force at its instant."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .batch import score_series
from .judgements import Judgements
from .limits import LimitsError
from .populations import Flags
from .scoring import GreyReason, Rule
from .statistics import Values


@dataclass(frozen=True, slots=True)
class DatedRule:
    """A rule with the time it is for: from `valid_from` up to, not including, `valid_until`.

    Attributes
    ----------
    rule
        The rule.
    valid_from, valid_until
        MJD; None is for ever.
    """

    rule: Rule
    valid_from: float
    valid_until: float | None = None

    def __post_init__(self) -> None:
        if self.valid_until is not None and not self.valid_until > self.valid_from:
            raise LimitsError("valid_until must be after valid_from")

    def covers(self, mjd: Values) -> Flags:
        """Tell the instants at which the rule is in force."""
        until = np.inf if self.valid_until is None else self.valid_until
        covered: Flags = (mjd >= self.valid_from) & (mjd < until)
        return covered


def score_dated(
    times: Values,
    values: Values,
    rules: Sequence[DatedRule],
    which: Sequence[int] | NDArray[np.integer],
    *,
    excluded: Sequence[bool] | Flags | None = None,
    cuts: Sequence[float] = (),
) -> Judgements:
    """Judge values of a series, each by the first of the rules that is in force at its time.

    A value that none covers is grey: no rule. Parameters otherwise as for `batch.score_series`.

    Examples
    --------
    >>> from .limits import parse_limits
    >>> rules = [DatedRule(Rule(parse_limits("VAL 0,1")), 0, 10),
    ...          DatedRule(Rule(parse_limits("VAL 0,5")), 10)]
    >>> score_dated(np.array([-1.0, 9.9, 10.0]), np.full(3, 3.0), rules, range(3)).result.tolist()
    [-1, 1, 0]
    """
    places = np.asarray(which, dtype=np.intp)
    mjd = np.asarray(times, dtype=float)[places]
    left = np.ones(places.size, dtype=bool)
    parts, order = [], []
    for dated in rules:
        own = np.flatnonzero(left & dated.covers(mjd))
        if own.size:
            left[own] = False
            order.append(own)
            parts.append(
                score_series(times, values, dated.rule, places[own], excluded=excluded, cuts=cuts)
            )
    order.append(np.flatnonzero(left))
    parts.append(Judgements.grey(int(left.sum()), GreyReason.NO_RULE))
    return Judgements.joined(parts).take(np.argsort(np.concatenate(order)))
