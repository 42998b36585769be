"""Reads instrument folders: each is checked whole before anything of it is written."""

import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from pipelines.domain import oca
from pipelines.domain.instrument_file import (
    RULES,
    InstrumentDefinition,
    RuleText,
    parse_instrument,
    read_settings,
    rule_file_name,
)
from pipelines.domain.plan_file import parse_plan
from pipelines.domain.toml_reader import DefinitionError, find_line
from pipelines.models import Instrument
from pipelines.services.instruments import load_instrument
from trending.domain.definitions import (
    ReportDefinition,
    RuleDefinition,
    TableDefinition,
    parse_reports,
    parse_rules,
    parse_tables,
)
from trending.models import QC1Table
from trending.services.definitions import load_definitions

FILES = ("instrument.toml", "rules.oca", "qc1.toml", "scores.toml", "reports.toml")
LONGEST_NAME = 64
# A folder may have it: windows in time for associations, and breakpoints.
LEVELS = "levels.toml"


class FolderError(Exception):
    """A folder cannot be loaded; the message says file, line and what is wrong."""


@dataclass(frozen=True)
class InstrumentFolder:
    """A folder whose files are all right."""

    path: Path
    definition: InstrumentDefinition
    rules: list[RuleText]
    levels: str
    tables: list[TableDefinition]
    score_rules: list[RuleDefinition]
    reports: list[ReportDefinition]
    digest: str


def find_folders(directories: list[Path]) -> list[Path]:
    """Return the folders that hold an ``instrument.toml``, or are meant to."""
    found: list[Path] = []
    for directory in directories:
        if (directory / "instrument.toml").exists():
            found.append(directory)
        elif directory.is_dir():
            found += sorted(
                child
                for child in directory.iterdir()
                if any((child / name).exists() for name in FILES)
            )
        else:
            raise FolderError(f"{directory}: there is no such directory.")
    return found


def read_folder(path: Path) -> InstrumentFolder:
    """Parse all files of a folder.

    Raises
    ------
    FolderError
        The first mistake found, as ``FILE:LINE: what``.
    """
    texts = {name: _read(path / name) for name in FILES if name != RULES}
    levels = _read(path / LEVELS) if (path / LEVELS).exists() else ""
    try:
        definition = parse_instrument(str(path / "instrument.toml"), texts["instrument.toml"])
        rules = _read_rules(path, definition, texts["instrument.toml"])
        tables = parse_tables(str(path / "qc1.toml"), texts["qc1.toml"])
        by_name = {table.name: table for table in tables}
        folder = InstrumentFolder(
            path=path,
            definition=definition,
            rules=rules,
            levels=levels,
            tables=tables,
            score_rules=parse_rules(str(path / "scores.toml"), texts["scores.toml"], by_name),
            reports=parse_reports(str(path / "reports.toml"), texts["reports.toml"], by_name),
            digest=_digest([*texts.values(), levels, *(rule.text for rule in rules)]),
        )
    except DefinitionError as error:
        raise FolderError(str(error)) from error
    trees = [_check_rules(folder, rule) for rule in rules]
    labels = {one.label for tree in trees for action in tree.action_rules for one in action.files}
    try:
        parse_plan(str(path / LEVELS), levels, labels)
    except DefinitionError as error:
        raise FolderError(str(error)) from error
    return folder


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _read_rules(path: Path, definition: InstrumentDefinition, source: str) -> list[RuleText]:
    """Return all rule files of a folder: both flavours, each from its date on."""
    found = [RuleText("raw2master", None, *_main_rules(path, definition, source))]
    for file in sorted(path.glob("*.oca")):
        if file.name == RULES:
            continue
        try:
            name = rule_file_name(file.name)
        except ValueError as error:
            raise FolderError(f"{file}: the date in its name: {error}.") from error
        if name is None:
            raise FolderError(
                f"{file}: expected rules.oca, raw2raw.oca, or one with the first night it holds "
                "for, such as rules.2024-03-01.oca."
            )
        flavour, valid_from = name
        found.append(RuleText(flavour, valid_from, _read(file), str(file)))
    return found


def _check_rules(folder: InstrumentFolder, rule: RuleText) -> oca.RuleFile:
    try:
        rules = oca.parse(rule.text)
    except oca.OcaSyntaxError as error:
        raise FolderError(f"{rule.source}:{error}") from error
    try:
        oca.organise(rules, [], oca.OcaSettings(**read_settings(folder.definition.oca)))
    except oca.OcaUnsupportedError as error:
        raise FolderError(f"{rule.source}:{error}") from error
    _check_names(Path(rule.source), rules)
    if folder.definition.runner == "native":
        _check_recipes(folder, Path(rule.source), rules)
    return rules


