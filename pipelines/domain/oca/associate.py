"""Association: which calibrations a block is given.

Nearest in time wins; it is never written in a rule because it is always meant.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .compiled import CompiledSelect, compiled_selects
from .frames import Frame, FrameId, Group, id_key, number_of, reference_keywords
from .plan import NO_PLAN, AssociationPlan
from .pools import Candidate, Pool
from .settings import DEFAULT_SETTINGS, OcaSettings
from .tree import Action, Keywords, PoolName


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate that was taken.

    Attributes
    ----------
    delta_days
        Its time minus the time of the reference; None if either has no date.
    level
        0 inside every preferred window (tryBetween), the calibration plan; 1 outside of one.
    """

    candidate: Candidate
    delta_days: float | None
    level: int


@dataclass(frozen=True, slots=True)
class Match:
    """What one `select file` found.

    Attributes
    ----------
    label
        The name under which the recipe gets the files.
    min_ret, max_ret
        How many files were asked for; `max_ret` None is no limit, 0 switches the select off.
    chosen
        The files taken, best first.
    n_candidates
        How many files passed the condition.
    select_line
        Line of the rule.
    """

    label: str
    min_ret: int
    max_ret: int | None
    chosen: tuple[Chosen, ...]
    n_candidates: int
    select_line: int = 0

    @property
    def is_missing(self) -> bool:
        """Whether fewer files were found than the block needs: the block is incomplete."""
        return self.max_ret != 0 and len(self.chosen) < self.min_ret

    @property
    def text(self) -> str:
        """The count in words, as the reason of an incomplete block: ``MASTER_BIAS 0 of 1``."""
        return f"{self.label} {len(self.chosen)} of {self.min_ret}"


def associate(
    action: Action,
    group: Group | Sequence[Frame],
    pool: Pool,
    settings: OcaSettings = DEFAULT_SETTINGS,
    *,
    mjd: float | None = None,
    accept: Callable[[Candidate], bool] | None = None,
    plan: AssociationPlan = NO_PLAN,
) -> list[Match]:
    """Choose the calibrations of a group, one `Match` for each `select file` in order.

    Parameters
    ----------
    action
        The action of the group.
    group
        The files to be processed, as a group or as they stand in one.
    pool
        The files to choose from. Files of the group itself are never calibrations for it, but may
        match a select from rawFiles or inputFiles: some rules check a group by such a select.
    settings
        Choices OCA leaves open.
    mjd
        The time distances are measured from; None for MJD-OBS of the reference.
    accept
        A last word on a candidate that would be taken next, asked best first and no more often
        than needed; a refused one makes room for the next.
    plan
        Windows in time with the level they give, and breakpoints; candidates beyond are left out.

    Examples
    --------
    >>> from .parser import parse
    >>> rules = parse('action flat { minRet=1; maxRet=1;'
    ...               ' select file as BIAS from calibFiles where PRO.CATG=="MASTER_BIAS"; }')
    >>> group = Group("flat", "SINGLE", "", (), (Frame(1, {"MJD-OBS": 57080.4}),), 0, 1)
    >>> pool = Pool(calib=[Candidate(f"{mjd}", {"PRO.CATG": "MASTER_BIAS"}, mjd)
    ...                    for mjd in (57070.0, 57081.0)])
    >>> [match] = associate(rules.actions["flat"], group, pool)
    >>> match.chosen[0].candidate.id, round(match.chosen[0].delta_days, 1), match.is_missing
    ('57081.0', 0.6, False)
    """
    frames = group.frames if isinstance(group, Group) else group
    reference = reference_keywords(frames, settings)
    start = number_of(reference, "MJD-OBS") if mjd is None else mjd
    members = frozenset(frame.id for frame in frames)
    search = _Search(members, reference, start, pool, accept or _accept_all, plan, action.name)
    return [search.match(select) for select in compiled_selects(action, settings)]


def _accept_all(_candidate: Candidate) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Search:
    """The search for the calibrations of one group."""

    members: frozenset[FrameId]
    reference: Keywords
    mjd: float | None
    pool: Pool
    accept: Callable[[Candidate], bool]
    plan: AssociationPlan
    action: str

    def match(self, select: CompiledSelect) -> Match:
        passing = [c for c in self._suitable(select) if select.test(c.keywords, self.reference)]
        judged = (self._judged(c, select) for c in passing)
        ranked = sorted((chosen for chosen in judged if chosen is not None), key=_rank)
        return Match(
            select.rule.label,
            select.min_ret,
            select.max_ret,
            tuple(self._best(ranked, select.max_ret)),
            len(passing),
            select.rule.line,
        )

    def _suitable(self, select: CompiledSelect) -> Iterator[Candidate]:
        candidates = self.pool.candidates(select.rule.pool, select.index_key)
        if select.rule.pool is not PoolName.CALIB:
            return candidates
        return (candidate for candidate in candidates if candidate.id not in self.members)

    def _judged(self, candidate: Candidate, select: CompiledSelect) -> Chosen | None:
        """Return a candidate with its distance and level; None when the plan leaves it out."""
        is_in_plan = select.in_plan(candidate.keywords, self.reference)
        delta = None
        if candidate.mjd is not None and self.mjd is not None:
            delta = candidate.mjd - self.mjd
        category = str(candidate.keywords.get("PRO.CATG", ""))
        level = self.plan.level(self.action, select.rule.label, delta)
        if level is None or self.plan.parted_by(category, candidate.mjd, self.mjd):
            return None
        return Chosen(candidate, delta, level if is_in_plan else max(level, 1))

    def _best(self, ranked: list[Chosen], max_ret: int | None) -> Iterator[Chosen]:
        n_left = len(ranked) if max_ret is None else max_ret
        for chosen in ranked:
            if n_left == 0:
                return
            if self.accept(chosen.candidate):
                n_left -= 1
                yield chosen


def _rank(chosen: Chosen) -> tuple[int, float, float, tuple[int, str], int, tuple[int, str]]:
    """Order by plan, then distance in time, then the earlier, then block and name."""
    candidate, delta = chosen.candidate, chosen.delta_days
    distance = math.inf if delta is None else abs(delta)
    mjd = math.inf if candidate.mjd is None else candidate.mjd
    # Of a file on disk and one to come at the same instant, the one that exists.
    block = _ON_DISK if candidate.producer is None else id_key(candidate.producer)
    return (chosen.level, distance, mjd, block, candidate.order, id_key(candidate.id))


_ON_DISK = (-(2**63), "")
