"""Scores taken together: of a block, a night, a report, an instrument.

At every level the same rule holds: one NOK makes it red, and without a single score it is grey.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .scoring import GreyReason, ScoreResult

CURRENT_DAYS = 7.0


class State(StrEnum):
    """How a set of scores is shown."""

    OK = "ok"
    NOK = "nok"
    GREY = "grey"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many values were judged, and how.

    Attributes
    ----------
    n_nok
        Values found NOK.
    n_scored
        Values judged, NOK ones included.
    n_grey
        Values that could not be judged; they count on neither side of ``n/N``.

    Examples
    --------
    >>> night = Tally(1, 4) + Tally(0, 2, n_grey=1)
    >>> night.text, night.state
    ('1/6', <State.NOK: 'nok'>)
    >>> Tally(n_grey=3).text
    'not scored'
    """

    n_nok: int = 0
    n_scored: int = 0
    n_grey: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.n_nok <= self.n_scored or self.n_grey < 0:
            raise ValueError(f"{self.n_nok} NOK of {self.n_scored}, {self.n_grey} grey: no tally")

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.n_nok + other.n_nok,
            self.n_scored + other.n_scored,
            self.n_grey + other.n_grey,
        )

    @property
    def state(self) -> State:
        """NOK if anything is, OK if something was judged and nothing is NOK, else grey."""
        if self.n_nok:
            return State.NOK
        return State.OK if self.n_scored else State.GREY

    @property
    def text(self) -> str:
        """The count as written everywhere: NOK values of judged values."""
        return f"{self.n_nok}/{self.n_scored}" if self.n_scored else "not scored"


def tally(results: Iterable[ScoreResult | None]) -> Tally:
    """Count the scores of one block; None is grey.

    Examples
    --------
    >>> tally([ScoreResult.OK, ScoreResult.NOK, None]).text
    '1/2'
    """
    counted = list(results)
    n_grey = counted.count(None)
    return Tally(counted.count(ScoreResult.NOK), len(counted) - n_grey, n_grey)


def total(tallies: Iterable[Tally]) -> Tally:
    """Add the tallies of a night; a failed block contributes nothing.

    Examples
    --------
    >>> total([Tally(1, 4), Tally(0, 5)]).text
    '1/9'
    """
    return sum(tallies, Tally())


def worst(states: Iterable[State]) -> State:
    """Return the state of a parent: red if a child is, grey if no child has a score.

    Examples
    --------
    >>> worst([State.OK, State.GREY]), worst([])
    (<State.OK: 'ok'>, <State.GREY: 'grey'>)
    """
    children = set(states)
    return next((state for state in (State.NOK, State.OK) if state in children), State.GREY)


@dataclass(frozen=True, slots=True)
class Current:
    """How a Health Check plot stands: its newest data decide, older ones are history.

    Attributes
    ----------
    state
        State of the newest data within the days looked at.
    reason
        Why it is grey; None if it is not.
    tally
        All scores of those days.
    """

    state: State
    reason: GreyReason | None
    tally: Tally


def current(
    verdicts: Iterable[tuple[float, ScoreResult | GreyReason]],
    at_mjd: float,
    days: float = CURRENT_DAYS,
) -> Current:
    """Return how a plot stands at an instant.

    Parameters
    ----------
    verdicts
        MJD and score of its values, or the reason why they have none. Those of one MJD, say of
        several detectors, count together. A newest value that is missing makes the plot grey:
        yesterday's green says nothing about it.
    at_mjd
        The instant, normally now.
    days
        How far back a score is still news.

    Examples
    --------
    >>> current([(57079.0, ScoreResult.NOK), (57080.0, ScoreResult.OK)], 57080.5).state
    <State.OK: 'ok'>
    >>> current([(57070.0, ScoreResult.OK)], 57080.5).reason.words
    'no current data'
    """
    recent = [(mjd, verdict) for mjd, verdict in verdicts if at_mjd - days <= mjd <= at_mjd]
    if not recent:
        return Current(State.GREY, GreyReason.NO_CURRENT_DATA, Tally())
    newest = max(mjd for mjd, _ in recent)
    last = [verdict for mjd, verdict in recent if mjd == newest]
    state = _tally_verdicts(last).state
    reasons = [reason for reason in GreyReason if reason in last]
    reason = reasons[0] if state is State.GREY else None
    return Current(state, reason, _tally_verdicts([verdict for _, verdict in recent]))


def _tally_verdicts(verdicts: Iterable[ScoreResult | GreyReason]) -> Tally:
    return tally(None if isinstance(verdict, GreyReason) else verdict for verdict in verdicts)


class Level(StrEnum):
    """What a node of the tree of scores stands for, from the smallest on."""

    PARAMETER = "parameter"
    BLOCK = "block"
    PLOT = "plot"
    REPORT = "report"
    GROUP = "group"
    INSTRUMENT = "instrument"
    NIGHT = "night"


_ORDER = tuple(Level)
_SEVERITY = {State.GREY: 0, State.OK: 1, State.NOK: 2}


@dataclass(frozen=True, slots=True)
class Node:
    """One place in the tree of scores, with all below it.

    A leaf knows its own scores; every other node has nothing but its children. Nothing is green
    without data, at no level.

    Parameters
    ----------
    name
        As shown.
    level
        What it stands for; children are smaller.
    children
        What it is made of.
    own
        Scores of a leaf.
    now
        How a leaf stands now, where its older scores do not decide, as for a plot (`current`); None
        takes the state of `own`.

    Raises
    ------
    ValueError
        If a leaf without scores is said to be OK or NOK, a node has both children and scores, or
        a child is not smaller than its parent.

    Examples
    --------
    >>> bias = Node("bias level", Level.PLOT, own=Tally(1, 9), now=State.OK)
    >>> noise = Node("read noise", Level.PLOT, own=Tally(1, 4))
    >>> report = Node("detector", Level.REPORT, (bias, noise))
    >>> report.state, report.text, report.worst_child.name
    (<State.NOK: 'nok'>, '2/13', 'read noise')
    """

    name: str
    level: Level
    children: tuple["Node", ...] = ()
    own: Tally = Tally()
    now: State | None = None

    def __post_init__(self) -> None:
        if self.children and (self.own != Tally() or self.now is not None):
            raise ValueError(f"{self.name}: a node with children has no scores of its own")
        if self.now not in {None, State.GREY} and not self.own.n_scored:
            raise ValueError(f"{self.name}: {self.now} without a score")
        for child in self.children:
            if _ORDER.index(child.level) >= _ORDER.index(self.level):
                raise ValueError(f"{child.name}: a {child.level} is no part of a {self.level}")

    @property
    def state(self) -> State:
        """Red if a child is, grey if no child has a score, else green."""
        if self.children:
            return worst(child.state for child in self.children)
        return self.own.state if self.now is None else self.now

    @property
    def tally(self) -> Tally:
        """All scores below, older ones of plots included."""
        return total(child.tally for child in self.children) if self.children else self.own

    @property
    def text(self) -> str:
        """The count as written everywhere."""
        return self.tally.text

    @property
    def worst_child(self) -> "Node | None":
        """The child to look at first: the worst state, then the most NOK, then the first."""
        return max(self.children, key=_badness, default=None)

    @property
    def worst_path(self) -> tuple["Node", ...]:
        """The worst child, its worst child, and so on down to a leaf."""
        child = self.worst_child
        return (child, *child.worst_path) if child else ()


def _badness(node: Node) -> tuple[int, int]:
    return _SEVERITY[node.state], node.tally.n_nok
