"""Does the hourly round by hand, now."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.services.rounds import run_round, subjects
from qcweb.management.base import DatabaseCommand
from qcweb.tasks import ask


class Command(DatabaseCommand):
    help = (
        "Do the hourly round now: look for new frames below the followed directories, organise, "
        "try again what failed. One that is at work already is left alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "subjects", nargs="*", metavar="SUBJECT", help="incoming, or instruments; default: all"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        known = subjects()
        for name in options["subjects"]:
            if name not in known:
                raise CommandError(f"{name!r} has no round. Known are: {', '.join(known)}.")
        failed = 0
        for name in options["subjects"] or known:
            try:
                report = run_round(name, timezone.now())
            except Exception as error:  # noqa: BLE001  one subject's trouble stops no other
                failed += 1
                self.stderr.write(f"{name}: failed: {type(error).__name__}: {error}")
                continue
            self.stdout.write(str(report))
            ask(report.to_advance)
        if failed:
            raise CommandError(f"{failed} rounds failed.")
