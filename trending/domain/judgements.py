"""The verdicts on many values of a series, column by column."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .populations import Flags, Places, unknown
from .scoring import GreyReason, Judgement, ScoreResult
from .statistics import Values

Codes = NDArray[np.int8]
REASONS = tuple(GreyReason)
NONE = -1


def code(reason: GreyReason) -> int:
    """Return the number of a reason in `Judgements.reason`."""
    return REASONS.index(reason)


@dataclass(frozen=True, slots=True, eq=False)
class Judgements:
    """`scoring.Judgement` of many values; one item of every array for each.

    Attributes
    ----------
    result
        0 is OK, 1 is NOK, -1 is grey.
    reason
        Place of the reason in `REASONS`, -1 where the value is not grey.
    lower, upper, average, sigma
        NaN where the judgement has None.
    n
        How many earlier values the statistics are of.
    used_fallback, warning, repeated
        As in the judgement.
    since
        NaN where the judgement has None.

    Examples
    --------
    >>> nothing = Judgements.grey(2, GreyReason.NO_RULE)
    >>> len(nothing), nothing[1].reason.words
    (2, 'not scored: no rule for this setup')
    """

    result: Codes
    reason: Codes
    lower: Values
    upper: Values
    average: Values
    sigma: Values
    n: Places
    used_fallback: Flags
    warning: Flags
    since: Values
    repeated: Flags

    @classmethod
    def grey(cls, size: int, reason: GreyReason) -> "Judgements":
        """Return as many grey judgements without any evidence."""
        return cls(
            result=np.full(size, NONE, dtype=np.int8),
            reason=np.full(size, code(reason), dtype=np.int8),
            lower=unknown(size),
            upper=unknown(size),
            average=unknown(size),
            sigma=unknown(size),
            n=np.zeros(size, dtype=np.intp),
            used_fallback=np.zeros(size, dtype=bool),
            warning=np.zeros(size, dtype=bool),
            since=unknown(size),
            repeated=np.zeros(size, dtype=bool),
        )

    @classmethod
    def joined(cls, parts: Sequence["Judgements"]) -> "Judgements":
        """Return the judgements of several lots, one after the other."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})

    def take(self, places: Sequence[int] | NDArray[np.integer]) -> "Judgements":
        """Return some of the judgements, in the order asked for."""
        order = np.asarray(places, dtype=np.intp)
        return Judgements(
            **{field.name: getattr(self, field.name)[order] for field in fields(self)}
        )

    def residuals(self, values: Values) -> Values:
        """Return how far the values judged lie from what was expected, in sigma.

        NaN where nothing was expected, where there is no scatter to measure by, and where the value
        is missing or a copy of the one before.
        """
        known = np.isfinite(values) & (self.reason != code(GreyReason.MISSING)) & ~self.repeated
        known &= self.sigma > 0
        off = unknown(len(self))
        off[known] = (values[known] - self.average[known]) / self.sigma[known]
        return off

    def __len__(self) -> int:
        return int(self.result.size)

    def __getitem__(self, place: int) -> Judgement:
        return Judgement(
            result=None if self.result[place] == NONE else ScoreResult(int(self.result[place])),
            reason=None if self.reason[place] == NONE else REASONS[self.reason[place]],
            lower=_number(self.lower[place]),
            upper=_number(self.upper[place]),
            average=_number(self.average[place]),
            sigma=_number(self.sigma[place]),
            n=int(self.n[place]),
            used_fallback=bool(self.used_fallback[place]),
            warning=bool(self.warning[place]),
            since=_number(self.since[place]),
            repeated=bool(self.repeated[place]),
        )


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
