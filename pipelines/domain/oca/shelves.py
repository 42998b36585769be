"""Candidates that an index cannot tell apart, in order of time."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from .candidates import Candidate
from .frames import FrameId, number_of
from .needs import ANY_TIME, TimeRange


class Timeline:
    """Candidates in order of time, to be walked from any instant outward."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.undated = [candidate for candidate in candidates if candidate.mjd is None]
        self.dated = candidates[: len(candidates) - len(self.undated)]
        self.times = [candidate.mjd for candidate in self.dated if candidate.mjd is not None]
        # Rules read MJD-OBS from the header. Where a candidate stands for the middle of a block,
        # what they say of it does not bound its place here.
        self.is_by_header = all(
            number_of(candidate.keywords, "MJD-OBS") == candidate.mjd for candidate in self.dated
        )

    def outward(self, start: float | None, times: TimeRange = ANY_TIME) -> Iterator[Candidate]:
        """Yield dated candidates, the nearest first; of equals the earlier, then as `in_time`.

        Without a start they come in order of time.

        Examples
        --------
        >>> line = Timeline([Candidate(mjd, {}, mjd) for mjd in (1.0, 3.0, 4.0, 9.0)])
        >>> [candidate.id for candidate in line.outward(3.5)]
        [3.0, 4.0, 1.0, 9.0]
        """
        low, high = times if self.is_by_header else ANY_TIME
        first, end = bisect_left(self.times, low), bisect_right(self.times, high)
        if start is None:
            yield from self.dated[first:end]
            return
        after = max(first, min(end, bisect_left(self.times, start)))
        before = after - 1
        while before >= first or after < end:
            if before >= first and (
                after >= end or start - self.times[before] <= self.times[after] - start
            ):
                # All at this distance come in their order, not turned round: three flats of one
                # block are of one time.
                last, distance = before, start - self.times[before]
                while before > first and start - self.times[before - 1] == distance:
                    before -= 1
                yield from self.dated[before : last + 1]
                before -= 1
            else:
                yield self.dated[after]
                after += 1


class Shelf:
    """Candidates between which an index sees no difference, sorted by `in_time`."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.candidates = candidates

    @cached_property
    def all(self) -> Timeline:
        """All of them."""
        return Timeline(self.candidates)

    @cached_property
    def certified(self) -> Timeline:
        """Those found good."""
        return Timeline([one for one in self.candidates if one.is_certified])

    @cached_property
    def uncertified(self) -> Timeline:
        """The others."""
        return Timeline([one for one in self.candidates if not one.is_certified])

    @cached_property
    def uncertified_by_batch(self) -> Mapping[str, Timeline]:
        """The others, by the night they were made in."""
        found: dict[str, list[Candidate]] = {}
        for one in self.candidates:
            if one.batch and not one.is_certified:
                found.setdefault(one.batch, []).append(one)
        return {batch: Timeline(members) for batch, members in found.items()}

    def count_without(self, ids: frozenset[FrameId]) -> int:
        """Return how many candidates there are beside some."""
        return len(self.candidates) - sum(self._ids[one] for one in ids)

    @cached_property
    def _ids(self) -> Counter[FrameId]:
        return Counter(one.id for one in self.candidates)
