"""What ``instrument.toml`` says: names, runner, limits of recipes, raw types, reading of OCA."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from .oca import DEFAULT_SETTINGS, OcaSettings
from .recipe_parameters import RecipeParameter, read_parameter
from .toml_reader import Section, read_toml

RUNNERS = ("native", "esorex")
MODES = ("ALL", "NONZERO", "RANDOM")
# Where the rules are, unless the file says otherwise: beside it.
RULES = "rules.oca"


# What decisions are for, where an instrument's folder names no reasons of its own.
REASONS = {
    "accept": [
        "state of the instrument", "slight departure", "cannot be replaced", "limits to be changed",
    ],
    "reject": [
        "saturated", "underexposed", "contaminated", "wrong set-up", "instrument fault",
        "pipeline failed", "better set taken",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class RecipeLimits:
    """What is declared of one recipe.

    Attributes
    ----------
    timeout_s, memory_mb
        Its limits: seconds, and megabytes of address space.
    products
        The categories that it must make.
    tags
        The rules' word for an input -> the recipe's.
    min_frames
        Fewest raw frames; the rules may ask for more.
    raws
        The tags of raw frames that it takes, in its own words; empty where nobody says.
    calibrations
        The tags of calibrations that it cannot do without.
    needs
        Keywords that each raw frame must have, as rules write them.
    qc
        Keywords that a success writes; ``#`` is any number.
    qc_in
        Categories of which each product that is made carries all of them.
    extensions
        Image extensions of a product, by category.
    """

    timeout_s: float
    memory_mb: int
    products: list[str]
    tags: dict[str, str] = field(default_factory=dict)
    parameters: list[RecipeParameter] = field(default_factory=list)
    min_frames: int = 1
    raws: list[str] = field(default_factory=list)
    calibrations: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    qc: list[str] = field(default_factory=list)
    qc_in: list[str] = field(default_factory=list)
    extensions: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, as an instrument's row keeps it."""
        parameters = [one.as_dict() for one in self.parameters]
        return {one.name: getattr(self, one.name) for one in fields(self)} | {
            "parameters": parameters
        }


@dataclass(frozen=True)
class RawTypeDefinition:
    """How blocks of one raw type are named, set up and certified."""

    name: str
    title: str
    setup: list[str]
    is_science: bool
    certification: str
    sample_percent: float


@dataclass(frozen=True)
class InstrumentDefinition:
    """One instrument as its folder describes it."""

    name: str
    title: str
    header_names: list[str]
    runner: str
    pipeline: str
    is_simulated: bool
    night_rollover_hour: int
    recipes: dict[str, RecipeLimits] = field(default_factory=dict)
    raw_types: list[RawTypeDefinition] = field(default_factory=list)
    oca: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)
    rules: str = RULES


@dataclass(frozen=True)
class RuleText:
    """One rule file of a folder: what it asks for and from which night on.

    Attributes
    ----------
    flavour : str
        ``raw2master`` or ``raw2raw``.
    valid_from : date or None
        The first night; None from the beginning.
    source : str
        The file's path, for messages.
    """

    flavour: str
    valid_from: dt.date | None
    text: str
    source: str = ""


_RULE_NAME = re.compile(r"(rules|raw2raw)(?:\.(\d{4}-\d{2}-\d{2}))?\.oca")
_FLAVOURS = {"rules": "raw2master", "raw2raw": "raw2raw"}


def rule_file_name(name: str) -> tuple[str, dt.date | None] | None:
    """Return flavour and first night of a rule file by its name; None for another file.

    Raises
    ------
    ValueError
        The date in the name is none.

    Examples
    --------
    >>> rule_file_name("rules.oca"), rule_file_name("raw2raw.2020-10-01.oca")
    (('raw2master', None), ('raw2raw', datetime.date(2020, 10, 1)))
    """
    match = _RULE_NAME.fullmatch(name)
    if match is None:
        return None
    return _FLAVOURS[match[1]], dt.date.fromisoformat(match[2]) if match[2] else None


_UNLIMITED = "unlimited"


