"""Holds, releases, cancels or puts first what a block, an instrument or the whole pool has to do."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument
from pipelines.services import control
from qcweb.management.base import DatabaseCommand
from qcweb.tasks import ask

ACTS = ("hold", "release", "cancel", "first")


class Command(DatabaseCommand):
    help = (
        "Act on the work: hold (no new recipe starts), release, cancel (also what runs), first "
        "(before all others). Of a block, an instrument, or everything."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("act", choices=ACTS)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--block", metavar="AB_NAME")
        which.add_argument("--instrument", metavar="NAME")
        which.add_argument("--all", action="store_true", help="the whole pool")
        parser.add_argument("--reason", default="", help="kept in the record")

    def handle(self, *_args: Any, **options: Any) -> None:
        subject = _subject(options)
        n = _do(options["act"], subject, options["reason"])
        if n is None or (not n and options["act"] in {"cancel", "first"}):
            verb = "run" if options["act"] == "first" else options["act"]
            raise CommandError(f"There was nothing to {verb}.")
        name = str(subject) if subject is not None else "everything"
        self.stdout.write(f"{name}: {options['act']}, {n} block{'s' * (n != 1)}")


def _do(act: str, subject: control.Subject, reason: str) -> int | None:
    """Do it; return how many blocks wait that it is about, None where nothing was changed."""
    at = timezone.now()
    n_waiting = control.waiting_of(subject).count()
    if act == "hold":
        return n_waiting if control.hold(subject, at, None, reason) else None
    if act == "release":
        return n_waiting if control.release(subject, at, None, reason) else None
    if act == "cancel":
        if isinstance(subject, AssociationBlock):
            return int(control.cancel(subject, at, None, reason))
        return control.cancel_all(subject, at, None, reason)
    first = control.run_first(control.waiting_of(subject), at, None)
    ask(first)
    return len(first)


def _subject(options: dict[str, Any]) -> control.Subject:
    if options["all"]:
        return None
    if options["block"]:
        block = AssociationBlock.objects.filter(ab_name=options["block"]).first()
        if block is None:
            raise CommandError(f"There is no block {options['block']}.")
        return block
    name = options["instrument"].upper()
    instrument = Instrument.objects.filter(name=name).first()
    if instrument is None:
        known = ", ".join(Instrument.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no instrument {name}. Known: {known}.")
    return instrument
