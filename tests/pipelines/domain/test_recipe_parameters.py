"""Parameters of recipes, from EsoRex and from an instrument's folder."""

import pytest

from pipelines.domain.recipe_parameters import (
    RecipeParameter,
    parameter_from_esorex,
    read_parameter,
)
from pipelines.domain.toml_reader import DefinitionError, read_toml
from pipelines.domain.toml_writer import TomlWriter

SAID = {
    "display_name": "stack",
    "valtype": "string",
    "partype": "enum",
    "value": "median",
    "valenum": ["median", "mean"],
    "description": "How  to\nstack",
}


def test_a_choice_keeps_its_values():
    assert parameter_from_esorex(SAID) == RecipeParameter(
        "stack", "string", "median", choices=("median", "mean"), description="How to stack"
    )


def test_a_range_without_end_has_none():
    said = {"display_name": "n", "valtype": "double", "value": 1, "valmin": -1.7e308, "valmax": 5}
    expected = {"name": "n", "type": "double", "default": 1, "max": 5.0}
    assert parameter_from_esorex(said).as_dict() == expected


@pytest.mark.parametrize(
    "change",
    [
        {"display_name": ""},
        {"valtype": "matrix"},
        {"value": 3},
        {"value": None},
        {"valtype": "int", "value": True},
        {"valtype": "double", "value": float("nan")},
    ],
)
def test_what_makes_no_sense_is_refused(change):
    with pytest.raises(ValueError, match="parameter"):
        parameter_from_esorex({**SAID, **change})


@pytest.mark.parametrize(
    "parameter",
    [
        RecipeParameter("a-b", "bool", default=True),
        RecipeParameter("n", "int", 3, low=0.0, high=9.0, description='say "n"'),
        RecipeParameter("x", "double", 1e-6, choices=(1e-6, 2)),
        RecipeParameter("s", "string", "", choices=("", "[a]\nb")),
    ],
)
def test_what_is_written_is_read(parameter):
    writer = TomlWriter()
    for key, value in parameter.as_dict().items():
        writer.pair(key, value)
    assert read_parameter(read_toml("a.toml", writer.text())) == parameter


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ('type = "float"\ndefault = 1.0', "2: type = 'float': known are bool, double, int, string"),
        ('type = "int"\ndefault = 1.5', "3: default = 1.5: expected a value of type int"),
        ('type = "int"\ndefault = true', "3: default = True: expected a value of type int"),
        ('type = "int"', "1: default = None: expected a value of type int"),
        ('type = "double"\ndefault = inf', "3: default = inf: expected a value of type double"),
        ('type = "int"\ndefault = 1\nchoices = ["a"]', "4: choices = 'a': expected a value of"),
        ('type = "string"\ndefault = "\\u0000"', "3: default holds a control character"),
        ('type = "int"\ndefault = 1\nlow = 0', "4: low is not known here"),
    ],
)
def test_a_mistake_is_said_with_its_line(last, said):
    with pytest.raises(DefinitionError) as caught:
        read_parameter(read_toml("a.toml", f'name = "n"\n{last}'))
    assert str(caught.value).startswith(f"a.toml:{said}")
