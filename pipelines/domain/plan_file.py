"""What ``levels.toml`` says: what is wanted more, how near in time, and what parts two times."""

import datetime as dt
from collections.abc import Collection

from .oca import AssociationPlan, Breakpoint, OcaSyntaxError, Window, parse_condition
from .oca.tree import Expression
from .times import datetime_to_mjd
from .toml_reader import Section, read_toml


def parse_plan(file: str, source: str, labels: Collection[str] | None = None) -> AssociationPlan:
    r"""Read windows, alternatives and breakpoints.

    Parameters
    ----------
    labels
        What the rules ask for, to refuse a label that is none of these; None takes any.

    Raises
    ------
    DefinitionError
        With file and line of what is wrong.

    Examples
    --------
    >>> plan = parse_plan("levels.toml", '[[associations]]\nlabel = "MASTER_BIAS"\n'
    ...                   'plan_days = [-1, 1]\nextended_days = [-30, 30]')
    >>> [plan.level("DARK", "MASTER_BIAS", days) for days in (-1.0, -2.0, -31.0)]
    [0, 1, None]
    """
    top = read_toml(file, source)
    windows: dict[tuple[str, str], tuple[Window, ...]] = {}
    alternatives: dict[tuple[str, str], tuple[Expression, ...]] = {}
    for part in top.sections("associations"):
        key = (part.text("action", ""), part.text("label"))
        if key in windows:
            raise part.error("label", f"a second entry for {' '.join(filter(None, key))}")
        windows[key] = tuple(_windows(part))
        alternatives[key] = tuple(_alternatives(part))
        # First: the key that is lacking may be there, and misspelt.
        part.done()
        if not windows[key] and not alternatives[key]:
            raise part.error("", "plan_days, extended_days or alternatives is needed")
        if labels is not None and key[1] not in labels:
            known = ", ".join(sorted(labels)) or "none"
            raise part.error("label", f"label = {key[1]!r}: the rules ask for {known}")
    breakpoints = tuple(map(_breakpoint, top.sections("breakpoints")))
    top.done()
    return AssociationPlan(windows, breakpoints, alternatives)


def _windows(part: Section) -> list[Window]:
    """Return the windows of an entry; later ones are worse."""
    return [
        Window(*_ends(part, key), level)
        for level, key in enumerate(("plan_days", "extended_days"))
        if part.raw(key) is not None
    ]


def _alternatives(part: Section) -> list[Expression]:
    """Return the conditions of an entry, the most wanted first."""
    return [_condition(part, text) for text in part.texts("alternatives", [])]


def _condition(part: Section, text: str) -> Expression:
    try:
        return parse_condition(text)
    except OcaSyntaxError as error:
        found = f", found {error.found}" if error.found else ""
        expected = f"character {error.column}: expected {error.expected}{found}"
        raise part.error_at("alternatives", text, f"alternatives: {text!r}: {expected}") from error


def _ends(part: Section, key: str) -> tuple[float, float]:
    ends = part.numbers(key)
    if len(ends) != 2 or ends[0] > ends[1]:
        raise part.error(key, f"{key} = {ends}: expected [first, last] in days, e.g. [-1, 1]")
    return ends[0], ends[1]


def _breakpoint(part: Section) -> Breakpoint:
    at = part.raw("at")
    if not isinstance(at, dt.datetime):
        raise part.error("at", f"at = {at!r}: expected a UT time such as 2024-01-31T12:00:00Z")
    utc = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    one = Breakpoint(
        mjd=datetime_to_mjd(utc),
        reason=part.text("reason"),
        categories=frozenset(part.texts("categories", [])),
    )
    part.done()
    return one
