"""Conditions as functions of two headers: the file looked at, and the reference file.

A rule set is compiled once and run over many files, so every node of the tree becomes a closure.
An undefined keyword is None between closures and makes almost every test false:

====================  ============  =============  ==============
expression            both defined  one undefined  both undefined
====================  ============  =============  ==============
``a == b``            compare       false          false
``a ?= b``            compare       true           true
``a != b``            compare       true           false
``a < b`` and so on   compare       false          false
``a like "p"``        match         false          –
``a is undefined``    false         true           –
``a is string``       is it text    false          –
``a + b`` and so on   value         undefined      undefined
====================  ============  =============  ==============
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from .settings import DEFAULT_SETTINGS, OcaSettings
from .tree import (
    And,
    Arithmetic,
    Between,
    Compare,
    Expression,
    Is,
    Keyword,
    Keywords,
    Like,
    Literal,
    Not,
    Or,
    Regexp,
    Signed,
    Value,
)
from .values import combine, in_order, like_test, same

Test: TypeAlias = Callable[[Keywords, Keywords], bool]
"""A compiled condition: ``test(keywords, reference)``."""

Evaluate: TypeAlias = Callable[[Keywords, Keywords], Value | None]
"""A compiled value; None is undefined."""


@dataclass(frozen=True, slots=True)
class _Mode:
    settings: OcaSettings
    # What a preferred window (tryBetween) counts as: None for whether it holds.
    preference: bool | None


def compile_condition(
    expression: Expression | None,
    settings: OcaSettings = DEFAULT_SETTINGS,
    *,
    is_strict: bool = False,
) -> Test:
    """Make a test of a condition.

    Parameters
    ----------
    expression
        The condition; None is always true.
    settings
        Choices about ``!=`` and ``between``.
    is_strict
        Take preferred windows (tryBetween) at their word. Otherwise they reject nothing, and a
        file that passes only then lies outside the plan.

    Examples
    --------
    >>> condition = Compare("==", Keyword("DET.BIN", of_reference=True), Keyword("DET.BIN"))
    >>> test = compile_condition(condition)
    >>> test({"DET.BIN": 2}, {"DET.BIN": 2.0}), test({}, {})
    (True, False)
    """
    if expression is None:
        return _always
    return _test(expression, _Mode(settings, None if is_strict else True))


def compile_value(expression: Expression, settings: OcaSettings = DEFAULT_SETTINGS) -> Evaluate:
    """Make a function that computes a value; a condition gives a logical value.

    Examples
    --------
    >>> value = compile_value(Arithmetic("-", Keyword("MJD-OBS"), Literal(15.0)))
    >>> value({"MJD-OBS": 57023.5}, {}), value({}, {})
    (57008.5, None)
    """
    return _value(expression, _Mode(settings, True))


def _always(_keywords: Keywords, _reference: Keywords) -> bool:
    return True


def _test(node: Expression, mode: _Mode) -> Test:
    compile_test = _TESTS.get(type(node))
    if compile_test is not None:
        return compile_test(node, mode)
    value = _value(node, mode)
    return lambda keywords, reference: value(keywords, reference) is True


def _value(node: Expression, mode: _Mode) -> Evaluate:
    compile_value_of = _VALUES.get(type(node))
    return _test(node, mode) if compile_value_of is None else compile_value_of(node, mode)


# --- values


def _literal(node: Literal, _mode: _Mode) -> Evaluate:
    value = node.value
    return lambda keywords, reference: value


def _keyword(node: Keyword, _mode: _Mode) -> Evaluate:
    name = node.name
    if node.of_reference:
        return lambda keywords, reference: reference.get(name)
    return lambda keywords, reference: keywords.get(name)


def _signed(node: Signed, mode: _Mode) -> Evaluate:
    operand, sign = _value(node.operand, mode), -1 if node.operator == "-" else 1

    def evaluate(keywords: Keywords, reference: Keywords) -> Value | None:
        value = operand(keywords, reference)
        return None if value is None else combine(sign, "*", value)

    return evaluate


def _arithmetic(node: Arithmetic, mode: _Mode) -> Evaluate:
    left, right, sign = _value(node.left, mode), _value(node.right, mode), node.operator

    def evaluate(keywords: Keywords, reference: Keywords) -> Value | None:
        a, b = left(keywords, reference), right(keywords, reference)
        return None if a is None or b is None else combine(a, sign, b)

    return evaluate


# --- conditions


def _compare(node: Compare, mode: _Mode) -> Test:
    match node:
        # A rule file has thousands of these, so they get the shortest way.
        case Compare("==", Keyword(name, False), Literal(str(text))):
            return _equals_text(name, text)
    left, right = _value(node.left, mode), _value(node.right, mode)
    compare = _relation(node.operator, mode.settings)

    def test(keywords: Keywords, reference: Keywords) -> bool:
        return compare(left(keywords, reference), right(keywords, reference))

    return test


def _relation(sign: str, settings: OcaSettings) -> Callable[[Value | None, Value | None], bool]:
    if sign == "==":
        return lambda a, b: a is not None and b is not None and same(a, b)
    if sign == "?=":
        return lambda a, b: a is None or b is None or same(a, b)
    if sign == "!=":
        return _unequal if settings.undefined_is_unequal else _unequal_if_defined
    return lambda a, b: a is not None and b is not None and in_order(a, sign, b)


def _unequal(a: Value | None, b: Value | None) -> bool:
    if a is None or b is None:
        return a is not b
    return not same(a, b)


def _unequal_if_defined(a: Value | None, b: Value | None) -> bool:
    return a is not None and b is not None and not same(a, b)


def _equals_text(name: str, text: str) -> Test:
    text = text.rstrip(" ")

    def test(keywords: Keywords, _reference: Keywords) -> bool:
        value = keywords.get(name)
        # Nearly all values have no trailing blank; only those that have pay for the strip.
        return value == text or (
            isinstance(value, str) and value[-1:] == " " and value.rstrip(" ") == text
        )

    return test


def _like(node: Like, mode: _Mode) -> Test:
    operand = _value(node.operand, mode)
    if isinstance(node.pattern, Literal) and isinstance(node.pattern.value, str):
        matches = like_test(node.pattern.value)

        def test(keywords: Keywords, reference: Keywords) -> bool:
            value = operand(keywords, reference)
            return isinstance(value, str) and matches(value)

        return test
    pattern = _value(node.pattern, mode)

    def test_pattern(keywords: Keywords, reference: Keywords) -> bool:
        value, text = operand(keywords, reference), pattern(keywords, reference)
        return isinstance(value, str) and isinstance(text, str) and like_test(text)(value)

    return test_pattern


def _regexp(node: Regexp, mode: _Mode) -> Test:
    operand, pattern = _value(node.operand, mode), re.compile(node.pattern)

    def test(keywords: Keywords, reference: Keywords) -> bool:
        value = operand(keywords, reference)
        return isinstance(value, str) and pattern.search(value) is not None

    return test


def _is(node: Is, mode: _Mode) -> Test:
    operand = _value(node.operand, mode)
    if node.state == "undefined":
        return lambda keywords, reference: operand(keywords, reference) is None
    return lambda keywords, reference: isinstance(operand(keywords, reference), str)


def _between(node: Between, mode: _Mode) -> Test:
    if node.is_preference and mode.preference is not None:
        verdict = mode.preference
        return lambda keywords, reference: verdict
    sign = "<=" if mode.settings.between_is_inclusive else "<"
    above = _compare(Compare(sign, node.low, node.operand), mode)
    below = _compare(Compare(sign, node.operand, node.high), mode)
    return lambda keywords, reference: above(keywords, reference) and below(keywords, reference)


def _not(node: Not, mode: _Mode) -> Test:
    # Below a `not`, a preferred window must count as false to reject nothing.
    flipped = None if mode.preference is None else not mode.preference
    operand = _test(node.operand, replace(mode, preference=flipped))
    return lambda keywords, reference: not operand(keywords, reference)


def _and(node: And, mode: _Mode) -> Test:
    tests = tuple(_test(operand, mode) for operand in node.operands)

    def test(keywords: Keywords, reference: Keywords) -> bool:
        # A loop, not all(): a generator costs more than the tests themselves.
        for operand in tests:  # noqa: SIM110
            if not operand(keywords, reference):
                return False
        return True

    return test


def _or(node: Or, mode: _Mode) -> Test:
    tests = tuple(_test(operand, mode) for operand in node.operands)

    def test(keywords: Keywords, reference: Keywords) -> bool:
        for operand in tests:  # noqa: SIM110
            if operand(keywords, reference):
                return True
        return False

    return test


_TESTS: dict[type, Callable[[Any, _Mode], Test]] = {
    Compare: _compare,
    Like: _like,
    Regexp: _regexp,
    Is: _is,
    Between: _between,
    Not: _not,
    And: _and,
    Or: _or,
}
_VALUES: dict[type, Callable[[Any, _Mode], Evaluate]] = {
    Literal: _literal,
    Keyword: _keyword,
    Signed: _signed,
    Arithmetic: _arithmetic,
}
