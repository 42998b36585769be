"""What a rule file is about: the raw types it processes, its recipes, the products it knows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .possible import can_hold
from .tree import (
    LAST_FILE_PREFIX,
    Action,
    ClassRule,
    Compare,
    FileSelect,
    Keyword,
    Literal,
    PoolName,
    RuleFile,
    Select,
    Value,
    walk,
)

_CLASS = ("RAW.TYPE", "REFLEX.CATG", "DO.CATG")
_OTHER_CATEGORIES = ("CALIB", "ACQUISITION", "TECHNICAL", "TEST")
# What tells two configurations of an instrument apart, unlike times and names of observations.
_SETUP = re.compile(r"(DET|INS)\.")


@dataclass(frozen=True, slots=True)
class SurveyedType:
    """A raw type that some ``select execute`` can process.

    Attributes
    ----------
    tags
        The classes its frames can have for a recipe.
    is_science
        Whether all its rules ask for DPR.CATG SCIENCE; `is_mixed` when only some do.
    setup
        Keywords that group its frames, or that its calibrations must share.
    """

    name: str
    tags: tuple[str, ...]
    is_science: bool
    is_mixed: bool
    actions: tuple[str, ...]
    recipes: tuple[str, ...]
    setup: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """A rule file, summed up.

    Attributes
    ----------
    recipes
        By name, in order: the categories that ``product`` statements beside it name.
    categories
        Products the rules know: values of PRO.CATG, and classes of the calibrations asked for.
    matched
        Keywords by which calibrations are found, the most used first.
    """

    raw_types: tuple[SurveyedType, ...]
    recipes: dict[str, tuple[str, ...]]
    categories: tuple[str, ...]
    matched: tuple[str, ...]


def survey(rules: RuleFile) -> Survey:
    """Sum up a rule file.

    Examples
    --------
    >>> from .parser import parse
    >>> rules = parse('''
    ...     if DPR.CATG=="CALIB" and DPR.TYPE=="BIAS" then { DO.CATG="BIAS"; }
    ...     if DPR.CATG=="SCIENCE" then { DO.CATG="OBJECT"; }
    ...     if PRO.CATG=="MASTER_BIAS" then { DO.CATG="MASTER_BIAS"; }
    ...     select execute(bias) from inputFiles where DO.CATG=="BIAS" group by DET.READ.SPEED;
    ...     action bias { recipe my_bias; product M { PRO.CATG="MASTER_BIAS"; } }''')
    >>> found = survey(rules)
    >>> [(one.name, one.setup, one.recipes) for one in found.raw_types]
    [('BIAS', ('DET.READ.SPEED',), ('my_bias',))]
    >>> found.recipes, found.categories
    ({'my_bias': ('MASTER_BIAS',)}, ('MASTER_BIAS',))
    """
    matched = [name for action in rules.action_rules for name in _matched(action)]
    raw_types = tuple(_raw_types(rules))
    raw = {tag for one in raw_types for tag in (one.name, *one.tags)}
    return Survey(
        raw_types=raw_types,
        recipes=_recipes(rules),
        categories=tuple(one for one in _unique(_categories(rules)) if one not in raw),
        matched=tuple(sorted(set(matched), key=lambda name: (-matched.count(name), name))),
    )


@dataclass(frozen=True, slots=True)
class _Class:
    """What one rule makes of a raw frame."""

    name: str
    tag: str
    known: dict[str, Value | None]
    is_science: bool


def _raw_types(rules: RuleFile) -> Iterator[SurveyedType]:
    by_name: dict[str, list[_Class]] = {}
    for rule in rules.classification:
        if found := _class_of(rule):
            by_name.setdefault(found.name, []).append(found)
    for name, classes in by_name.items():
        selects = [
            select
            for select in rules.selects
            if any(can_hold(select.condition, one.known) for one in classes)
        ]
        if selects:
            yield _surveyed(name, classes, selects, rules)


def _class_of(rule: ClassRule) -> _Class | None:
    """Return what a rule calls a raw frame; None for rules about products, or about no class."""
    if not can_hold(rule.condition, {"PRO.CATG": None}):
        return None
    given = {
        one.keyword: one.value.value for one in rule.assignments if isinstance(one.value, Literal)
    }
    words = [given.get(key) for key in _CLASS]
    raw_type, *tags = [word if isinstance(word, str) else "" for word in words]
    tag = next(filter(None, tags), "")
    if not (raw_type or tag):
        return None
    known: dict[str, Value | None] = {"PRO.CATG": None, "SIG.TEMPLATE": 1, "SIG.FRAME": 1}
    for key in _CLASS:
        known[key] = known[LAST_FILE_PREFIX + key] = given.get(key)
    return _Class(raw_type or tag, tag, known, _is_science(rule))


def _is_science(rule: ClassRule) -> bool:
    def can_be(category: str) -> bool:
        return can_hold(rule.condition, {"PRO.CATG": None, "DPR.CATG": category})

    return can_be("SCIENCE") and not any(map(can_be, _OTHER_CATEGORIES))


def _surveyed(
    name: str, classes: list[_Class], selects: list[Select], rules: RuleFile
) -> SurveyedType:
    actions = [rules.actions[one.action] for one in selects if one.action in rules.actions]
    grouped = (key for select in selects for key in select.group_by)
    science = [one.is_science for one in classes]
    setup = _unique(
        [*filter(_SETUP.match, grouped), *(key for one in actions for key in _matched(one))]
    )
    return SurveyedType(
        name=name,
        tags=_unique(one.tag for one in classes if one.tag),
        is_science=all(science),
        is_mixed=any(science) and not all(science),
        actions=_unique(select.action for select in selects),
        recipes=_unique(recipe.name for one in actions for recipe in one.recipes),
        setup=setup,
    )


def _matched(action: Action) -> Iterator[str]:
    """Yield the keywords that an action's calibrations must share with its raw frames."""
    for node in walk(action.files):
        match node:
            case Compare("==" | "?=", Keyword(one), Keyword(other)) if one == other:
                if _SETUP.match(one):
                    yield one


def _recipes(rules: RuleFile) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for action in rules.action_rules:
        made = [
            str(one.value.value)
            for product in action.products
            for one in product.assignments
            if one.keyword == "PRO.CATG" and isinstance(one.value, Literal)
        ]
        for recipe in action.recipes:
            found.setdefault(recipe.name, []).extend(made)
    return {name: _unique(made) for name, made in found.items()}


def _categories(rules: RuleFile) -> Iterator[str]:
    yield from _named("PRO.CATG", rules)
    for action in rules.action_rules:
        for one in action.files:
            if one.pool is PoolName.CALIB:
                yield from _named("DO.CATG", one)
    for names in _recipes(rules).values():
        yield from names


def _named(keyword: str, part: RuleFile | FileSelect) -> Iterator[str]:
    """Yield the texts that a keyword is compared with."""
    for node in walk(part):
        match node:
            case Compare("==", Keyword(name), Literal(str(text))) if name == keyword:
                yield text.strip()


def _unique(names: "Iterator[str] | list[str]") -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
