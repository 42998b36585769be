"""Imports QC1 rows from files: each file whole, or not at all."""

import csv
import getpass
import logging
import sys
from pathlib import Path
from typing import Any

import click
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.services.chores import chore
from qcweb.management.base import DatabaseCommand
from trending.services.import_rows import ImportReport, import_file
from trending.services.read_files import FORMATS, ImportRefusedError

logger = logging.getLogger(__name__)


class Command(DatabaseCommand):
    help = (
        "Import QC1 rows from CSV, VOTable, FITS or Parquet; a file is named after its table, or "
        "--table says which."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--table", default="", help="name of the QC1 table")
        parser.add_argument(
            "--format", default="", choices=sorted(set(FORMATS.values())),
            help="what the files are, if their names do not say so",
        )  # fmt: skip
        parser.add_argument(
            "--simulated", action="store_true", help="mark the rows as simulated on every page"
        )
        parser.add_argument(
            "--report", type=Path, metavar="CSV",
            help="write what became of each row: file, line or row, new, replaced or unchanged",
        )  # fmt: skip

    def handle(self, *_args: Any, **options: Any) -> None:
        refused = 0
        lines: list[tuple[str, int, str]] = []
        for path in options["files"]:
            try:
                with chore("import_qc1", str(path)) as note:
                    report = self._import(path, options)
                    note.said = str(report)
            except ImportRefusedError as error:
                refused += 1
                self.stderr.write(str(error))
            # Whatever one file does, the others are looked at.
            except Exception as error:
                refused += 1
                logger.exception("%s: not imported", path)
                self.stderr.write(f"{path}: not imported, {type(error).__name__}: {error}")
            else:
                self.stdout.write(f"{path}: {report}")
                lines += [(str(path), place, outcome) for place, outcome in report.rows]
        if options["report"]:
            _write(options["report"], lines)
        if refused:
            raise CommandError(f"{refused} of {len(options['files'])} files refused, all of each.")

    def _import(self, path: Path, options: dict[str, Any]) -> ImportReport:
        # A bar for a person; a log gets none.
        with click.progressbar(
            length=1, label=path.name, file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:

            def note(done: int, total: int) -> None:
                bar.length = total
                bar.update(done - bar.pos)

            return import_file(
                path,
                timezone.now(),
                by=getpass.getuser(),
                table_name=options["table"],
                kind=options["format"],
                is_simulated=options["simulated"],
                note=note,
            )


def _write(path: Path, lines: list[tuple[str, int, str]]) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "row", "outcome"])
            writer.writerows(lines)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}. The import itself is done.") from error
