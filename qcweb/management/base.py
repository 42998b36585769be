"""What our commands have in common."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from pipelines.domain import oca
from pipelines.domain.instrument_file import parse_oca_section, read_settings
from pipelines.domain.plan_file import parse_plan
from pipelines.domain.toml_reader import DefinitionError


class DatabaseCommand(BaseCommand):
    """A command that needs the tables: it says so instead of failing at the first that is missing."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError(
                "The database is not set up, or older than the program. "
                "Run: python manage.py migrate"
            )
        return super().execute(*args, **options)


def no_directory(path: Path) -> str:
    """Return what is wrong with a path that should be a directory, and what to do."""
    if path.exists():
        return f"a file; give its directory, {path.parent}."
    return "there is no such directory."


def read_rules(path: Path) -> oca.RuleFile:
    """Return a rule file's tree; what is wrong with it ends the command."""
    try:
        return oca.parse(path.read_text(encoding="utf-8", errors="replace"))
    except oca.OcaSyntaxError as error:
        raise CommandError(f"{path}:{error}") from error
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


@contextmanager
def refused_rules(path: Path) -> Iterator[None]:
    """End the command where the settings refuse what a rule file asks for."""
    try:
        yield
    except oca.OcaUnsupportedError as error:
        raise CommandError(f"{path}:{error}") from error


def read_plan(path: Path | None) -> oca.AssociationPlan:
    """Return a ``levels.toml``; what is wrong with it ends the command."""
    if path is None:
        return oca.NO_PLAN
    try:
        return parse_plan(str(path), path.read_text(encoding="utf-8"))
    except DefinitionError as error:
        raise CommandError(str(error)) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: byte {error.start} is not UTF-8.") from error
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def read_oca_settings(words: list[str]) -> oca.OcaSettings:
    """Return the settings given as ``KEY=VALUE``; an unknown one ends the command."""
    lines = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise CommandError(f"--set {word}: expected KEY=VALUE, such as reference=mid_exposure.")
        is_bare = value in {"true", "false"} or (value.isascii() and value.isdigit())
        lines.append(f"{key} = {value if is_bare else json.dumps(value)}")
    try:
        return oca.OcaSettings(**read_settings(parse_oca_section("--set", "\n".join(lines))))
    except DefinitionError as error:
        raise CommandError(f"--set {words[error.line - 1]}: {error.message}") from error
