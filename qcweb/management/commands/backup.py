"""Writes the whole installation to one file, while it runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from pipelines.services.chores import chore
from qcweb.management.backup.archive import write_backup
from qcweb.management.backup.manifest import BackupError
from qcweb.management.base import DatabaseCommand


class Command(DatabaseCommand):
    help = (
        "Write database, products, previews, instrument folders and secret key to one file, with "
        "the sum of each. Raw frames are not in it. The system may run meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.tar", help="it must not exist yet")

    def handle(self, *_args: Any, **options: Any) -> None:
        target: Path = options["file"].absolute()
        if target.exists():
            raise CommandError(f"{target} is there already, and stays as it is.")
        try:
            with chore("backup", str(target)) as note:
                manifest = write_backup(target)
                note.said = f"{len(manifest.files)} files, {target.stat().st_size / 1e6:.1f} MB"
        except BackupError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or target}: {error.strerror}") from error
        self.stdout.write(f"{target}: {note.said}")
        self.stdout.write(
            "Whoever can read it has the site's secret key. Raw frames are not in it."
        )
