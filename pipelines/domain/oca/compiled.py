"""Rules made ready to run, once for each rule set.

A rule file is compiled when first used and kept, because the same few are run over every file of
every night. Trees are large and compare by content, so the memory goes by identity.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from .conditions import Evaluate, Test, compile_condition, compile_value
from .needs import Needs, needs_of
from .settings import OcaSettings
from .tree import Action, Assignment, Between, Expression, FileSelect, Keyword, RuleFile, walk

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
class CompiledCondition:
    """A condition, and what the pool's index can tell beforehand."""

    test: Test
    needs: Needs


@dataclass(frozen=True, slots=True)
class CompiledSelect:
    """One `select file`.

    Attributes
    ----------
    in_plan
        The condition with preferred windows taken at their word, None if it has none.
    read
        The keywords it reads from candidates.
    """

    rule: FileSelect
    min_ret: int
    max_ret: int | None
    condition: CompiledCondition
    in_plan: CompiledCondition | None
    read: frozenset[str]


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


def compiled_alternatives(
    conditions: tuple[Expression, ...], settings: OcaSettings
) -> tuple[CompiledCondition, ...]:
    """Return the conditions of a plan that rank candidates, ready to run."""
    return _alternatives(_Identity(conditions), settings)


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
    has_preference = any(isinstance(n, Between) and n.is_preference for n in walk(rule.condition))
    return CompiledSelect(
        rule,
        min_ret,
        max_ret,
        _compile(rule.condition, settings),
        _compile(rule.condition, settings, is_strict=True) if has_preference else None,
        frozenset(
            n.name for n in walk(rule.condition) if isinstance(n, Keyword) and not n.of_reference
        ),
    )


@lru_cache(maxsize=256)
def _alternatives(
    conditions: _Identity[tuple[Expression, ...]], settings: OcaSettings
) -> tuple[CompiledCondition, ...]:
    return tuple(_compile(condition, settings) for condition in conditions.node)


def _compile(
    condition: Expression | None, settings: OcaSettings, *, is_strict: bool = False
) -> CompiledCondition:
    return CompiledCondition(
        compile_condition(condition, settings, is_strict=is_strict),
        needs_of(condition, settings, is_strict=is_strict),
    )