def _check_names(file: Path, rules: oca.RuleFile) -> None:
    """Refuse names that the database has no room for: found now, not with the first frame."""
    executed = [(select.action, select.line) for select in rules.selects]
    for name, line in executed:
        if len(name) > LONGEST_NAME:
            raise FolderError(f"{file}:{line}: {name} is longer than {LONGEST_NAME} characters")
    for action in rules.action_rules:
        names = [(action.name, action.line)]
        names += [(one.label, one.line) for one in action.files]
        names += [(one.label, one.line) for one in action.products]
        names += [(one.name, one.line) for one in action.recipes]
        for name, line in names:
            if len(name) > LONGEST_NAME:
                raise FolderError(f"{file}:{line}: {name} is longer than {LONGEST_NAME} characters")


def _check_recipes(folder: InstrumentFolder, file: Path, rules: oca.RuleFile) -> None:
    """Refuse recipes we do not have: found now, not by the first block of the night."""
    from pipelines.recipes.native.command import RECIPES

    named = [(name, str(folder.path / "instrument.toml")) for name in folder.definition.recipes]
    named += [
        (recipe.name, f"{file}:{recipe.line}")
        for action in rules.action_rules
        for recipe in action.recipes
    ]
    for name, place in named:
        if name not in RECIPES:
            raise FolderError(f"{place}: recipe {name!r}: known are {', '.join(RECIPES)}")


def _main_rules(path: Path, definition: InstrumentDefinition, source: str) -> tuple[str, str]:
    """Return the rules and their file, in the folder or where a pipeline has installed them."""
    rules_file = path / Path(definition.rules).expanduser()
    if definition.rules != RULES and not rules_file.is_file():
        line = find_line(source, ("rules",))
        raise FolderError(
            f"{path / 'instrument.toml'}:{line}: rules = {definition.rules!r}: there is no such "
            "file. Was the pipeline updated or removed? python manage.py discover_instruments "
            "tells where rules are installed."
        )
    return _read(rules_file), str(rules_file)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FolderError(f"{path}: the file is missing.") from error
    except UnicodeDecodeError as error:
        raise FolderError(f"{path}: byte {error.start} is not UTF-8.") from error
    except OSError as error:
        raise FolderError(f"{path}: {error.strerror}.") from error
    if "\0" in text:
        raise FolderError(
            f"{path}:{text[: text.index(chr(0))].count(chr(10)) + 1}: it holds a NUL."
        )
    return text


def of_another_folder(folder: InstrumentFolder) -> str:
    """Return where an instrument of that name was loaded from, if elsewhere and still there."""
    stored = Instrument.objects.filter(name=folder.definition.name).first()
    if stored is None or not stored.folder or stored.folder == str(folder.path.resolve()):
        return ""
    return stored.folder if Path(stored.folder, "instrument.toml").exists() else ""


def load_folder(folder: InstrumentFolder, at: dt.datetime) -> Instrument:
    """Write a folder to the database: all of it or nothing."""
    _refuse_what_belongs_to_others(folder)
    with transaction.atomic():
        instrument = load_instrument(
            folder.definition,
            folder.rules,
            folder.levels,
            folder.digest,
            str(folder.path.resolve()),
            at,
        )
        load_definitions(instrument, folder.tables, folder.score_rules, folder.reports, at)
    return instrument


def _refuse_what_belongs_to_others(folder: InstrumentFolder) -> None:
    name = folder.definition.name
    tables = QC1Table.objects.filter(name__in=[table.name for table in folder.tables])
    for table in tables.exclude(instrument__name=name).select_related("instrument"):
        raise FolderError(
            f"{folder.path / 'qc1.toml'}: table {table.name} belongs to {table.instrument.name}. "
            "Rename it here, in scores.toml and in reports.toml: names of tables are unique."
        )
    for other in Instrument.objects.exclude(name=name):
        # A frame would be of whichever instrument was read last.
        for header_name in sorted({*other.header_names} & {*folder.definition.header_names}):
            raise FolderError(
                f"{folder.path / 'instrument.toml'}: instrume {header_name} belongs to {other.name}."
            )
