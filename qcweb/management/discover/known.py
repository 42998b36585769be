"""What no installed file says: measured with the recipes of Debian 12, for the user to review."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.services.inputs import DEFAULT_MEMORY_MB, DEFAULT_TIMEOUT_S

# Where the header's INSTRUME is not the dictionary's name.
HEADER_NAMES = {"NACO": ("NAOS+CONICA",)}

# Pipelines that write their QC parameters into the image extensions, not the primary header.
_IN_EXTENSIONS = ("hawki_", "vimos_ima_")

# How far an index counts: outputs of a detector, and the quadrants that a description speaks of.
_INDICES = ((re.compile(r"\bOUTi\b"), 4), (re.compile(r"\bquadrant\b"), 4))

_FACTS = Path(__file__).with_name("recipes.toml")


@dataclass(frozen=True)
class RecipeFacts:
    """What was measured of one recipe; see `recipes.toml`, where each field is explained."""

    min_frames: int = 1
    timeout_s: float = DEFAULT_TIMEOUT_S
    memory_mb: int = DEFAULT_MEMORY_MB
    products: tuple[str, ...] = ()
    may_make: tuple[str, ...] = ()
    extensions: Mapping[str, int] = field(default_factory=dict)
    qc: tuple[str, ...] = ()
    qc_in: tuple[str, ...] = ()
    raws: tuple[str, ...] = ()
    calibrations: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    window: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@cache
def all_facts() -> Mapping[str, RecipeFacts]:
    """Return what is known of recipes, by name."""
    table = tomllib.loads(_FACTS.read_text(encoding="utf-8"))
    return {name: _facts(said) for name, said in table.items()}


def _facts(said: Mapping[str, Any]) -> RecipeFacts:
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in said.items()
    }
    return RecipeFacts(**fields)


def facts_of(recipe: str) -> RecipeFacts:
    """Return what is known of a recipe; guesses and nothing where it was never measured."""
    return all_facts().get(recipe, RecipeFacts())


def writes_into_extensions(recipe: str) -> bool:
    return recipe.startswith(_IN_EXTENSIONS)


def last_index(name: str, description: str) -> int:
    """Return how far the index in a parameter's name counts; 0 when nobody says."""
    if sum(one.islower() for one in name) != 1 or "i" not in name:
        return 0
    said = f"{name} {description}"
    return next((last for pattern, last in _INDICES if pattern.search(said)), 0)
