"""A rule file as a tree: what was written, with the line of each part, and nothing evaluated.

Lines do not take part in comparison: two files that say the same are equal however they are set.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias

from .errors import OcaWarning

Value: TypeAlias = str | int | float | bool
"""What a header card holds. A keyword without a value is absent, never None."""

Keywords: TypeAlias = Mapping[str, Value]
"""The keywords of one file, spelled as in OCA: ``DPR.CATG``, ``MJD-OBS``."""

# Read by the organiser itself, whatever the rules mention: time, template and pool of a file.
ENGINE_KEYWORDS = frozenset(
    {"INSTRUME", "MJD-OBS", "EXPTIME", "PRO.CATG", "DPR.CATG"}
    | {"TPL.START", "TPL.EXPNO", "TPL.NEXP"}
)
LAST_FILE_PREFIX = "LF."
SIGNAL_PREFIX = "SIG."


class PoolName(StrEnum):
    """Where a select looks for files."""

    INPUT = "inputFiles"
    CALIB = "calibFiles"
    RAW = "rawFiles"


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number or a logical value."""

    value: Value
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Keyword:
    """A header keyword, of the file looked at or (``inputFile.``) of the reference file."""

    name: str
    of_reference: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """``-x`` or ``+x``."""

    operator: str
    operand: "Expression"
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``x + y`` and its kin."""

    operator: str
    left: "Expression"
    right: "Expression"
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """``x == y``, ``x ?= y``, ``x < y``: any of the relation signs."""

    operator: str
    left: "Expression"
    right: "Expression"
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Like:
    """``x like "%pattern%"``."""

    operand: "Expression"
    pattern: "Expression"
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Regexp:
    """``x regexp "pattern"``."""

    operand: "Expression"
    pattern: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Is:
    """``x is undefined`` or ``x is string``."""

    operand: "Expression"
    state: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Between:
    """``x between low and high``; as a preference (``tryBetween``) it ranks, never rejects."""

    operand: "Expression"
    low: "Expression"
    high: "Expression"
    is_preference: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """``not x``."""

    operand: "Expression"
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """``x and y and …`` as written in one chain."""

    operands: "tuple[Expression, ...]"
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Or:
    """``x or y or …`` as written in one chain."""

    operands: "tuple[Expression, ...]"
    line: int = field(default=0, compare=False)


Expression: TypeAlias = (
    Literal
    | Keyword
    | Signed
    | Arithmetic
    | Compare
    | Like
    | Regexp
    | Is
    | Between
    | Not
    | And
    | Or
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """``KEYWORD = value;``."""

    keyword: str
    value: Expression
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ClassRule:
    """``if condition then { … }``."""

    condition: Expression
    assignments: tuple[Assignment, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Select:
    """``select execute(action) …``: which files are processed together."""

    action: str
    pool: PoolName = PoolName.INPUT
    condition: Expression | None = None
    group_by: tuple[str, ...] = ()
    alias: tuple[str, ...] = ()
    min_ret: int | None = None
    max_ret: int | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class FileSelect:
    """``select file as label …``: which calibrations a block asks for."""

    label: str
    pool: PoolName
    condition: Expression | None = None
    min_ret: int | None = None
    max_ret: int | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class RecipeRule:
    """``recipe name { "--x=y"; }``; one string may hold several parameters, as in a shell."""

    name: str
    parameters: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ProductRule:
    """``product label { … }``: a file that the recipe will make."""

    label: str
    assignments: tuple[Assignment, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Action:
    """``action name { … }``: what a block needs, runs and makes."""

    name: str
    files: tuple[FileSelect, ...] = ()
    recipes: tuple[RecipeRule, ...] = ()
    products: tuple[ProductRule, ...] = ()
    priority: int | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class RuleFile:
    """One rule file, in the order written.

    Attributes
    ----------
    classification, selects
        The rules of the first two steps, in order, which matters.
    action_rules
        The actions as written; two may share a name.
    warnings
        Lines that run but look like slips, by line.
    """

    classification: tuple[ClassRule, ...] = ()
    selects: tuple[Select, ...] = ()
    action_rules: tuple[Action, ...] = ()
    warnings: tuple[OcaWarning, ...] = field(default=(), compare=False)

    @cached_property
    def actions(self) -> Mapping[str, Action]:
        """The actions by name; the later of two wins."""
        return {action.name: action for action in self.action_rules}

    @cached_property
    def keywords(self) -> frozenset[str]:
        """Every header keyword that running the rules can read."""
        keys = {key for select in self.selects for key in select.group_by}
        read = {node.name for node in walk(self) if isinstance(node, Keyword)}
        headers = {name.removeprefix(LAST_FILE_PREFIX) for name in read | keys}
        return ENGINE_KEYWORDS | {name for name in headers if not name.startswith(SIGNAL_PREFIX)}


def walk(node: Any) -> Iterator[Any]:
    """Yield a node and all below it, in the order written.

    Examples
    --------
    >>> tree = Compare("==", Keyword("DPR.CATG"), Literal("CALIB"))
    >>> [type(node).__name__ for node in walk(tree)]
    ['Compare', 'Keyword', 'Literal']
    """
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item)
        return
    parts = _PARTS.get(type(node))
    if parts is not None:
        yield node
        for name in parts:
            yield from walk(getattr(node, name))


def conjuncts(condition: "Expression | None") -> Iterator["Expression"]:
    """Yield the parts of a condition all of which have to hold.

    >>> [part.name for part in conjuncts(And((Keyword("A"), And((Keyword("B"),)))))]
    ['A', 'B']
    """
    if isinstance(condition, And):
        for operand in condition.operands:
            yield from conjuncts(operand)
    elif condition is not None:
        yield condition


_NODES: tuple[type[Any], ...] = (
    *(Literal, Keyword, Signed, Arithmetic, Compare, Like, Regexp, Is, Between, Not, And, Or),
    *(Assignment, ClassRule, Select, FileSelect, RecipeRule, ProductRule, Action, RuleFile),
)
_PARTS: dict[type, tuple[str, ...]] = {
    kind: tuple(part.name for part in fields(kind) if part.compare) for kind in _NODES
}
