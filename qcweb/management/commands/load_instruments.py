"""Loads instrument folders; a folder with a mistake is refused whole, with file and line."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from pipelines.services.chores import chore
from qcweb.instrument_folders import (
    FolderError,
    InstrumentFolder,
    find_folders,
    load_folder,
    of_another_folder,
    read_folder,
)
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
        if options["check"]:
            self._handle(options)
            return
        where = options["directories"] or settings.HCM_INSTRUMENTS_DIRS
        with chore("load_instruments", ", ".join(map(str, where))) as note:
            note.said = self._handle(options)

    def _handle(self, options: dict[str, Any]) -> str:
        """Read all folders, load those that are all right, and return which they are."""
        try:
            folders = find_folders(options["directories"] or settings.HCM_INSTRUMENTS_DIRS)
        except FolderError as error:
            raise CommandError(str(error)) from error
        if not folders:
            where = ", ".join(map(str, options["directories"] or settings.HCM_INSTRUMENTS_DIRS))
            raise CommandError(f"{where}: no folder with an instrument.toml in it.")
        failed = 0
        read: dict[str, InstrumentFolder] = {}
        for path in folders:
            try:
                folder = read_folder(path)
            except FolderError as error:
                failed += 1
                self.stderr.write(str(error))
                continue
            # A site's own folder of the same name comes later, and counts.
            if older := read.pop(folder.definition.name, None):
                self.stderr.write(f"{older.path}: left out, {path} has the same name and counts.")
            read[folder.definition.name] = folder
        for folder in read.values():
            try:
                self._load(folder, is_named=bool(options["directories"]), **options)
            except FolderError as error:
                failed += 1
                self.stderr.write(str(error))
        if failed:
            raise CommandError(f"{failed} of {len(folders)} folders refused; they are unchanged.")
        return ", ".join(read)

    def _load(
        self, folder: InstrumentFolder, *, is_named: bool, check: bool, **_options: Any
    ) -> None:
        """Load one folder and say what it holds, and whether its rules are new."""
        rules = ""
        if not check:
            elsewhere = of_another_folder(folder)
            if elsewhere and not is_named:
                raise FolderError(
                    f"{folder.path}: {folder.definition.name} was loaded from {elsewhere}, and "
                    "stays so. Name the folder to load it instead."
                )
            instrument = load_folder(folder, timezone.now())
            versions = instrument.rule_sets.filter(superseded_at=None).order_by("version")
            rules = ", rules version " + ", ".join(
                str(one) for one in versions.values_list("version", flat=True)
            )
        self.stdout.write(
            f"{folder.definition.name}: {len(folder.tables)} QC1 tables, "
            f"{len(folder.score_rules)} score rules, {len(folder.reports)} reports{rules}"
        )
