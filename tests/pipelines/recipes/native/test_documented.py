"""What the recipes take, measure and make stands in the words of their package."""

import re
from pathlib import Path

import pytest

from pipelines.recipes import native
from pipelines.recipes.native.command import RECIPES

WORDS = native.__doc__ or ""
SOURCE = Path(native.__file__).parent


def keywords():
    found = (re.findall(r'QC\(\s*"(QC [A-Z ]+)"', path.read_text()) for path in SOURCE.glob("*.py"))
    return sorted({keyword for each in found for keyword in each})


def test_there_are_keywords_of_every_recipe():
    assert {keyword.split()[1] for keyword in keywords()} == {
        recipe.kind for recipe in RECIPES.values()
    }


@pytest.mark.parametrize("keyword", keywords())
def test_every_measurement_has_its_line(keyword):
    assert re.search(rf"^{keyword}\s", WORDS, re.MULTILINE)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_has_its_line_and_parameters(recipe):
    assert re.search(rf"^{recipe.name}\s+``{recipe.kind}``", WORDS, re.MULTILINE)
    for category in (*recipe.products, *recipe.needs, *recipe.may_use):
        assert f"``{category}``" in WORDS
    for parameter in recipe.parameters:
        assert re.search(rf"^{parameter.name}\s", WORDS, re.MULTILINE)
