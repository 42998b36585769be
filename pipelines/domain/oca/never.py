"""Selects that can never match, told from the rules alone: they run, and leave blocks without files.

Only what is certain is said: a class that no rule gives, and conditions that exclude each other.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from .errors import OcaWarning
from .printer import print_expression
from .tree import (
    LAST_FILE_PREFIX,
    And,
    Assignment,
    Between,
    Compare,
    Expression,
    FileSelect,
    Is,
    Keyword,
    Like,
    Literal,
    Or,
    Regexp,
    RuleFile,
    Select,
    Value,
    conjuncts,
)
from .values import is_number, same

# No header has these: files get them from rules, products to come from their product statement.
_GIVEN_BY_RULES = frozenset(
    {"RAW.TYPE", "REFLEX.CATG", "REFLEX.TARGET", "DO.CATG", "CATG", "DO.CLASS", "PACK.DIR"}
)
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}
_Given = Mapping[str, "frozenset[str] | None"]


def never_matching(rules: RuleFile) -> Iterator[OcaWarning]:
    """Yield a warning for every select whose condition no file can fulfil.

    Examples
    --------
    >>> from .parser import parse
    >>> rules = parse('if DPR.TYPE=="BIAS" then { RAW.TYPE="BIAS"; }'
    ...               'select execute(x) from inputFiles where RAW.TYPE=="BAIS";')
    >>> print(*never_matching(rules))
    1: select execute(x) can never match: no rule gives RAW.TYPE the value "BAIS"
    """
    classes = [assignment for rule in rules.classification for assignment in rule.assignments]
    made = [a for action in rules.action_rules for p in action.products for a in p.assignments]
    # Without classification the file is a part of one: its classes are given elsewhere.
    of_files = _given(classes) if rules.classification else {}
    of_all = _given([*classes, *made]) if rules.classification else {}
    for select in rules.selects:
        yield from _warning(select, f"select execute({select.action})", of_files)
    for action in rules.action_rules:
        for select_file in action.files:
            if select_file.max_ret != 0:
                yield from _warning(select_file, f"select file as {select_file.label}", of_all)


def _given(assignments: Sequence[Assignment]) -> _Given:
    """Return the values that rules give to keywords of their own; None is any value."""
    found: dict[str, frozenset[str] | None] = dict.fromkeys(_GIVEN_BY_RULES, frozenset())
    for assignment in assignments:
        known = found.get(assignment.keyword)
        if known is None:
            continue
        match assignment.value:
            case Literal(str(text)):
                found[assignment.keyword] = known | {text.rstrip(" ")}
            case _:
                found[assignment.keyword] = None
    return found


def _warning(select: Select | FileSelect, what: str, given: _Given) -> Iterator[OcaWarning]:
    reason = None if select.condition is None else _why_never(select.condition, given)
    if reason is not None:
        yield OcaWarning(select.line, f"{what} can never match: {reason}")


def _why_never(node: Expression, given: _Given) -> str | None:
    """Say why a condition cannot hold; None if it might."""
    match node:
        case And():
            parts = list(conjuncts(node))
            found = [reason for part in parts if (reason := _why_never(part, given))]
            return found[0] if found else _contradiction(parts)
        case Or(operands):
            found = [reason for part in operands if (reason := _why_never(part, given))]
            return found[0] if len(found) == len(operands) else None
        case Compare("==", Keyword(name, False), Literal(str(value))):
            return _not_given(name, value, given)
        case Compare("==", Literal(str(value)), Keyword(name, False)):
            return _not_given(name, value, given)
    return None


def _not_given(name: str, value: str, given: _Given) -> str | None:
    name = name.removeprefix(LAST_FILE_PREFIX)
    known = given.get(name)
    if known is None or value.rstrip(" ") in known:
        return None
    return f'no rule gives {name} the value "{value}"'


def _contradiction(parts: Sequence[Expression]) -> str | None:
    """Return the first two conditions on one keyword that exclude each other."""
    by_keyword: dict[Keyword, list[Expression]] = {}
    for part in parts:
        keyword = _subject(part)
        if keyword is not None:
            by_keyword.setdefault(keyword, []).append(part)
    for conditions in by_keyword.values():
        for n, one in enumerate(conditions):
            for other in conditions[n + 1 :]:
                if _exclude(one, other):
                    both = f"{print_expression(one)} and {print_expression(other)}"
                    return f"{both} exclude each other"
    return None


def _subject(part: Expression) -> Keyword | None:
    """Return the one keyword that a condition is about."""
    match part:
        case Compare(_, Keyword() as keyword, Literal()) | Compare(
            _, Literal(), Keyword() as keyword
        ):
            return keyword
        case Is(Keyword() as keyword, _) | Like(Keyword() as keyword, _):
            return keyword
        case Regexp(Keyword() as keyword, _) | Between(Keyword() as keyword, _, _, False):
            return keyword
    return None


def _exclude(one: Expression, other: Expression) -> bool:
    if _is_undefined(one) or _is_undefined(other):
        return _needs_value(one) or _needs_value(other)
    first, second = _equal_to(one), _equal_to(other)
    if first is not None and second is not None:
        return not same(first, second)
    return _no_number_in(one, other)


def _is_undefined(part: Expression) -> bool:
    return isinstance(part, Is) and part.state == "undefined"


def _needs_value(part: Expression) -> bool:
    """Whether a condition is false for an undefined keyword."""
    if isinstance(part, Compare):
        return part.operator not in {"!=", "?="}
    return not _is_undefined(part)


def _equal_to(part: Expression) -> Value | None:
    match part:
        case Compare("==", Literal(value), _) | Compare("==", _, Literal(value)):
            return value
    return None


def _no_number_in(one: Expression, other: Expression) -> bool:
    """Whether two ranges of numbers have none in common."""
    first, second = _range(one), _range(other)
    if first is None or second is None:
        return False
    return max(first[0], second[0]) > min(first[1], second[1])


def _range(part: Expression) -> tuple[tuple[float, int], tuple[float, int]] | None:
    """Return the first and the last number that fulfil a condition.

    Each with a step, 1 or -1, where the number itself does not.
    """
    match part:
        case Compare(sign, Keyword(), Literal(value)) if sign in _FLIPPED and is_number(value):
            return _span(sign, float(value))
        case Compare(sign, Literal(value), Keyword()) if sign in _FLIPPED and is_number(value):
            return _span(_FLIPPED[sign], float(value))
    return None


def _span(sign: str, value: float) -> tuple[tuple[float, int], tuple[float, int]]:
    low, high = (-math.inf, 0), (math.inf, 0)
    if sign in {"==", ">", ">="}:
        low = (value, 1 if sign == ">" else 0)
    if sign in {"==", "<", "<="}:
        high = (value, -1 if sign == "<" else 0)
    return low, high
