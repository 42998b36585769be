"""Conditions and values as text: from tokens to the tree, loosest binding first.

``or`` < ``and`` < ``not`` < relation < ``+ -`` < ``* / %`` < sign.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from .patterns import may_hang
from .tokens import REFERENCE_PREFIX, Cursor, Kind, number, unquote
from .tree import (
    And,
    Arithmetic,
    Between,
    Compare,
    Expression,
    Is,
    Keyword,
    Like,
    Literal,
    Not,
    Or,
    Regexp,
    Signed,
)

RELATIONS = ("==", "!=", "?=", "<", "<=", ">", ">=")
_Reader: TypeAlias = Callable[[], Expression]
_LOGICAL = {"T": True, "F": False}
# Real conditions nest six deep. The limit keeps a hostile file from exhausting Python's stack,
# here and wherever the tree is walked.
_DEEPEST = 40


class ExpressionParser:
    """Reads one expression from where the cursor stands."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._depth = 0

    def expression(self) -> Expression:
        """Read a chain of ``or``."""
        line = self._cursor.line
        self._deeper()
        operands = [self._conjunction()]
        while self._cursor.take("or"):
            operands.append(self._conjunction())
        self._depth -= 1
        return operands[0] if len(operands) == 1 else Or(tuple(operands), line)

    def _conjunction(self) -> Expression:
        line = self._cursor.line
        operands = [self._negation()]
        while self._cursor.take("and"):
            operands.append(self._negation())
        return operands[0] if len(operands) == 1 else And(tuple(operands), line)

    def _negation(self) -> Expression:
        line = self._cursor.line
        if not self._cursor.take("not"):
            return self._relation()
        self._deeper()
        operand = self._negation()
        self._depth -= 1
        return Not(operand, line)

    def _relation(self) -> Expression:
        left = self._sum()
        operator = self._cursor.token.text
        if operator in RELATIONS:
            line = self._cursor.advance().line
            return Compare(operator, left, self._sum(), line)
        read_rest = _WORD_RELATIONS.get(operator)
        return left if read_rest is None else read_rest(self, left)

    def _like(self, left: Expression) -> Expression:
        line = self._cursor.advance().line
        return Like(left, self._sum(), line)

    def _regexp(self, left: Expression) -> Expression:
        line = self._cursor.advance().line
        if self._cursor.token.kind is not Kind.STRING:
            self._cursor.fail("a regular expression in quotes")
        pattern = unquote(self._cursor.token.text)
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            self._cursor.fail(f"a regular expression that can be read ({error})")
        if may_hang(pattern):
            self._cursor.fail("a regular expression without repeats of what repeats or has choices")
        self._cursor.advance()
        return Regexp(left, pattern, line)

    def _is(self, left: Expression) -> Expression:
        line = self._cursor.advance().line
        state = self._cursor.token.text
        if state not in {"undefined", "string"}:
            self._cursor.fail("'undefined' or 'string'")
        self._cursor.advance()
        return Is(left, state, line)

    def _between(self, left: Expression) -> Expression:
        word = self._cursor.advance()
        low = self._sum()
        self._cursor.expect("and")
        return Between(left, low, self._sum(), word.text == "tryBetween", word.line)

    def _sum(self) -> Expression:
        return self._chain(("+", "-"), self._term)

    def _term(self) -> Expression:
        return self._chain(("*", "/", "%"), self._signed)

    def _chain(self, operators: tuple[str, ...], read_operand: _Reader) -> Expression:
        """Read operands joined by operators that bind to the left."""
        left = read_operand()
        depth = self._depth
        while self._cursor.token.text in operators:
            # Each step puts the tree so far one level down, as a parenthesis would.
            self._deeper()
            operator = self._cursor.advance()
            left = Arithmetic(operator.text, left, read_operand(), operator.line)
        self._depth = depth
        return left

    def _signed(self) -> Expression:
        token = self._cursor.token
        if token.text not in {"-", "+"}:
            return self._primary()
        self._cursor.advance()
        self._deeper()
        operand = self._signed()
        self._depth -= 1
        return Signed(token.text, operand, token.line)

    def _primary(self) -> Expression:
        token = self._cursor.token
        if token.text == "(":
            self._cursor.advance()
            inner = self.expression()
            self._cursor.expect(")")
            return inner
        if token.kind is Kind.STRING:
            return Literal(unquote(self._cursor.advance().text), token.line)
        if token.kind is Kind.NUMBER:
            return Literal(number(self._cursor.advance()), token.line)
        if token.kind is not Kind.KEYWORD:
            self._cursor.fail("a keyword, a string, a number or '('")
        return self._keyword()

    def _keyword(self) -> Expression:
        token = self._cursor.advance()
        if token.text in _LOGICAL:
            return Literal(_LOGICAL[token.text], token.line)
        of_reference = token.text.startswith(REFERENCE_PREFIX)
        return Keyword(token.text.removeprefix(REFERENCE_PREFIX), of_reference, token.line)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._cursor.fail(f"an expression nested at most {_DEEPEST} deep")


_WORD_RELATIONS = {
    "like": ExpressionParser._like,
    "regexp": ExpressionParser._regexp,
    "is": ExpressionParser._is,
    "between": ExpressionParser._between,
    "tryBetween": ExpressionParser._between,
}
