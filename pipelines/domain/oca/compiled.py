"""Rules made ready to run, once for each rule set.

A rule file is compiled when first used and kept, because the same few are run over every file of
every night. Trees are large and compare by content, so the memory goes by identity.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeAlias, TypeVar

from .conditions import Evaluate, Test, compile_condition, compile_value
from .settings import OcaSettings
from .tree import (
    Action,
    And,
    Assignment,
    Compare,
    Expression,
    FileSelect,
    Keyword,
    Literal,
    Or,
    RuleFile,
)

INDEXED_KEYWORDS = frozenset({"PRO.CATG", "DO.CATG", "REFLEX.CATG", "RAW.TYPE", "CATG"})
"""Keywords by which pools are indexed: nearly every select tests one of them for equality."""

IndexKey: TypeAlias = tuple[str, tuple[str, ...]]
"""A keyword, and the values one of which a file must have to pass a condition."""

_Node = TypeVar("_Node")


@dataclass(frozen=True, slots=True)
class CompiledAssignment:
    """One assignment, its value as a function."""

    keyword: str
    value: Evaluate


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One classification rule."""

    test: Test
    assignments: tuple[CompiledAssignment, ...]
    line: int


@dataclass(frozen=True, slots=True)
class CompiledSelect:
    """One `select file`: its condition, and what the pool's index can tell beforehand."""

    rule: FileSelect
    min_ret: int
    max_ret: int | None
    test: Test
    in_plan: Test
    index_key: IndexKey | None


class _Identity(Generic[_Node]):
    """A key that is the node itself, not its content; it keeps the node alive."""

    __slots__ = ("node",)

    def __init__(self, node: _Node) -> None:
        self.node = node

    def __hash__(self) -> int:
        return id(self.node)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.node is other.node


def compiled_classification(rules: RuleFile, settings: OcaSettings) -> tuple[CompiledRule, ...]:
    """Return the classification rules of a file, ready to run."""
    return _classification(_Identity(rules), settings)


def compiled_selects(action: Action, settings: OcaSettings) -> tuple[CompiledSelect, ...]:
    """Return the `select file` rules of an action, ready to run."""
    return _selects(_Identity(action), settings)


def compiled_assignments(
    assignments: tuple[Assignment, ...], settings: OcaSettings
) -> tuple[CompiledAssignment, ...]:
    """Return assignments ready to run, in order."""
    return tuple(
        CompiledAssignment(a.keyword, compile_value(a.value, settings)) for a in assignments
    )


@lru_cache(maxsize=64)
def _classification(rules: _Identity[RuleFile], settings: OcaSettings) -> tuple[CompiledRule, ...]:
    return tuple(
        CompiledRule(
            compile_condition(rule.condition, settings),
            compiled_assignments(rule.assignments, settings),
            rule.line,
        )
        for rule in rules.node.classification
    )


@lru_cache(maxsize=4096)
def _selects(action: _Identity[Action], settings: OcaSettings) -> tuple[CompiledSelect, ...]:
    return tuple(_compile_select(rule, settings) for rule in action.node.files)


def _compile_select(rule: FileSelect, settings: OcaSettings) -> CompiledSelect:
    min_ret = settings.default_min_ret if rule.min_ret is None else rule.min_ret
    max_ret = rule.max_ret
    if max_ret is None and settings.default_max_ret is not None:
        # minRet=3 alone must not ask for three files of which it may keep one.
        max_ret = max(settings.default_max_ret, min_ret)
    return CompiledSelect(
        rule,
        min_ret,
        max_ret,
        compile_condition(rule.condition, settings),
        compile_condition(rule.condition, settings, is_strict=True),
        index_key(rule.condition),
    )


def index_key(condition: Expression | None) -> IndexKey | None:
    """Say which values of an indexed keyword can pass a condition; None if any could.

    Examples
    --------
    >>> from .parser import parse
    >>> rules = parse('select execute(x) from inputFiles where A==1 and PRO.CATG=="BIAS";')
    >>> index_key(rules.selects[0].condition)
    ('PRO.CATG', ('BIAS',))
    """
    match condition:
        case Compare("==", Keyword(name, False), Literal(str(value))) if name in INDEXED_KEYWORDS:
            return name, (value.rstrip(" "),)
        case Compare("==", Literal(str()) as left, Keyword() as right):
            return index_key(Compare("==", right, left))
        case And(operands):
            return next((key for key in map(index_key, operands) if key is not None), None)
        case Or(operands):
            return _union([index_key(operand) for operand in operands])
    return None


def _union(keys: list[IndexKey | None]) -> IndexKey | None:
    """Join what the branches of an `or` allow, if all speak of the same keyword."""
    known = [key for key in keys if key is not None]
    names = {name for name, _ in known}
    if len(known) < len(keys) or len(names) != 1:
        return None
    # A dict, not a set: the order of candidates must not depend on the hash of a text.
    values = dict.fromkeys(value for _, values in known for value in values)
    return names.pop(), tuple(values)
