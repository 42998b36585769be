"""Follows a directory and ingests each frame when it is whole."""

import math
import time
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import close_old_connections
from django.utils import timezone

from pipelines.models import Instrument, Root
from pipelines.services.ingest import Done, ingest
from pipelines.services.roots import Roots
from pipelines.services.watch import Watch
from qcweb.management.base import DatabaseCommand, no_directory
from qcweb.tasks import ask


def _seconds(text: str) -> float:
    found = float(text)
    if not 0 <= found < math.inf:
        raise ArgumentTypeError(f"{text}: expected seconds, 0 or more")
    return found


class Command(DatabaseCommand):
    help = "Follow a directory: ingest each frame that has not changed for a while."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument(
            "--quiet", type=_seconds, default=10, metavar="S",
            help="seconds without a change before a file counts as whole",
        )  # fmt: skip
        parser.add_argument(
            "--every", type=_seconds, default=5, metavar="S", help="seconds between two looks"
        )
        parser.add_argument("--once", action="store_true", help="end when all files are at rest")

    def handle(self, *_args: Any, **options: Any) -> None:
        directory: Path = options["directory"].resolve()
        if not directory.is_dir():
            raise CommandError(f"{directory}: {no_directory(directory)}")
        if not Instrument.objects.exists():
            raise CommandError("No instrument is known. Run: manage.py load_instruments")
        root = Roots.load().name(directory, timezone.now(), is_own=True)
        # The rounds look there too: nothing is missed while nobody watches.
        Root.objects.filter(pk=root.pk).update(is_followed=True)
        self.stdout.write(f"Following {directory}; Ctrl-C ends")
        watch = Watch(directory, options["quiet"])
        try:
            self._follow(watch, options["every"], once=options["once"])
        except KeyboardInterrupt:
            self.stdout.write("Ended.")

    def _follow(self, watch: Watch, every_s: float, *, once: bool) -> None:
        ends_at = time.monotonic() + watch.quiet_s + every_s
        while True:
            close_old_connections()  # a database that was restarted meanwhile is asked anew
            if paths := watch.settled(time.monotonic()):
                self._ingest(paths)
            if once and time.monotonic() > ends_at:
                return
            time.sleep(every_s)

    def _ingest(self, paths: list[Path]) -> None:
        report = ingest(paths, timezone.now())
        ask(report.to_advance)
        for line in report.files:
            if line.done == Done.REFUSED:
                self.stderr.write(str(line))
        counts = ", ".join(f"{n} {done}" for done, n in report.counts().items())
        self.stdout.write(f"{timezone.now():%H:%M:%S} UT: {counts}; {report.new_blocks} new blocks")
        self.stdout.flush()
