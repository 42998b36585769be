"""What a file must have to pass a condition, so far as an index can look it up.

An archive holds tens of thousands of calibrations, and nearly every select names a category, joins
a few keywords to the reference file and keeps near in time: three things to look up, not to try.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from .conditions import Evaluate, compile_value
from .settings import DEFAULT_SETTINGS, OcaSettings
from .tree import (
    And,
    Arithmetic,
    Between,
    Compare,
    Expression,
    Keyword,
    Keywords,
    Literal,
    Or,
    Signed,
    Value,
    conjuncts,
    walk,
)

INDEXED_KEYWORDS = frozenset({"PRO.CATG", "DO.CATG", "REFLEX.CATG", "RAW.TYPE", "CATG"})
"""Keywords by which pools are indexed: nearly every select tests one of them for equality."""

IndexKey: TypeAlias = tuple[str, tuple[str, ...]]
"""A keyword, and the values one of which a file must have to pass a condition."""

JoinValue: TypeAlias = tuple[bool, Value]
"""A header value so that equal means the same as in rules, where 1 and T are unlike."""

TimeRange: TypeAlias = tuple[float, float]
"""The first and the last MJD-OBS that could pass, generously; infinite where nothing bounds it."""

ANY_TIME: TimeRange = (-math.inf, math.inf)
_NEVER: TimeRange = (math.inf, -math.inf)
_TIME = "MJD-OBS"
# The condition is asked again, exactly; this keeps rounding from deciding before it.
_SLACK_DAYS = 1e-6
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Join:
    """``inputFile.K == L``: a keyword of the reference, and one of the file that equals it."""

    of_reference: str
    keyword: str


@dataclass(frozen=True, slots=True)
class TimeBound:
    """A bound of MJD-OBS that is a sum over the reference file, say of its date and a number."""

    is_lower: bool
    terms: tuple[tuple[int, Evaluate], ...]

    def narrow(self, found: TimeRange, reference: Keywords) -> TimeRange:
        """Return the part of a range that this bound leaves."""
        values = [(sign, term({}, reference)) for sign, term in self.terms]
        if any(value is None for _, value in values):
            return _NEVER  # a comparison with something undefined is false
        numbers = [sign * value for sign, value in values if isinstance(value, int | float)]
        if len(numbers) < len(values) or any(isinstance(value, bool) for _, value in values):
            return found
        at = math.fsum(numbers)
        slack = _SLACK_DAYS + 1e-9 * math.fsum(map(abs, numbers))
        if not math.isfinite(slack):
            return found
        first, last = found
        return (max(first, at - slack), last) if self.is_lower else (first, min(last, at + slack))


@dataclass(frozen=True, slots=True)
class Needs:
    """What a condition cannot do without.

    Attributes
    ----------
    key
        The values of an indexed keyword; None if any could pass.
    joins
        Keywords that must equal keywords of the reference file.
    bounds
        Bounds of MJD-OBS.
    is_all
        Whether key and joins say everything, so that what the index gives need not be tested.
    """

    key: IndexKey | None = None
    joins: tuple[Join, ...] = ()
    bounds: tuple[TimeBound, ...] = ()
    is_all: bool = True

    def time_range(self, reference: Keywords) -> TimeRange:
        """Return when a file must have been taken to pass."""
        found = ANY_TIME
        for bound in self.bounds:
            found = bound.narrow(found, reference)
        return found


def needs_of(
    condition: Expression | None,
    settings: OcaSettings = DEFAULT_SETTINGS,
    *,
    is_strict: bool = False,
) -> Needs:
    """Say what an index can look up of a condition; `is_strict` as for its test.

    Examples
    --------
    >>> from .parser import parse_condition
    >>> needs = needs_of(parse_condition('PRO.CATG=="BIAS" and inputFile.DET.BINX==DET.BINX'
    ...                                  ' and MJD-OBS > inputFile.MJD-OBS - 7'))
    >>> needs.key, needs.joins
    (('PRO.CATG', ('BIAS',)), (Join(of_reference='DET.BINX', keyword='DET.BINX'),))
    >>> [round(mjd, 3) for mjd in needs.time_range({"MJD-OBS": 57080.0})], needs.is_all
    ([57073.0, inf], False)
    """
    parts = list(conjuncts(condition))
    joins = {part: join for part in parts if (join := _join(part)) is not None}
    rest = [part for part in parts if part not in joins]
    bounds = [bound for part in rest for bound in _bounds(part, settings, is_strict=is_strict)]
    return Needs(
        index_key(condition),
        tuple(dict.fromkeys(joins.values())),
        tuple(bounds),
        len(rest) <= 1 and all(map(_is_key_alone, rest)),
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


def both_keys(one: IndexKey | None, other: IndexKey | None) -> IndexKey | None:
    """Return an index key for two conditions at once.

    >>> both_keys(("PRO.CATG", ("SKY", "SKY_LINES")), ("PRO.CATG", ("SKY_LINES",)))
    ('PRO.CATG', ('SKY_LINES',))
    """
    if one is None or other is None:
        return one or other
    if one[0] != other[0]:
        return one
    return one[0], tuple(value for value in one[1] if value in other[1])


def _union(keys: list[IndexKey | None]) -> IndexKey | None:
    """Join what the branches of an `or` allow, if all speak of the same keyword."""
    known = [key for key in keys if key is not None]
    names = {name for name, _ in known}
    if len(known) < len(keys) or len(names) != 1:
        return None
    # A dict, not a set: the order of candidates must not depend on the hash of a text.
    values = dict.fromkeys(value for _, values in known for value in values)
    return names.pop(), tuple(values)


def _is_key_alone(part: Expression) -> bool:
    """Tell a condition that says nothing beside its index key."""
    if isinstance(part, Or) and not all(isinstance(operand, Compare) for operand in part.operands):
        return False
    return isinstance(part, Compare | Or) and index_key(part) is not None


def join_value(value: Value | None) -> JoinValue | None:
    """Return a header value as a key by which equal values meet; None if it equals nothing.

    >>> join_value("2x2  "), join_value(2) == join_value(2.0), join_value(1) == join_value(True)
    ((False, '2x2'), True, False)
    """
    if isinstance(value, str):
        return (False, value.rstrip(" "))
    # NaN, which equals nothing, not even itself.
    if value is None or value != value:
        return None
    return (isinstance(value, bool), value)


def _join(part: Expression) -> Join | None:
    match part:
        case Compare("==", Keyword(one, True), Keyword(other, False)):
            return Join(one, other)
        case Compare("==", Keyword(one, False), Keyword(other, True)):
            return Join(other, one)
    return None


def _bounds(part: Expression, settings: OcaSettings, *, is_strict: bool) -> Iterator[TimeBound]:
    match part:
        case Between(operand, low, high, is_preference) if is_strict or not is_preference:
            yield from _bounds(Compare("<=", low, operand), settings, is_strict=is_strict)
            yield from _bounds(Compare("<=", operand, high), settings, is_strict=is_strict)
        case Compare(sign, left, right) if sign in _FLIPPED:
            one, other = _sum(left, 1), _sum(right, -1)
            if one is None or other is None or one[0] + other[0] not in {1, -1}:
                return
            # side * MJD-OBS + terms, compared with zero
            side, terms = one[0] + other[0], (*one[1], *other[1])
            sign = sign if side == 1 else _FLIPPED[sign]
            yield TimeBound(
                sign in {">", ">="},
                tuple((-side * each, compile_value(term, settings)) for each, term in terms),
            )


def _sum(node: Expression, sign: int) -> tuple[int, tuple[tuple[int, Expression], ...]] | None:
    """Take a sum apart: how often MJD-OBS of the file is in it, and the terms without it.

    None if the file itself has more to say in it.
    """
    match node:
        case Keyword(name, False):
            return (sign, ()) if name == _TIME else None
        case Signed(operator, operand):
            return _sum(operand, -sign if operator == "-" else sign)
        case Arithmetic("+" | "-" as operator, left, right):
            one, other = _sum(left, sign), _sum(right, -sign if operator == "-" else sign)
            if one is None or other is None:
                return None
            return one[0] + other[0], (*one[1], *other[1])
    if any(isinstance(each, Keyword) and not each.of_reference for each in walk(node)):
        return None
    return 0, ((sign, node),)
