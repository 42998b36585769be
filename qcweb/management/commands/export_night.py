"""Writes a night as files to keep: pages, pictures, numbers; for any web server, or none."""

import socket
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from qcweb.problems import ProblemError
from qcweb.web.export import Export, ExportError
from qcweb.web.night_page import find_night
from qcweb.web.views.nights import parse_night


class Command(BaseCommand):
    help = "Write a night as pages to keep: they need no server, no script and no login."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("instrument")
        parser.add_argument("night", help="as on the pages: 2015-02-26")
        parser.add_argument(
            "--to", type=Path, required=True, metavar="DIR", help="a new or empty directory"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        at, folder = timezone.now(), Path(options["to"])
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CommandError(f"{folder} is not empty: nothing is written over.")
        try:
            night = find_night(options["instrument"], parse_night(options["night"]), at)
        except ProblemError as error:
            raise CommandError(f"{error.problem.detail} {error.problem.hint}") from error
        if night is None:
            raise CommandError(f"There is no instrument {options['instrument']!r}.")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            n = Export(night, folder, socket.gethostname(), at, AnonymousUser()).write()
        except ExportError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{n} blocks: open {folder / 'index.html'}")
