"""The search for the calibrations of one select: candidates one by one, the best first.

Candidates rank by their place among the plan's alternatives, then by level, then the certified
before the others, then by distance in time. An index gives those that can match at all, in order
of time; they are walked from the block outward and no further than one asks.
"""

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .candidates import Candidate, in_time
from .compiled import CompiledCondition, CompiledSelect, compiled_alternatives
from .frames import FrameId
from .needs import ANY_TIME, TimeRange, both_keys
from .plan import AssociationPlan, Window, level_in
from .pools import Pool
from .settings import Certified, OcaSettings
from .shelves import Shelf, Timeline
from .tree import Keywords, PoolName


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate that was taken.

    Attributes
    ----------
    delta_days
        Its time minus the time of the reference; None if either has no date.
    level
        0 inside every preferred window (tryBetween), the calibration plan; 1 outside of one.
    place
        Its place among the plan's alternatives, 0 if there are none.
    """

    candidate: Candidate
    delta_days: float | None
    level: int
    place: int = 0

    @property
    def is_certified(self) -> bool:
        """Whether the candidate is certified itself, whatever it counted as."""
        return self.candidate.is_certified


@dataclass(frozen=True, slots=True)
class Asking:
    """The block that asks: its files, what `inputFile.` means, its time, action and night."""

    members: frozenset[FrameId]
    reference: Keywords
    mjd: float | None
    action: str
    batch: str


@dataclass(frozen=True)
class Search:
    """The search for the calibrations that one select of one block asks for."""

    block: Asking
    select: CompiledSelect
    pool: Pool
    plan: AssociationPlan
    settings: OcaSettings

    def ranked(self) -> Iterator[Chosen]:
        """Yield what can be taken, the best first."""
        for place in range(len(self.alternatives) + 1):
            lanes = self._lanes(place)
            for level in self.levels:
                for lane in lanes:
                    yield from lane.of_level(level)

    def count(self) -> int:
        """Count the candidates that pass the condition."""
        shelves = self._shelves(self.select.condition)
        if self.select.condition.needs.is_all:
            return sum(shelf.count_without(self.excluded) for shelf in shelves)
        return sum(self._passes(candidate) for shelf in shelves for candidate in shelf.candidates)

    def judged(self, candidate: Candidate, place: int) -> Chosen | None:
        """Return a candidate with its distance and level; None if it is not to be taken."""
        if not self._passes(candidate) or self._place(candidate) != place:
            return None
        block, delta = self.block, None
        if candidate.mjd is not None and block.mjd is not None:
            delta = candidate.mjd - block.mjd
        category = str(candidate.keywords.get("PRO.CATG", ""))
        level = level_in(self.windows, delta)
        if level is None or self.plan.parted_by(category, candidate.mjd, block.mjd):
            return None
        in_plan = self.select.in_plan
        if in_plan is not None and not in_plan.test(candidate.keywords, block.reference):
            level = max(level, 1)
        return Chosen(candidate, delta, level, place)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The plan's windows for this select; none means that any distance will do."""
        return self.plan.windows_of(self.block.action, self.select.rule.label)

    @cached_property
    def alternatives(self) -> tuple[CompiledCondition, ...]:
        """The plan's conditions that rank candidates, the most wanted first."""
        conditions = self.plan.alternatives_of(self.block.action, self.select.rule.label)
        return compiled_alternatives(conditions, self.settings) if conditions else ()

    @cached_property
    def levels(self) -> list[int]:
        """The levels that a candidate can have, the best first."""
        found = {0} | {window.level for window in self.windows}
        if self.select.in_plan is not None:
            found |= {max(level, 1) for level in found}
        return sorted(found)

    @cached_property
    def excluded(self) -> frozenset[FrameId]:
        """The files that are no candidates: a block is no calibration for itself."""
        return self.block.members if self.select.rule.pool is PoolName.CALIB else frozenset()

    def reach_days(self, level: int, *, is_by_header: bool) -> float:
        """Return how far away a candidate of a level, or of a better one, can be."""
        if self.block.mjd is None:
            return math.inf
        windows = [window for window in self.windows if window.level <= level]
        ends = [abs(end) for window in windows for end in (window.first_days, window.last_days)]
        reach = max(ends, default=-math.inf) if self.windows else math.inf
        if level == 0 and self.select.in_plan is not None and is_by_header:
            first, last = self.select.in_plan.needs.time_range(self.block.reference)
            reach = min(reach, max(self.block.mjd - first, last - self.block.mjd))
        return reach

    def _passes(self, candidate: Candidate) -> bool:
        return candidate.id not in self.excluded and self.select.condition.test(
            candidate.keywords, self.block.reference
        )

    def _place(self, candidate: Candidate) -> int:
        for place, alternative in enumerate(self.alternatives):
            if alternative.test(candidate.keywords, self.block.reference):
                return place
        return len(self.alternatives)

    def _shelves(self, *conditions: CompiledCondition) -> list[Shelf]:
        """Return the candidates that could fulfil all of some conditions."""
        key, joins = conditions[0].needs.key, conditions[0].needs.joins
        for other in conditions[1:]:
            key = both_keys(key, other.needs.key)
            joins += tuple(join for join in other.needs.joins if join not in joins)
        return self.pool.shelves(
            self.select.rule.pool,
            key,
            tuple(join.keyword for join in joins),
            tuple(self.block.reference.get(join.of_reference) for join in joins),
        )

    def _lanes(self, place: int) -> list["_Lane"]:
        """Return the candidates of a place, the certified and those behind them."""
        conditions = (self.select.condition, *self.alternatives[place : place + 1])
        shelves = self._shelves(*conditions)
        times = ANY_TIME
        for condition in conditions:
            times = _both(times, condition.needs.time_range(self.block.reference))
        return [
            _Lane(self, place, times, lines, skipped_batch)
            for lines, skipped_batch in self._lines(shelves)
            if lines
        ]

    def _lines(self, shelves: Sequence[Shelf]) -> list[tuple[list[Timeline], str]]:
        """Return what ranks first, and what behind it without the batch that ranks first."""
        if self.settings.certified is Certified.IGNORE:
            return [([shelf.all for shelf in shelves], "")]
        batch = self.block.batch
        first = [shelf.certified for shelf in shelves]
        first += [
            shelf.uncertified_by_batch[batch]
            for shelf in shelves
            if batch in shelf.uncertified_by_batch
        ]
        if self.settings.certified is Certified.REQUIRE:
            return [(first, "")]
        return [(first, ""), ([shelf.uncertified for shelf in shelves], batch)]


