"""What a condition can still be when only some keywords are known."""

from collections.abc import Mapping
from typing import TypeAlias

from .conditions import compile_condition
from .tree import And, Expression, Keyword, Not, Or, Value, walk

Known: TypeAlias = Mapping[str, Value | None]
"""Keywords of which the value is known; None is known to be undefined."""

_ANY = frozenset({True, False})


def can_hold(condition: Expression | None, known: Known) -> bool:
    """Tell whether any header with these keywords can satisfy a condition.

    Parts are looked at one by one: True may be too hopeful, False never is.

    Examples
    --------
    >>> from .parser import parse
    >>> rules = parse('if DPR.CATG=="CALIB" and DPR.TYPE like "%BIAS%" then { DO.CATG="BIAS"; }')
    >>> condition = rules.classification[0].condition
    >>> can_hold(condition, {"DPR.CATG": "CALIB"}), can_hold(condition, {"DPR.CATG": None})
    (True, False)
    """
    return True in _outcomes(condition, known)


def _outcomes(node: Expression | None, known: Known) -> frozenset[bool]:
    match node:
        case None:
            return frozenset({True})
        case Not(operand):
            return frozenset(not one for one in _outcomes(operand, known))
        case And(operands):
            return _chain([_outcomes(one, known) for one in operands], decisive=False)
        case Or(operands):
            return _chain([_outcomes(one, known) for one in operands], decisive=True)
    keywords = [one for one in walk(node) if isinstance(one, Keyword)]
    if any(one.of_reference or one.name not in known for one in keywords):
        return _ANY
    header = {name: value for name, value in known.items() if value is not None}
    return frozenset({compile_condition(node)(header, {})})


def _chain(parts: list[frozenset[bool]], *, decisive: bool) -> frozenset[bool]:
    """Return what a chain can be: one part that is `decisive` decides it, else all must agree."""
    found = set()
    if any(decisive in part for part in parts):
        found.add(decisive)
    if all((not decisive) in part for part in parts):
        found.add(not decisive)
    return frozenset(found)
