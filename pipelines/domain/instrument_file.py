"""What ``instrument.toml`` says: names, runner, limits of recipes, raw types."""

from dataclasses import dataclass, field

from .recipe_parameters import RecipeParameter, read_parameter
from .toml_reader import Section, read_toml

RUNNERS = ("native", "esorex")
MODES = ("ALL", "NONZERO", "RANDOM")
# Where the rules are, unless the file says otherwise: beside it.
RULES = "rules.oca"


@dataclass(frozen=True)
class RecipeLimits:
    """Limits of one recipe, the product categories it must make, and what it calls its input."""

    timeout_s: float
    memory_mb: int
    products: list[str]
    tags: dict[str, str] = field(default_factory=dict)
    parameters: list[RecipeParameter] = field(default_factory=list)


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
    rules: str = RULES


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
        rules=top.text("rules", RULES, longest=4096) or RULES,
    )
    if not definition.name.replace("_", "").isalnum() or definition.name != definition.name.upper():
        raise top.error("name", f"name = {definition.name!r}: expected capital letters and digits")
    if not definition.header_names:
        raise top.error("instrume", "instrume is empty: no frame would be of this instrument")
    top.done()
    return definition


def _limits(part: Section) -> RecipeLimits:
    limits = RecipeLimits(
        timeout_s=part.number("timeout_s", low=1, high=86400),
        memory_mb=int(part.number("memory_mb", low=64, high=1_000_000)),
        products=part.texts("products"),
        tags=part.mapping("tags"),
        parameters=[read_parameter(one) for one in part.sections("parameters")],
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
