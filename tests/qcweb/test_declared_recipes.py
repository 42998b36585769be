"""What the shipped folders declare of recipes is what the recipes say of themselves."""

from pathlib import Path

import pytest

from pipelines.domain.instrument_file import parse_instrument
from pipelines.domain.toml_reader import DefinitionError
from pipelines.recipes.metadata import read_parameters
from pipelines.recipes.native.command import RECIPES
from qcweb.management.discover.known import all_facts, facts_of

FOLDERS = Path(__file__).parents[2] / "qcweb" / "instruments"


def declared(folder):
    path = FOLDERS / folder / "instrument.toml"
    return parse_instrument(str(path), path.read_text(encoding="utf-8"))


def bounds(parameter):
    said = parameter.as_dict()
    said.pop("description", None)
    return said


@pytest.mark.needs("esorex")
@pytest.mark.parametrize("folder", ["uves", "muse"])
def test_the_parameters_of_esos_recipes_are_those_installed(folder):
    definition = declared(folder)
    for name, recipe in definition.recipes.items():
        installed = {one.name: bounds(one) for one in read_parameters(definition.pipeline, name)}
        assert {one.name: bounds(one) for one in recipe.parameters} == installed, name


def test_the_parameters_of_our_recipes_are_those_they_know():
    recipes = declared("ccdcam").recipes
    assert set(recipes) == set(RECIPES)
    for name, recipe in recipes.items():
        told = [
            (one.name, one.default, one.low, one.high, one.description) for one in recipe.parameters
        ]
        assert told == [
            (one.name, one.default, one.lowest, one.highest, one.description)
            for one in RECIPES[name].parameters
        ]


@pytest.mark.parametrize("folder", ["uves", "muse"])
def test_the_folders_agree_with_what_was_measured(folder):
    for name, recipe in declared(folder).recipes.items():
        facts = facts_of(name)
        assert recipe.qc == list(facts.qc), name
        assert recipe.qc_in == list(facts.qc_in), name
        assert recipe.extensions == dict(facts.extensions), name
        assert recipe.needs == list(facts.needs), name
        assert recipe.raws == list(facts.raws), name
        assert recipe.calibrations == list(facts.calibrations), name
        assert recipe.timeout_s >= facts.timeout_s, name


def test_every_recipe_of_the_shipped_folders_declares_its_qc():
    for folder in ("ccdcam", "uves", "muse"):
        for name, recipe in declared(folder).recipes.items():
            assert recipe.qc, name
            assert recipe.parameters, name
            assert recipe.raws, name


def test_what_was_measured_is_within_reason():
    for name, facts in all_facts().items():
        assert facts.min_frames >= 1, name
        assert 60 <= facts.timeout_s <= 3600, name
        assert 1000 <= facts.memory_mb <= 6000, name
        assert set(facts.extensions) <= {*facts.products, *facts.may_make}, name


FOLDER = """
name = "CAM"
title = "Camera"
instrume = ["CAM"]
runner = "esorex"
pipeline = "cam"
[recipes.cam_dark]
timeout_s = 60
memory_mb = 1000
products = ["MASTER_DARK"]
"""


def test_a_declaration_is_read():
    more = 'min_frames = 3\nneeds = ["EXPTIME"]\nqc = ["QC RON#"]\nextensions = { MASTER_DARK = 4 }'
    recipe = parse_instrument("instrument.toml", FOLDER + more).recipes["cam_dark"]
    assert (recipe.min_frames, recipe.needs, recipe.qc) == (3, ["EXPTIME"], ["QC RON#"])
    assert recipe.extensions == {"MASTER_DARK": 4}
    assert recipe.as_dict()["extensions"] == {"MASTER_DARK": 4}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("extensions = { MASTER_DARK = 0 }", "MASTER_DARK = 0: expected a number above zero"),
        ('extensions = { MASTER_DARK = "4" }', "MASTER_DARK = '4': expected a number above zero"),
        ("extensions = 4", "expected a table"),
        ("qc = 4", "expected a text or a list of texts"),
        ("min_frames = 0", "expected 1 to"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused_with_its_line(line, words):
    with pytest.raises(DefinitionError) as error:
        parse_instrument("instrument.toml", FOLDER + line)
    assert words in str(error.value)
    assert str(error.value).startswith("instrument.toml:11")
