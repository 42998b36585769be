"""Recipes are asked what they are; one that does not answer is named."""

import shutil

import pytest

from pipelines.recipes import metadata
from pipelines.recipes.metadata import MetadataError, find_recipes, read_manual, read_parameters
from tests.conftest import cannot_run


@pytest.fixture
def hawki():
    if not shutil.which("esorex") or not find_recipes("hawki"):
        cannot_run("needs EsoRex and cpl-plugin-hawki: see packages.txt")
    return "hawki"


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Put a program in EsoRex's place that does what a line of shell says."""

    def put(line):
        program = tmp_path / "esorex"
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
        monkeypatch.setattr(metadata, "find_esorex", lambda: str(program))

    return put


def test_a_recipe_tells_its_parameters(hawki):
    parameters = {one.name: one for one in read_parameters(hawki, "hawki_dark_combine")}
    assert sorted(parameters) == [
        "combtype",
        "ncells",
        "prettynames",
        "scaletype",
        "thresh",
        "xrej",
    ]
    assert parameters["combtype"].choices == ("median", "mean")
    assert parameters["ncells"].choices == (1, 2, 4, 8, 16, 32, 64)
    assert parameters["xrej"].default is True


def test_a_recipe_tells_what_it_does(hawki):
    assert "Combine a list of dark frames" in read_manual(hawki, "hawki_dark_combine")
    assert "COPYRIGHT" not in read_manual(hawki, "hawki_dark_combine").upper()


def test_a_recipe_that_is_not_there_is_named(hawki):
    with pytest.raises(MetadataError, match=r"^hawki_nothing: EsoRex ended with 13: "):
        read_parameters(hawki, "hawki_nothing")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("exit 0", "hawki_x: its parameters cannot be read: .*No such file"),
        ("echo '{' > parameters.json", "hawki_x: its parameters cannot be read: "),
        ("echo '[1]' > parameters.json", "hawki_x: its parameters cannot be read: "),
        ('echo \'[{"display_name": "a"}]\' > parameters.json', "parameter a: None is no value"),
        ("echo; echo 'No libraries'; exit 7", "hawki_x: EsoRex ended with 7: No libraries"),
        ("exit 1", "hawki_x: EsoRex ended with 1: it says nothing"),
    ],
)
def test_an_answer_that_makes_no_sense_is_said(says, line, said):
    says(line)
    with pytest.raises(MetadataError, match=said):
        read_parameters("hawki", "hawki_x")


def test_a_recipe_that_does_not_answer_in_time_is_said(says, monkeypatch):
    monkeypatch.setattr(metadata, "TIMEOUT_S", 0.2)
    says("exec sleep 20")
    with pytest.raises(MetadataError, match="hawki_x: EsoRex does not answer"):
        read_manual("hawki", "hawki_x")


def test_without_esorex_it_is_said(monkeypatch):
    monkeypatch.setattr(metadata, "find_esorex", lambda: None)
    with pytest.raises(MetadataError, match="EsoRex is not installed"):
        read_manual("hawki", "hawki_dark_combine")


def test_a_pipeline_that_is_not_installed_has_no_recipes():
    assert find_recipes("nobody") == []
