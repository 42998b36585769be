"""What our commands have in common."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


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
