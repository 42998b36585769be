"""Registers the raw frames below a directory and says what it did with every file."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.models import Instrument
from pipelines.services.chores import chore
from pipelines.services.ingest import Done, find_frames, ingest
from qcweb.management.base import DatabaseCommand, no_directory
from qcweb.tasks import ask


class Command(DatabaseCommand):
    help = "Register raw frames, group them into blocks, associate calibrations, queue the work."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument("--quiet", action="store_true", help="only the counts")

    def handle(self, *_args: Any, **options: Any) -> None:
        directory: Path = options["directory"]
        if not directory.is_dir():
            raise CommandError(f"{directory}: {no_directory(directory)}")
        if not Instrument.objects.exists():
            raise CommandError("No instrument is known. Run: manage.py load_instruments")
        directory = directory.resolve()
        with chore("ingest", str(directory)) as note:
            report = ingest(find_frames(directory), timezone.now(), directory)
            counts = ", ".join(f"{n} {done}" for done, n in report.counts().items()) or "no frames"
            note.said = f"{counts}; {report.new_blocks} new blocks, {len(report.to_advance)} queued"
            if not ask(report.to_advance):
                self.stderr.write(
                    "The broker does not answer; what is registered here is processed when it does."
                )
        for line in report.files:
            if line.done == Done.REFUSED:
                self.stderr.write(str(line))
            elif not options["quiet"]:
                self.stdout.write(str(line))
        self.stdout.write(f"{directory}: {note.said}")
