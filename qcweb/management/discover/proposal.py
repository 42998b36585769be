"""Puts together what is proposed for one instrument."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.domain import oca
from pipelines.domain.recipe_parameters import RecipeParameter
from pipelines.recipes.metadata import MetadataError, read_manual, read_parameters

from . import known
from .installed import Contents, DiscoveryError, Installed, read_installed
from .tables import Maker, Tables, propose_tables

# Where a manual page begins to speak of products; before that it names what goes in.
_PRODUCTS = re.compile(r"Product frames|Output files|PRO CATG")
_CATEGORY = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


@dataclass(frozen=True)
class ProposedRecipe:
    """A recipe that the rules name, or whose tags differ from theirs."""

    name: str
    products: tuple[str, ...]
    facts: known.RecipeFacts
    parameters: list[RecipeParameter]
    is_in_rules: bool


@dataclass(frozen=True)
class Proposal:
    """What an instrument's folder will say."""

    installed: Installed
    contents: Contents
    name: str
    recipes: list[ProposedRecipe]
    missing_recipes: list[str]
    survey: oca.Survey
    tables: Tables

    @property
    def header_names(self) -> list[str]:
        instrument = self.contents.dictionary.instrument
        return list(known.HEADER_NAMES.get(instrument, (instrument,)))


def propose(installed: Installed, taken: frozenset[str]) -> Proposal:
    """Make a proposal of what is installed; a name that is `taken` by a folder gets an ending.

    Raises
    ------
    DiscoveryError
        Something is missing, broken or does not answer.
    """
    contents = read_installed(installed)
    found = oca.survey(contents.rules)
    name = contents.dictionary.instrument
    if name in taken:
        name = f"{name}_ESO"
    try:
        recipes = [_recipe(installed.pipeline, one, found) for one in _wanted(contents, found)]
        makers = list(_makers(installed.pipeline, recipes, found))
    except MetadataError as error:
        raise DiscoveryError(f"{installed.folder.name}: {error}") from error
    tables = propose_tables(name.lower(), contents.dictionary.parameters, makers, found)
    if not tables.tables:
        raise DiscoveryError(
            f"{contents.dictionary_file}: no QC parameter can be read from any product."
        )
    return Proposal(
        installed=installed,
        contents=contents,
        name=name,
        recipes=recipes,
        missing_recipes=[one for one in found.recipes if one not in contents.recipes],
        survey=found,
        tables=tables,
    )


def _wanted(contents: Contents, found: oca.Survey) -> list[str]:
    """Return the recipes to describe: those of the rules, and those that need other tags."""
    facts = known.all_facts()
    more = [one for one in facts if facts[one].tags and one not in found.recipes]
    return [one for one in [*found.recipes, *more] if one in contents.recipes]


def _recipe(pipeline: str, name: str, found: oca.Survey) -> ProposedRecipe:
    facts = known.facts_of(name)
    return ProposedRecipe(
        name=name,
        products=tuple(dict.fromkeys([*found.recipes.get(name, ()), *facts.products])),
        facts=facts,
        parameters=_once(read_parameters(pipeline, name)),
        is_in_rules=name in found.recipes,
    )


def _once(parameters: list[RecipeParameter]) -> list[RecipeParameter]:
    return list({one.name: one for one in parameters}.values())


def _makers(pipeline: str, recipes: list[ProposedRecipe], found: oca.Survey) -> Iterator[Maker]:
    raw = {tag for one in found.raw_types for tag in (one.name, *one.tags)}
    for recipe in recipes:
        named = products_in_manual(read_manual(pipeline, recipe.name))
        made = [*recipe.products, *recipe.facts.may_make, *named]
        yield Maker(
            recipe=recipe.name,
            products=tuple(one for one in dict.fromkeys(made) if one not in raw),
            raw_types=tuple(one for one in found.raw_types if recipe.name in one.recipes),
        )


def products_in_manual(page: str) -> list[str]:
    """Return the categories that a manual page names where it speaks of products."""
    where = _PRODUCTS.search(page)
    return _CATEGORY.findall(page[where.end() :]) if where else []
