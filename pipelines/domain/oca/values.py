"""How header values compare, combine and turn into text.

Texts compare as in FITS: case counts, trailing blanks do not. Whole and broken numbers compare as
numbers and exactly. A logical value equals only its like. Values of unlike kinds are never equal
and have no order.
"""

import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from .tree import Value

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}


def is_number(value: object) -> bool:
    """Tell a number from a text and from a logical value, which Python counts as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(left: Value, right: Value) -> bool:
    """Compare two defined values.

    Examples
    --------
    >>> same("BIAS  ", "BIAS"), same(3, 3.0), same(1, True), same("3", 3)
    (True, True, False, False)
    """
    if isinstance(left, str):
        return isinstance(right, str) and left.rstrip(" ") == right.rstrip(" ")
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def in_order(left: Value, sign: str, right: Value) -> bool:
    """Compare two defined values by ``<``, ``<=``, ``>`` or ``>=``; false for unlike kinds."""
    if isinstance(left, str) and isinstance(right, str):
        return _ORDER[sign](left.rstrip(" "), right.rstrip(" "))
    return is_number(left) and is_number(right) and _ORDER[sign](left, right)


def kind_of(value: Value) -> str:
    """Name the kind of a value; values of unlike kinds cannot be compared."""
    if isinstance(value, bool):
        return "logical value"
    return "text" if isinstance(value, str) else "number"


def combine(left: Value, sign: str, right: Value) -> Value | None:
    """Add, subtract, … two defined values; None, undefined, if that makes no sense.

    Examples
    --------
    >>> combine(57023.5, "-", 15), combine("[", "+", 3), combine(1, "/", 0)
    (57008.5, '[3', None)
    """
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _calculate(left, sign, right)
    if sign == "+":
        return as_text(left) + as_text(right)
    return None


def _calculate(left: float, sign: str, right: float) -> int | float | None:
    if isinstance(left, bool) or isinstance(right, bool):
        return None
    try:
        result = _ARITHMETIC[sign](left, right)
        return result if math.isfinite(result) else None
    except ArithmeticError:
        return None


def as_text(value: Value) -> str:
    """Write a value as text that it is joined to would read."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return value if isinstance(value, str) else repr(value)


@lru_cache(maxsize=4096)
def like_test(pattern: str) -> Callable[[str], bool]:
    """Return the test for a `like` pattern: ``%`` is any run of characters, all else is itself.

    Examples
    --------
    >>> like_test("%x11")("5.0x11"), like_test("%x11")("5.0x11S"), like_test("WAVE")("WAVE,SC")
    (True, False, False)
    """
    pattern = pattern.rstrip(" ")
    first, *middle = pattern.split("%")
    if not middle:
        return lambda text: text.rstrip(" ") == first
    last = middle.pop()
    # Nearly every pattern has its % at the ends; plain string tests are six times faster there.
    if not first and not last and len(middle) == 1:
        return lambda text: middle[0] in text
    if not middle and not last:
        return lambda text: text.startswith(first)
    if not middle and not first:
        return lambda text: text.rstrip(" ").endswith(last)
    return lambda text: _holds_in_order(text.rstrip(" "), first, middle, last)


def _holds_in_order(text: str, first: str, middle: list[str], last: str) -> bool:
    """Tell whether a text begins with one part, ends with another and holds others in between.

    Each part where it is first found leaves most room for the next: no regular expression, which
    would try them everywhere.
    """
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True
