"""Writes a proposal as the files of an instrument's folder."""

from pipelines.domain.toml_writer import TomlWriter
from trending.domain.definitions import ColumnDefinition, TableDefinition

from .proposal import Proposal, ProposedRecipe

_SETUP = 4


def texts_of(proposal: Proposal) -> dict[str, str]:
    """Return the files of a folder by name."""
    return {
        "instrument.toml": _instrument(proposal),
        "qc1.toml": _qc1(proposal),
        "scores.toml": _scores(proposal),
        "reports.toml": _reports(proposal),
    }


def _instrument(proposal: Proposal) -> str:
    installed, writer = proposal.installed, TomlWriter()
    writer.comment(
        f"{proposal.name}, proposed by `manage.py discover_instruments` from what is installed as "
        f"{installed.folder.name}. Review it, then load it with `manage.py load_instruments`."
    )
    if proposal.name != proposal.contents.dictionary.instrument:
        writer.comment(
            f"A folder named {proposal.contents.dictionary.instrument} is there already. To use "
            "this one in its place rename it here, and its tables in qc1.toml."
        )
    writer.pair("name", proposal.name)
    writer.pair("title", f"{proposal.name} ({installed.folder.name})")
    writer.pair("instrume", proposal.header_names)
    writer.pair("runner", "esorex")
    writer.pair("pipeline", installed.pipeline)
    writer.comment("Read where it is installed. A copy beside this file would be rules.oca.")
    writer.pair("rules", str(proposal.contents.rules_file))
    writer.pair("night_rollover_hour", 21)
    writer.blank()
    writer.comment(
        "Where qc is given the recipe was measured (docs/recipes.md); other limits are guesses. "
        "Nothing is known of products where products = []."
    )
    if proposal.missing_recipes:
        writer.comment(
            "Named by the rules and not installed, so blocks that want them will fail: "
            + ", ".join(proposal.missing_recipes)
        )
    for recipe in proposal.recipes:
        _write_recipe(writer, recipe)
    _write_raw_types(writer, proposal)
    return writer.text()


def _write_recipe(writer: TomlWriter, recipe: ProposedRecipe) -> None:
    writer.section("recipes", recipe.name)
    if not recipe.is_in_rules:
        writer.comment("Not named by the installed rules: for rules of your own.")
    facts = recipe.facts
    writer.pair("timeout_s", facts.timeout_s)
    writer.pair("memory_mb", facts.memory_mb)
    writer.pair("products", recipe.products)
    if facts.min_frames > 1:
        writer.pair("min_frames", facts.min_frames)
    for key in ("raws", "calibrations", "needs", "qc", "qc_in"):
        if words := getattr(facts, key):
            writer.pair(key, words)
    for name, table in (("extensions", facts.extensions), ("tags", facts.tags)):
        if table:
            writer.section("recipes", recipe.name, name)
            for key, value in table.items():
                writer.pair(key, value)
    for parameter in recipe.parameters:
        writer.item("recipes", recipe.name, "parameters")
        for key, value in parameter.as_dict().items():
            writer.pair(key, value)


def _write_raw_types(writer: TomlWriter, proposal: Proposal) -> None:
    writer.blank()
    writer.comment("What some `select execute` of the rules can process.")
    for raw_type in proposal.survey.raw_types:
        writer.section("raw_types", raw_type.name)
        by = ", ".join(raw_type.recipes) or "no recipe"
        writer.comment(f"{', '.join(raw_type.actions)}: {by}")
        if raw_type.is_mixed:
            writer.comment("Some of its rules are for science frames, some are not.")
        if rest := raw_type.setup[_SETUP:]:
            writer.comment(f"Its frames, or their calibrations, also share {', '.join(rest)}.")
        writer.pair("title", raw_type.name)
        writer.pair("setup", raw_type.setup[:_SETUP])
        if raw_type.is_science:
            writer.pair("science", value=True)
        writer.pair("certification", "ALL")


def _qc1(proposal: Proposal) -> str:
    writer, dictionary = TomlWriter(), proposal.contents.dictionary
    writer.comment(
        f"QC1 tables of {proposal.name}, proposed from {proposal.contents.dictionary_file.name}. "
        "The dictionary has names, units and meanings. Which product carries a parameter comes "
        "from its comments, the rules and manual pages, and where these are silent every product "
        "is listed: a product that a block does not make is passed over."
    )
    writer.comment(
        "To review: split the tables, drop columns nobody looks at, give those that matter the "
        'class KPI, HC or CAL. Parameters in image extensions need extensions = "each".'
    )
    for reasons in (proposal.tables.left_out, dictionary.left_out):
        for reason, names in reasons.items():
            writer.blank()
            writer.comment(f"Left out, because {reason}: {', '.join(names)}.")
    for table in proposal.tables.tables:
        _write_table(writer, table)
    return writer.text()


def _write_table(writer: TomlWriter, table: TableDefinition) -> None:
    writer.item("tables")
    writer.pair("name", table.name)
    writer.pair("title", table.title)
    writer.pair("description", table.description)
    writer.pair("raw_types", table.raw_types)
    for product in table.products:
        writer.item("tables", "products")
        writer.pair("pro_catg", product.pro_catg)
        writer.pair("extensions", product.extensions)
    for column in table.columns:
        _write_column(writer, column)


def _write_column(writer: TomlWriter, column: ColumnDefinition) -> None:
    writer.item("tables", "columns")
    writer.pair("name", column.name)
    writer.pair("keyword", column.keywords[0])
    if column.unit:
        writer.pair("unit", column.unit)
    writer.pair("type", column.type)
    if column.role:
        writer.pair("role", column.role)
    else:
        writer.pair("class", column.parameter_class)
    writer.pair("description", column.description)
    if column.is_default_y:
        writer.pair("default_y", value=True)


def _scores(proposal: Proposal) -> str:
    writer = TomlWriter()
    writer.comment(
        f"No score rule of {proposal.name} is proposed: what is good is for its people to say. "
        "See docs/scoring.md."
    )
    return writer.text()


def _reports(proposal: Proposal) -> str:
    writer = TomlWriter()
    writer.comment(
        f"No report of {proposal.name} is proposed. See docs/instruments.md, and the shipped "
        "folders for examples."
    )
    return writer.text()
