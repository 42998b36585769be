"""Scores rows again: by the facts of today, or, to prove the past, by those of a time."""

import argparse
import datetime as dt
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone

from pipelines.models import Instrument
from pipelines.services.chores import chore
from qcweb.management.base import DatabaseCommand
from trending.models import QC1Row, QC1Table
from trending.services.rescore import Reproduction, reproduce, rescore

_DAY = dt.timedelta(days=1)
# So many differences are listed; all are counted.
SHOWN = 20


class Command(DatabaseCommand):
    help = (
        "Score again what is stored. With --as-of nothing is written: the scores of that time are "
        "computed anew from what was known when each was made, and compared to the last bit."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "night", nargs="?", type=_night, metavar="NIGHT", help="YYYY-MM-DD; default: all"
        )
        parser.add_argument(
            "--as-of", type=_instant, metavar="DATE",
            help="YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, UT: the scores that stood then; a date alone "
                 "is its end",
        )  # fmt: skip
        parser.add_argument("--instrument", default="", help="this instrument alone")
        parser.add_argument("--table", default="", help="this QC1 table alone")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["as_of"] is not None and options["as_of"] > timezone.now() + _DAY:
            raise CommandError(
                f"{options['as_of']:%Y-%m-%d} is yet to come: nothing is known of it."
            )
        rows = self._rows(options["night"], options["instrument"], options["table"])
        if options["as_of"] is not None:
            self._prove(reproduce(options["as_of"], rows), options["as_of"])
            return
        current = rows.filter(is_current=True)
        if not (n := current.count()):
            raise CommandError("There are no rows to score: see the tables at /qc1/.")
        with chore("rescore", str(options["night"] or "all nights")) as note:
            changed = rescore(current, timezone.now())
            note.said = f"{n} rows scored again, {changed} scores changed, their limits and statistics counted"
        self.stdout.write(note.said)

    def _rows(self, night: dt.date | None, instrument: str, table: str) -> QuerySet[QC1Row]:
        rows = QC1Row.objects.all()
        if instrument:
            known = Instrument.objects.values_list("name", flat=True)
            if instrument not in known:
                raise CommandError(
                    f"There is no instrument {instrument}; known: {', '.join(known)}."
                )
            rows = rows.filter(table__instrument__name=instrument)
        if table:
            tables = QC1Table.objects.values_list("name", flat=True)
            if table not in tables:
                raise CommandError(f"There is no table {table}; known: {', '.join(tables)}.")
            rows = rows.filter(table__name=table)
        return rows if night is None else rows.filter(night=night)

    def _prove(self, done: Reproduction, at: dt.datetime) -> None:
        if not done.n_scores:
            raise CommandError(f"No scores stood at {at:%Y-%m-%dT%H:%M:%S} UT.")
        for one in done.differences[:SHOWN]:
            self.stdout.write(str(one))
        if len(done.differences) > SHOWN:
            self.stdout.write(f"… and {len(done.differences) - SHOWN} more")
        self.stdout.write(
            f"as of {at:%Y-%m-%dT%H:%M:%S} UT: {done.n_scores} scores, "
            f"{done.n_identical} identical, {done.n_close} equal within 1e-12, "
            f"{done.n_different} different"
        )
        if done.n_different:
            raise CommandError("The past does not come out as it is stored.")


def _night(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no night; write it as YYYY-MM-DD") from error


def _instant(text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date; write it as YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS"
        ) from error
    if len(text) <= len("YYYY-MM-DD"):
        found += dt.timedelta(days=1) - dt.timedelta(microseconds=1)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