def _both(one: TimeRange, other: TimeRange) -> TimeRange:
    return max(one[0], other[0]), min(one[1], other[1])


@dataclass(slots=True)
class _Lane:
    """Candidates of one place and one standing, walked outward once for all levels."""

    search: Search
    place: int
    times: TimeRange
    lines: list[Timeline]
    skipped_batch: str
    _walk: Iterator[Candidate] | None = None
    _ahead: Candidate | None = None
    _undated: list[Chosen] | None = None
    _kept: dict[int, list[Chosen]] = field(default_factory=dict)

    def of_level(self, level: int) -> Iterator[Chosen]:
        """Yield the candidates of a level in order; levels are asked for in rising order."""
        yield from self._kept.pop(level, ())
        is_by_header = all(line.is_by_header for line in self.lines)
        reach = self.search.reach_days(level, is_by_header=is_by_header)
        while (candidate := self._next(reach)) is not None:
            chosen = self._judged(candidate)
            if chosen is not None and chosen.level == level:
                yield chosen
            elif chosen is not None:
                # Walked past on the way to better ones farther off.
                self._kept.setdefault(chosen.level, []).append(chosen)
        yield from (chosen for chosen in self._without_date() if chosen.level == level)

    def _next(self, reach_days: float) -> Candidate | None:
        """Step to the next candidate, unless it is beyond reach."""
        if self._walk is None:
            self._walk = self._outward()
            self._ahead = next(self._walk, None)
        candidate = self._ahead
        if candidate is None or self._distance(candidate) > reach_days:
            return None
        self._ahead = next(self._walk, None)
        return candidate

    def _outward(self) -> Iterator[Candidate]:
        walks = [line.outward(self.search.block.mjd, self.times) for line in self.lines]
        if len(walks) == 1:
            return walks[0]
        return heapq.merge(*walks, key=lambda one: (self._distance(one), in_time(one)))

    def _distance(self, candidate: Candidate) -> float:
        start = self.search.block.mjd
        return 0.0 if candidate.mjd is None or start is None else abs(candidate.mjd - start)

    def _without_date(self) -> list[Chosen]:
        if self._undated is None:
            found = sorted((one for line in self.lines for one in line.undated), key=in_time)
            judged = (self._judged(candidate) for candidate in found)
            self._undated = [chosen for chosen in judged if chosen is not None]
        return self._undated

    def _judged(self, candidate: Candidate) -> Chosen | None:
        if self.skipped_batch and candidate.batch == self.skipped_batch:
            return None
        return self.search.judged(candidate, self.place)
