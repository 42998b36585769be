"""What would another rule have said? Two sets of judgements of the same values, compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .judgements import NONE, Judgements
from .populations import Flags, Places
from .scoring import ScoreResult
from .statistics import Values

# False alarms that people put up with, as a share of the values judged.
BUDGET = 0.02


@dataclass(frozen=True, slots=True)
class Alarms:
    """How often a rule is red, and how often for nothing. Add them up over series.

    Attributes
    ----------
    n_judged, n_red
        Values with a result, and NOK ones among them; those known to be bad are left out.
    n_bad, n_found
        Values known to be bad that have a result, and NOK ones among them.

    Examples
    --------
    >>> both = Alarms(100, 1) + Alarms(100, 4)
    >>> both.rate, both.within(0.02), Alarms().within(0.02)
    (0.025, False, None)
    """

    n_judged: int = 0
    n_red: int = 0
    n_bad: int = 0
    n_found: int = 0

    def __add__(self, other: "Alarms") -> "Alarms":
        return Alarms(
            self.n_judged + other.n_judged,
            self.n_red + other.n_red,
            self.n_bad + other.n_bad,
            self.n_found + other.n_found,
        )

    @property
    def rate(self) -> float | None:
        """The share of red among values not known to be bad; None if none was judged."""
        return self.n_red / self.n_judged if self.n_judged else None

    def within(self, budget: float) -> bool | None:
        """Whether there are no more false alarms than a share of `budget`; None is not known."""
        return None if self.rate is None else self.rate <= budget


@dataclass(frozen=True, slots=True, eq=False)
class WhatIf:
    """What changes if the new rule were the rule.

    Attributes
    ----------
    turned_red, turned_green, turned_grey
        Places of the values that have this state now and had another one.
    old, new
        The alarms of both rules.
    false_alarm_rate
        Of the new rule: the share of red among the values judged that are not known to be bad.
    is_within_budget
        Whether that is small enough; None if nothing was judged.
    alarms_per_month
        Reds of the new rule on values not known to be bad, for each 30 days of the series.
    missed
        Places of the values known to be bad that the new rule calls OK.
    """

    turned_red: Places
    turned_green: Places
    turned_grey: Places
    old: Alarms
    new: Alarms
    false_alarm_rate: float | None
    is_within_budget: bool | None
    alarms_per_month: float | None
    missed: Places

    @property
    def n_changed(self) -> int:
        """How many values have another state."""
        return self.turned_red.size + self.turned_green.size + self.turned_grey.size


def compare(
    old: Judgements,
    new: Judgements,
    times: Values,
    *,
    known_bad: Sequence[bool] | Flags | None = None,
    budget: float = BUDGET,
) -> WhatIf:
    """Compare what two rules say of the same values.

    Parameters
    ----------
    old, new
        The judgements, value by value.
    times
        MJD of the values.
    known_bad
        Values that people found to be bad: red is right for them. None is none.
    budget
        Which share of false alarms is small enough.

    Raises
    ------
    ValueError
        If the three are not of the same values.

    Examples
    --------
    >>> from .batch import score_series
    >>> from .limits import parse_limits
    >>> from .scoring import Rule
    >>> times = np.arange(4.0)
    >>> old, new = (score_series(times, times, Rule(parse_limits(text)), range(4))
    ...             for text in ("VAL 0,1", "VAL 0,2"))
    >>> found = compare(old, new, times, known_bad=times == 3)
    >>> found.turned_green.tolist(), found.old.n_red, found.new.n_red, found.is_within_budget
    ([2], 1, 0, True)
    """
    if not len(old) == len(new) == np.asarray(times).size:
        raise ValueError("the judgements and times compared are not of the same values")
    bad = np.zeros(len(new), dtype=bool) if known_bad is None else np.asarray(known_bad, dtype=bool)
    changed = old.result != new.result
    alarms = _alarms(new, bad)
    return WhatIf(
        turned_red=np.flatnonzero(changed & (new.result == ScoreResult.NOK)),
        turned_green=np.flatnonzero(changed & (new.result == ScoreResult.OK)),
        turned_grey=np.flatnonzero(changed & (new.result == NONE)),
        old=_alarms(old, bad),
        new=alarms,
        false_alarm_rate=alarms.rate,
        is_within_budget=alarms.within(budget),
        alarms_per_month=_per_month(alarms, times),
        missed=np.flatnonzero(bad & (new.result == ScoreResult.OK)),
    )


def _alarms(judgements: Judgements, bad: Flags) -> Alarms:
    judged, red = judgements.result != NONE, judgements.result == ScoreResult.NOK
    return Alarms(
        n_judged=int((judged & ~bad).sum()),
        n_red=int((red & ~bad).sum()),
        n_bad=int((judged & bad).sum()),
        n_found=int((red & bad).sum()),
    )


def _per_month(alarms: Alarms, times: Values) -> float | None:
    days = float(np.ptp(times)) if len(times) else 0.0
    return 30 * alarms.n_red / days if days > 0 else None
