"""The cascade: which block needs the products of which other, before any of them has run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .associate import Match, associate
from .candidates import Candidate
from .compiled import compiled_selects
from .frames import Group, mixed_keywords
from .plan import NO_PLAN, AssociationPlan
from .pools import Pool
from .products import VirtualProduct, products
from .settings import DEFAULT_SETTINGS, DeltaFrom, OcaSettings
from .tree import Action, RuleFile

_TIME_KEYWORDS = frozenset({"MJD-OBS", "DATE-OBS", "TPL.EXPNO", "ARCFILE"})


@dataclass(frozen=True, slots=True)
class Block:
    """A group with its calibrations.

    Attributes
    ----------
    index
        Its place among the groups.
    group
        The files.
    products
        What it will make.
    matches
        What it was given, one for each `select file` of its action.
    reasons
        Why it is incomplete, in words; empty if it is not.
    doubts
        Matches that rest on a keyword on which the files of the producing block differ.
    """

    index: int
    group: Group
    products: tuple[VirtualProduct, ...] = ()
    matches: tuple[Match, ...] = ()
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether it has all it asks for."""
        return not self.reasons

    @property
    def producers(self) -> tuple[int, ...]:
        """The blocks whose products it was given, in order of their index."""
        chosen = [chosen.candidate for match in self.matches for chosen in match.chosen]
        return tuple(sorted({int(c.producer) for c in chosen if c.producer is not None}))


@dataclass(frozen=True)
class Cascade:
    """All blocks with their dependencies.

    Attributes
    ----------
    blocks
        One for each group, in their order.
    cuts
        Circles that were cut: each lists blocks that would wait for one another.
    """

    blocks: tuple[Block, ...]
    cuts: tuple[tuple[int, ...], ...] = ()

    @property
    def order(self) -> tuple[int, ...]:
        """The blocks in an order in which they can run: producers before who needs them."""
        found: dict[int, None] = {}
        for block in self.blocks:
            self._visit(block.index, found)
        return tuple(found)

    def upstream(self, index: int) -> tuple[int, ...]:
        """Return what must have run before a block, the first to run first."""
        found: dict[int, None] = {}
        self._visit(index, found)
        return tuple(found)[:-1]

    def downstream(self, index: int) -> tuple[int, ...]:
        """Return what is to run again when a block's products are rejected, in order."""
        order, tainted = self.order, {index}
        for other in order:
            if not tainted.isdisjoint(self.blocks[other].producers):
                tainted.add(other)
        return tuple(other for other in order if other in tainted - {index})

    def level(self, index: int) -> int:
        """Return how many blocks must run one after the other before this one."""
        return self._levels[index]

    @cached_property
    def _levels(self) -> Mapping[int, int]:
        levels: dict[int, int] = {}
        for index in self.order:
            producers = self.blocks[index].producers
            levels[index] = max((levels[producer] + 1 for producer in producers), default=0)
        return levels

    def _visit(self, index: int, found: dict[int, None]) -> None:
        """Add a block after all it needs."""
        # No recursion: a series of darks, each made with the one before, is as long as the archive.
        waiting = [index]
        while waiting:
            block = self.blocks[waiting[-1]]
            lacking = [producer for producer in block.producers if producer not in found]
            if lacking:
                waiting.extend(reversed(lacking))
            else:
                found.setdefault(waiting.pop())


def cascade(
    rules: RuleFile,
    groups: Sequence[Group],
    files: Sequence[Candidate] = (),
    settings: OcaSettings = DEFAULT_SETTINGS,
    plan: AssociationPlan = NO_PLAN,
) -> Cascade:
    """Associate all groups with each other's products and with the files at hand.

    Parameters
    ----------
    rules
        The rule file.
    groups
        The blocks to be, as `organise` makes them.
    files
        All real files: masters on disk, static tables, raw files.
    settings
        Choices OCA leaves open. By default the products of an incomplete block do not count, so
        that the next best candidate is taken.
    plan
        Windows in time and breakpoints.

    Examples
    --------
    >>> from .frames import Frame
    >>> from .parser import parse
    >>> rules = parse('action bias { product M { PRO.CATG="BIAS"; } }'
    ...               'action flat { select file as B from calibFiles where PRO.CATG=="BIAS"; }')
    >>> groups = [Group(name, "SINGLE", "", (), (Frame(name, {"MJD-OBS": 57080.4}),), 0, 1)
    ...           for name in ("flat", "bias")]
    >>> found = cascade(rules, groups)
    >>> found.blocks[0].producers, found.upstream(0), found.level(0)
    ((1,), (1,), 1)
    """
    made = [_products(rules, group, settings) for group in groups]
    virtual = [
        Candidate(
            f"virtual {index}.{product.order}",
            product.keywords,
            product.mjd,
            product.order,
            index,
            batch=groups[index].batch,
        )
        for index, found in enumerate(made)
        for product in found
    ]
    pool = Pool.sort(files, virtual, settings)
    resolver = _Resolver(rules, groups, made, pool, settings, plan)
    for index in resolver.starting_points():
        resolver.resolve(index)
    blocks = (resolver.blocks[index] for index in range(len(groups)))
    return Cascade(tuple(blocks), tuple(resolver.cuts))


