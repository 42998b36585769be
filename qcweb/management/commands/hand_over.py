"""Hands certified masters over as a directory or a tar file."""

import datetime as dt
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.models import ActKind, Instrument
from pipelines.services.control import record
from qcweb.certification.handover import HandOverError, masters_of, write_folder, write_tar
from qcweb.management.base import DatabaseCommand


class Command(DatabaseCommand):
    help = (
        "Write the certified masters of an instrument with final names, checksums, their "
        "certification, and a set-of-frames file for EsoRex."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("instrument", metavar="INSTRUMENT")
        parser.add_argument("target", type=Path, metavar="DIR|FILE.tar")
        parser.add_argument("--since", type=_night, help="the first night: 2026-11-01")
        parser.add_argument("--until", type=_night, help="the last night")

    def handle(self, *_args: Any, **options: Any) -> None:
        name, target = options["instrument"].upper(), options["target"]
        instrument = Instrument.objects.filter(name=name).first()
        if instrument is None:
            known = ", ".join(Instrument.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no instrument {name}. Known: {known}.")
        masters = masters_of(instrument, options["since"], options["until"])
        try:
            (write_tar if target.suffix == ".tar" else write_folder)(masters, target)
        except HandOverError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or target}: {error.strerror}") from error
        record(ActKind.HAND_OVER, timezone.now(), None, instrument=instrument,
               target=str(target), names=[one.name for one in masters])  # fmt: skip
        size = sum(one.product.size for one in masters)
        self.stdout.write(f"{target}: {len(masters)} masters, {size / 1e6:.1f} MB")


def _night(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no night; expected its date: 2026-11-18") from error
