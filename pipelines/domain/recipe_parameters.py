"""Parameters of recipes: what a recipe lets one choose, within which bounds."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .toml_reader import Section
from .toml_writer import printable

TYPES = ("bool", "double", "int", "string")
PROSE = 100_000
ParameterValue: TypeAlias = str | bool | int | float
_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "int": (int,), "double": (int, float), "string": (str,),
}  # fmt: skip
# CPL writes the largest number there is where a range has no end.
_ENDLESS = 1e300


@dataclass(frozen=True)
class RecipeParameter:
    """One parameter.

    Attributes
    ----------
    name
        As on the command line: ``--name=value``.
    type
        ``bool``, ``int``, ``double`` or ``string``.
    low, high
        The bounds; None where there is none.
    choices
        The values allowed; empty where any is.
    """

    name: str
    type: str
    default: ParameterValue
    low: float | None = None
    high: float | None = None
    choices: tuple[ParameterValue, ...] = ()
    description: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, without what it does not have."""
        said = {"name": self.name, "type": self.type, "default": self.default}
        more = {
            "min": self.low,
            "max": self.high,
            "choices": list(self.choices) or None,
            "description": self.description or None,
        }
        return said | {key: value for key, value in more.items() if value is not None}


def read_parameter(part: Section) -> RecipeParameter:
    """Read ``[[recipes.NAME.parameters]]``; raises `DefinitionError`."""
    name = part.text("name", longest=128)
    kind = part.one_of("type", TYPES)
    choices = part.raw("choices", [])
    parameter = RecipeParameter(
        name=name,
        type=kind,
        default=_checked(part, "default", part.raw("default"), kind),
        low=part.optional_number("min", low=-_ENDLESS, high=_ENDLESS),
        high=part.optional_number("max", low=-_ENDLESS, high=_ENDLESS),
        choices=tuple(
            _checked(part, "choices", one, kind)
            for one in (choices if isinstance(choices, list) else [choices])
        ),
        description=part.text("description", "", longest=PROSE),
    )
    part.done()
    return parameter


def _checked(part: Section, key: str, value: Any, kind: str) -> ParameterValue:
    if not _is_of(kind, value):
        raise part.error(key, f"{key} = {value!r}: expected a value of type {kind}")
    if isinstance(value, str) and not value.replace("\n", " ").replace("\t", " ").isprintable():
        raise part.error(key, f"{key} holds a control character")
    checked: ParameterValue = value
    return checked


def _is_of(kind: str, value: Any) -> bool:
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "bool"):
        return False
    return not isinstance(value, float) or math.isfinite(value)


def parameter_from_esorex(said: Mapping[str, Any]) -> RecipeParameter:
    """Return a parameter as ``esorex --create-config`` describes it.

    Raises
    ------
    ValueError
        The description does not make sense.

    Examples
    --------
    >>> parameter_from_esorex({"display_name": "thresh", "value": 5, "valtype": "double",
    ...                        "partype": "range", "valmin": 0, "valmax": 1.8e308}).as_dict()
    {'name': 'thresh', 'type': 'double', 'default': 5, 'min': 0.0}
    """
    name, kind = said.get("display_name"), said.get("valtype")
    default: Any = said.get("value")
    if not isinstance(name, str) or not name.strip():
        raise ValueError("a parameter has no name")
    if kind not in _KINDS or not _is_of(kind, default):
        raise ValueError(f"parameter {name}: {default!r} is no value of type {kind!r}")
    return RecipeParameter(
        name=printable(name).strip(),
        type=kind,
        default=printable(default) if isinstance(default, str) else default,
        low=_bound(said.get("valmin")),
        high=_bound(said.get("valmax")),
        choices=tuple(
            printable(one) if isinstance(one, str) else one
            for one in said.get("valenum", ())
            if _is_of(kind, one)
        ),
        description=" ".join(printable(str(said.get("description") or "")).split()),
    )


def _bound(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < _ENDLESS else None


def with_chosen(arguments: Sequence[str], chosen: Mapping[str, ParameterValue]) -> tuple[str, ...]:
    """Return a recipe's arguments with the chosen values in the place of the former ones.

    >>> with_chosen(["--nifu=1", "--stack_method=median"], {"stack_method": "mean", "merge": True})
    ('--nifu=1', '--stack_method=mean', '--merge=true')
    """
    kept = [one for one in arguments if argument_name(one) not in chosen]
    return (*kept, *(f"--{name}={_said(value)}" for name, value in chosen.items()))


def argument_name(argument: str) -> str:
    """Return the parameter of ``--name=value``.

    >>> argument_name("--stack_method=median"), argument_name("--merge")
    ('stack_method', 'merge')
    """
    return argument.removeprefix("--").partition("=")[0]


def _said(value: ParameterValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def parameter_from_dict(said: Mapping[str, Any]) -> RecipeParameter:
    """Return a parameter as `RecipeParameter.as_dict` wrote it."""
    return RecipeParameter(
        name=said["name"],
        type=said["type"],
        default=said["default"],
        low=said.get("min"),
        high=said.get("max"),
        choices=tuple(said.get("choices", ())),
        description=said.get("description", ""),
    )


# Recipes that start programs, or write where a parameter says, are told so by nobody at a page.
_COMMANDS = re.compile(r"\b(command|executable|shell|plotter|script)\b", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9 _.,:+*()\[\]%@=-]*")


def may_be_chosen(parameter: RecipeParameter) -> bool:
    """Whether a person may give a parameter another value: not one that names a program to be run.

    >>> may_be_chosen(RecipeParameter("plotter", "string", "no", description="Plots go there."))
    False
    """
    name = parameter.name.replace("_", " ").replace(".", " ").replace("-", " ")
    return not _COMMANDS.search(f"{name} {parameter.description}")


def parse_value(parameter: RecipeParameter, text: str) -> ParameterValue:
    """Return the value that somebody typed for a parameter.

    Raises
    ------
    ValueError
        It is none the recipe takes; the message says what is expected.

    Examples
    --------
    >>> parse_value(RecipeParameter("kappa", "double", 5.0, low=0.0, high=100.0), "2.5")
    2.5
    """
    value = _of_type(parameter, text.strip())
    if parameter.choices and value not in parameter.choices:
        known = ", ".join(str(one) for one in parameter.choices)
        raise ValueError(f"{parameter.name} = {text}: expected one of {known}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if parameter.low is not None and value < parameter.low:
            raise ValueError(f"{parameter.name} = {text}: expected {parameter.low:g} or more")
        if parameter.high is not None and value > parameter.high:
            raise ValueError(f"{parameter.name} = {text}: expected {parameter.high:g} or less")
    return value


def _of_type(parameter: RecipeParameter, text: str) -> ParameterValue:
    expected = {
        "bool": "true or false", "int": "a whole number", "double": "a number",
        "string": "letters, digits and . , : + - * ( ) [ ] % @ =, and no path",
    }[parameter.type]  # fmt: skip
    wrong = ValueError(f"{parameter.name} = {text!r}: expected {expected}")
    if parameter.type == "bool":
        if text.lower() not in {"true", "false"}:
            raise wrong
        return text.lower() == "true"
    if parameter.type == "string":
        # No path, no word of a shell: some recipes hand their strings on.
        if len(text) > 1000 or not _PLAIN.fullmatch(text) or ".." in text:
            raise wrong
        return text
    try:
        number = int(text) if parameter.type == "int" else float(text)
    except ValueError:
        raise wrong from None
    if not math.isfinite(number):
        raise wrong
    return number
