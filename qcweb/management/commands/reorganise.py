"""Lets registered frames of nights go through the rules anew."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.models import Instrument
from pipelines.services.chores import chore
from pipelines.services.reclassify import reclassify
from qcweb.management.base import DatabaseCommand
from qcweb.problems import ProblemError
from qcweb.tasks import ask
from qcweb.web.views.nights import find_instrument, parse_night


class Command(DatabaseCommand):
    help = (
        "Read the headers of nights again, classify them by the rules in force, and organise. "
        "Blocks whose frames are seen as before keep their result."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("instrument")
        parser.add_argument("nights", nargs="+", metavar="NIGHT", help="such as 2026-11-18")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            instrument: Instrument = find_instrument(options["instrument"])
            nights = [parse_night(text) for text in options["nights"]]
        except ProblemError as error:
            raise CommandError(f"{error.problem.detail} {error.problem.hint}") from error
        with chore("reorganise", f"{instrument.name} {' '.join(options['nights'])}") as note:
            done = reclassify(instrument, nights, timezone.now())
            note.said = (
                f"{done.n_frames} frames, {done.n_changed} seen otherwise, "
                f"{done.n_new_blocks} new blocks, {len(done.to_advance)} to run"
            )
            ask(done.to_advance)
        for name, reason in done.unread:
            self.stderr.write(f"{name}: {reason}")
        self.stdout.write(f"{instrument.name}: {note.said}")
        if done.unread:
            raise CommandError(f"{len(done.unread)} frames could not be read.")
