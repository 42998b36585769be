"""Association: which calibrations a block is given.

Nearest in time wins; it is never written in a rule because it is always meant.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from .candidates import Candidate
from .compiled import compiled_selects
from .frames import Frame, Group, number_of, reference_keywords
from .plan import NO_PLAN, AssociationPlan
from .pools import Pool
from .search import Asking, Chosen, Search
from .settings import DEFAULT_SETTINGS, OcaSettings
from .tree import Action


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
    select_line
        Line of the rule.
    count
        Counts the files that pass the condition.
    """

    label: str
    min_ret: int
    max_ret: int | None
    chosen: tuple[Chosen, ...]
    select_line: int = 0
    count: Callable[[], int] = field(default=int, compare=False, repr=False)

    @property
    def n_candidates(self) -> int:
        """How many files pass the condition, counted when asked: choosing looks at the best only."""
        return self.count()

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
    batch: str = "",
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
        Alternatives, windows in time with the level they give, and breakpoints; candidates beyond
        are left out.
    batch
        The night whose candidates count as certified; empty for that of the group.

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
    frames, own_batch = (group.frames, group.batch) if isinstance(group, Group) else (group, "")
    reference = reference_keywords(frames, settings)
    block = Asking(
        members=frozenset(frame.id for frame in frames),
        reference=reference,
        mjd=number_of(reference, "MJD-OBS") if mjd is None else mjd,
        action=action.name,
        batch=batch or own_batch,
    )
    return [
        _match(Search(block, select, pool, plan, settings), accept or _accept_all)
        for select in compiled_selects(action, settings)
    ]


def _accept_all(_candidate: Candidate) -> bool:
    return True


def _match(search: Search, accept: Callable[[Candidate], bool]) -> Match:
    select = search.select
    return Match(
        select.rule.label,
        select.min_ret,
        select.max_ret,
        tuple(_best(search, accept)),
        select.rule.line,
        search.count,
    )


def _best(search: Search, accept: Callable[[Candidate], bool]) -> Iterator[Chosen]:
    n_left = math.inf if search.select.max_ret is None else search.select.max_ret
    if n_left == 0:
        return
    for chosen in search.ranked():
        if accept(chosen.candidate):
            yield chosen
            n_left -= 1
            # Before the next is looked for: it may be far away, or not there.
            if n_left == 0:
                return
