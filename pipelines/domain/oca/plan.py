"""What OCA cannot say of associations: order of preference, windows in time, and breakpoints.

A rule's `where` decides first; the plan then gives each candidate its place among the alternatives
and a level by its distance in time, 0 inside the calibration plan, higher where the quality
suffers, and leaves out what lies beyond every window or on the other side of an intervention.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .products import made_category
from .tree import Expression


@dataclass(frozen=True, slots=True)
class Window:
    """Distances in days, calibration minus block, ends included, and the level they give."""

    first_days: float
    last_days: float
    level: int

    def holds(self, delta_days: float) -> bool:
        """Whether a distance lies inside.

        >>> Window(-1, 1, 0).holds(1.0), Window(-1, 1, 0).holds(1.01)
        (True, False)
        """
        return self.first_days <= delta_days <= self.last_days


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """An intervention that no association may cross; without categories it holds for all."""

    mjd: float
    reason: str
    categories: frozenset[str] = frozenset()

    def parts(self, category: str, one_mjd: float, other_mjd: float) -> bool:
        """Whether it stands between two times for products of a category.

        >>> exchange = Breakpoint(57080.0, "detector exchanged", frozenset({"MASTER_BIAS"}))
        >>> exchange.parts("MASTER_BIAS", 57079.0, 57081.0)
        True
        >>> exchange.parts("MASTER_BIAS_WKF", 57079.0, 57081.0)
        True
        >>> exchange.parts("MASTER_FLAT", 57079.0, 57081.0)
        False
        """
        # What only this run may make is of the category it will have on disk.
        if self.categories and self.categories.isdisjoint({category, made_category(category)}):
            return False
        return min(one_mjd, other_mjd) < self.mjd <= max(one_mjd, other_mjd)


@dataclass(frozen=True)
class AssociationPlan:
    """The windows of an instrument by action and label, and its breakpoints.

    Attributes
    ----------
    windows
        By ``(action, label)``; an empty action is for all actions. Levels rise.
    breakpoints
        Interventions.
    alternatives
        By ``(action, label)`` as the windows: conditions, the most wanted first. A candidate's place
        is that of the first one it fulfils, behind all of them if it fulfils none.
    """

    windows: Mapping[tuple[str, str], tuple[Window, ...]] = field(default_factory=dict)
    breakpoints: tuple[Breakpoint, ...] = ()
    alternatives: Mapping[tuple[str, str], tuple[Expression, ...]] = field(default_factory=dict)

    def windows_of(self, action: str, label: str) -> tuple[Window, ...]:
        """Return the windows of a label, those of the action before those of all actions."""
        return self.windows.get((action, label)) or self.windows.get(("", label)) or ()

    def alternatives_of(self, action: str, label: str) -> tuple[Expression, ...]:
        """Return the conditions that rank the candidates of a label, if any do."""
        return self.alternatives.get((action, label)) or self.alternatives.get(("", label)) or ()

    def level(self, action: str, label: str, delta_days: float | None) -> int | None:
        """Return the level of a candidate; None when it is too far away to be used.

        Without windows for the label any distance has level 0. A static table without a date is
        inside everything.

        >>> plan = AssociationPlan({("", "BIAS"): (Window(-1, 1, 0), Window(-7, 7, 1))})
        >>> [plan.level("DARK", "BIAS", days) for days in (0.5, -3.0, 9.0, None)]
        [0, 1, None, 0]
        """
        return level_in(self.windows_of(action, label), delta_days)

    def parted_by(
        self, category: str, one_mjd: float | None, other_mjd: float | None
    ) -> Breakpoint | None:
        """Return the breakpoint that stands between two times, if any."""
        if one_mjd is None or other_mjd is None:
            return None
        for one in self.breakpoints:
            if one.parts(category, one_mjd, other_mjd):
                return one
        return None


def level_in(windows: tuple[Window, ...], delta_days: float | None) -> int | None:
    """Return the best level of the windows that hold a distance; None outside of all."""
    if not windows or delta_days is None:
        return 0
    return min((w.level for w in windows if w.holds(delta_days)), default=None)


NO_PLAN = AssociationPlan()