def read_settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of OCA, as they stand in a file or a database, in their own types.

    >>> read_settings({"reference": "mid_exposure", "default_max_ret": "unlimited"})
    {'reference': <Reference.MID_EXPOSURE: 'mid_exposure'>, 'default_max_ret': None}
    """
    found: dict[str, Any] = {}
    for name, value in chosen.items():
        kind = type(getattr(DEFAULT_SETTINGS, name))
        found[name] = kind(value) if issubclass(kind, StrEnum) else value
        if value == _UNLIMITED:
            found[name] = None
    return found


def parse_oca_section(file: str, source: str) -> dict[str, Any]:
    """Read settings of OCA alone, as they stand below ``[oca]``.

    Raises
    ------
    DefinitionError
        A setting is not known, or its value is none that it takes.

    Examples
    --------
    >>> parse_oca_section("settings", "sticky_min_ret = true")
    {'sticky_min_ret': True}
    """
    return _oca(read_toml(file, source))


def _oca(part: Section) -> dict[str, Any]:
    """Return the settings that are given, each checked against what it may be."""
    chosen: dict[str, Any] = {}
    for setting in fields(OcaSettings):
        name, default = setting.name, setting.default
        if name == "night_rollover_hour" or part.raw(name) is None:
            continue
        if isinstance(default, StrEnum):
            chosen[name] = part.one_of(name, [str(one) for one in type(default)])
        elif isinstance(default, bool):
            chosen[name] = part.flag(name)
        elif part.raw(name) == _UNLIMITED:
            chosen[name] = part.one_of(name, [_UNLIMITED])
        else:
            if isinstance(part.raw(name), str):
                raise part.error(
                    name, f"{name} = {part.raw(name)!r}: expected a number or unlimited"
                )
            chosen[name] = int(part.number(name, low=0, high=100_000))
    part.done()
    return chosen


def parse_instrument(file: str, source: str) -> InstrumentDefinition:
    """Read ``instrument.toml``.

    Raises
    ------
    DefinitionError
        With file and line of what is wrong.
    """
    top = read_toml(file, source)
    definition = InstrumentDefinition(
        name=top.text("name", longest=32),
        title=top.text("title", longest=200),
        header_names=top.texts("instrume"),
        runner=top.one_of("runner", RUNNERS),
        pipeline=top.text("pipeline", longest=64),
        is_simulated=top.flag("simulated"),
        night_rollover_hour=int(top.number("night_rollover_hour", 21, low=0, high=23)),
        recipes={name: _limits(part) for name, part in top.named_sections("recipes").items()},
        raw_types=[_raw_type(name, part) for name, part in top.named_sections("raw_types").items()],
        oca=_oca(top.section("oca")),
        reasons=_reasons(top.section("reasons")),
        rules=top.text("rules", RULES, longest=4096) or RULES,
    )
    if not definition.name.replace("_", "").isalnum() or definition.name != definition.name.upper():
        raise top.error("name", f"name = {definition.name!r}: expected capital letters and digits")
    if not definition.header_names:
        raise top.error("instrume", "instrume is empty: no frame would be of this instrument")
    top.done()
    return definition


def _reasons(part: Section) -> dict[str, list[str]]:
    found = {name: part.texts(name, usual) for name, usual in REASONS.items()}
    for name, words in found.items():
        if too_long := next((word for word in words if len(word) > 64), None):
            raise part.error(name, f"{too_long!r}: a reason has at most 64 characters")
    part.done()
    return found


def _limits(part: Section) -> RecipeLimits:
    limits = RecipeLimits(
        timeout_s=part.number("timeout_s", low=1, high=86400),
        memory_mb=int(part.number("memory_mb", low=64, high=1_000_000)),
        products=part.texts("products"),
        tags=part.mapping("tags"),
        parameters=[read_parameter(one) for one in part.sections("parameters")],
        min_frames=int(part.number("min_frames", 1, low=1, high=100_000)),
        raws=part.texts("raws", []),
        calibrations=part.texts("calibrations", []),
        needs=part.texts("needs", []),
        qc=part.texts("qc", []),
        qc_in=part.texts("qc_in", []),
        extensions=part.counts("extensions"),
    )
    names = [one.name for one in limits.parameters]
    for one in (name for n, name in enumerate(names) if name in names[:n]):
        raise part.error("parameters", f"parameter {one} is there twice")
    part.done()
    return limits


def _raw_type(name: str, part: Section) -> RawTypeDefinition:
    if len(name) > 64:
        raise part.error("", f"{name}: the name is longer than 64 characters")
    raw_type = RawTypeDefinition(
        name=name,
        title=part.text("title", longest=200),
        setup=part.texts("setup", []),
        is_science=part.flag("science"),
        certification=part.one_of("certification", MODES, "NONZERO"),
        sample_percent=part.number("sample_percent", 10, low=0, high=100),
    )
    part.done()
    return raw_type
