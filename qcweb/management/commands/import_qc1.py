"""Imports QC1 rows from CSV files: each file whole, or not at all."""

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.services.chores import chore
from qcweb.management.base import DatabaseCommand
from trending.services.import_rows import import_file
from trending.services.read_files import ImportRefusedError


class Command(DatabaseCommand):
    help = "Import QC1 rows from CSV; a file is named after its table, or --table says which."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--table", default="", help="name of the QC1 table")
        parser.add_argument(
            "--simulated", action="store_true", help="mark the rows as simulated on every page"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        refused = 0
        for path in options["files"]:
            try:
                with chore("import_qc1", str(path)) as note:
                    report = import_file(
                        path,
                        timezone.now(),
                        by=getpass.getuser(),
                        table_name=options["table"],
                        is_simulated=options["simulated"],
                    )
                    note.said = str(report)
            except ImportRefusedError as error:
                refused += 1
                self.stderr.write(str(error))
            else:
                self.stdout.write(f"{path}: {report}")
        if refused:
            raise CommandError(f"{refused} of {len(options['files'])} files refused, all of each.")
