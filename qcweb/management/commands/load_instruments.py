"""Loads instrument folders; a folder with a mistake is refused whole, with file and line."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from qcweb.instrument_folders import FolderError, find_folders, load_folder, read_folder
from qcweb.management.base import DatabaseCommand


class Command(DatabaseCommand):
    help = "Load instrument folders: rules, QC1 tables, score rules and reports."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "directories", nargs="*", type=Path, help="folders, or directories of folders"
        )
        parser.add_argument("--check", action="store_true", help="read and report, write nothing")

    def execute(self, *args: Any, **options: Any) -> str | None:
        # Reading folders needs no tables.
        if options["check"]:
            return BaseCommand.execute(self, *args, **options)
        return super().execute(*args, **options)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            folders = find_folders(options["directories"] or settings.HCM_INSTRUMENTS_DIRS)
        except FolderError as error:
            raise CommandError(str(error)) from error
        if not folders:
            where = ", ".join(map(str, options["directories"] or settings.HCM_INSTRUMENTS_DIRS))
            raise CommandError(f"{where}: no folder with an instrument.toml in it.")
        failed = 0
        for path in folders:
            try:
                folder = read_folder(path)
                if not options["check"]:
                    load_folder(folder, timezone.now())
            except FolderError as error:
                failed += 1
                self.stderr.write(str(error))
            else:
                self.stdout.write(
                    f"{folder.definition.name}: {len(folder.tables)} QC1 tables, "
                    f"{len(folder.score_rules)} score rules, {len(folder.reports)} reports"
                )
        if failed:
            raise CommandError(f"{failed} of {len(folders)} folders refused; they are unchanged.")