def _products(rules: RuleFile, group: Group, settings: OcaSettings) -> list[VirtualProduct]:
    action = rules.actions.get(group.action)
    return [] if action is None else products(action, group, settings)


class _UnresolvedError(Exception):
    """A block asks for the product of another that has not been associated yet."""

    def __init__(self, producer: int) -> None:
        super().__init__(producer)
        self.producer = producer


@dataclass(slots=True)
class _Resolver:
    """Associates one block after the other, those it needs first."""

    rules: RuleFile
    groups: Sequence[Group]
    made: Sequence[Sequence[VirtualProduct]]
    pool: Pool
    settings: OcaSettings
    plan: AssociationPlan
    blocks: dict[int, Block] = field(default_factory=dict)
    # A dict keeps the order found and drops repeats.
    cuts: dict[tuple[int, ...], None] = field(default_factory=dict)
    cut_at: set[int] = field(default_factory=set)
    mixed: dict[int, frozenset[str]] = field(default_factory=dict)

    def starting_points(self) -> list[int]:
        """Return the blocks to begin with: those with targets, then the others."""
        return sorted(
            range(len(self.groups)), key=lambda index: not _has_target(self.groups[index])
        )

    def resolve(self, start: int) -> None:
        """Associate a block, and before it whatever it turns out to need."""
        # No recursion: a series of darks, each made with the one before, is as long as the archive.
        path = {} if start in self.blocks else {start: self._target_of(start, None)}
        while path:
            index, target_mjd = next(reversed(path.items()))
            try:
                self.blocks[index] = self._associated(index, target_mjd, path)
                path.popitem()
            except _UnresolvedError as error:
                # Asked again when that one is there.
                path[error.producer] = self._target_of(error.producer, target_mjd)

    def _target_of(self, index: int, target_mjd: float | None) -> float | None:
        """Return the time of the target that a block is run for; None measures from the block."""
        group = self.groups[index]
        if target_mjd is None and self.settings.delta_from is DeltaFrom.TARGET:
            return group.reference.mjd if _has_target(group) else None
        return target_mjd

    def _associated(
        self, index: int, target_mjd: float | None, path: Mapping[int, float | None]
    ) -> Block:
        """Return a block with its calibrations; the last of `path`, the others wait for it."""
        group = self.groups[index]
        made = tuple(self.made[index])
        action = self.rules.actions.get(group.action)
        if action is None:
            return Block(index, group, made, (), (f"no action is called {group.action}",))

        def accept(candidate: Candidate) -> bool:
            return self._may_feed(candidate, index, path)

        found = associate(
            action,
            group,
            self.pool,
            self.settings,
            mjd=target_mjd,
            accept=accept,
            plan=self.plan,
        )
        reasons = tuple(self._reasons(group, found))
        doubts = tuple(self._doubts(action, found))
        return Block(index, group, made, tuple(found), reasons, doubts)

    def _may_feed(self, candidate: Candidate, index: int, path: Mapping[int, float | None]) -> bool:
        """Decide on a candidate that a block, the last of a path, would take next."""
        if candidate.producer is None:
            return True
        producer = int(candidate.producer)
        if producer in path:
            # One circle for a block: where every dark asks for any other there are very many.
            if index not in self.cut_at:
                waiting = list(path)
                self.cuts[tuple(waiting[waiting.index(producer) :])] = None
                self.cut_at.add(index)
            return False
        if producer not in self.blocks:
            raise _UnresolvedError(producer)
        return self.blocks[producer].is_complete or self.settings.count_incomplete_producers

    def _reasons(self, group: Group, matches: Sequence[Match]) -> list[str]:
        reasons = [match.text for match in matches if match.is_missing]
        if group.is_too_small:
            reasons.insert(0, f"too_small {len(group.frames)} of {group.min_ret}")
        for match in matches:
            producers = (chosen.candidate.producer for chosen in match.chosen)
            if not all(self.blocks[int(p)].is_complete for p in producers if p is not None):
                reasons.append(f"{match.label} comes from an incomplete block")
        return reasons

    def _doubts(self, action: Action, matches: Sequence[Match]) -> list[str]:
        return [
            f"{match.label} was matched on {name}, on which the files of its block differ"
            for select, match in zip(compiled_selects(action, self.settings), matches, strict=True)
            for name in sorted(self._mixed(match) & select.read - _TIME_KEYWORDS)
        ]

    def _mixed(self, match: Match) -> frozenset[str]:
        """Return the keywords on which the files of a producing block differ."""
        producers = {chosen.candidate.producer for chosen in match.chosen}
        found: frozenset[str] = frozenset()
        for producer in producers - {None}:
            index = int(producer or 0)
            # A whole night may use one bias: its files are compared once.
            if index not in self.mixed:
                self.mixed[index] = mixed_keywords(self.groups[index].frames)
            found |= self.mixed[index]
        return found


def _has_target(group: Group) -> bool:
    return any(frame.keywords.get("REFLEX.TARGET") == "T" for frame in group.frames)
