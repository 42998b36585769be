"""Processes a night: queues what has not been run, and shows how it goes."""

import datetime as dt
import sys
import time
from typing import Any

import click
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument, NextStep, ProcessStatus
from pipelines.services.progress import Progress, progress
from pipelines.services.reprocess import run_again
from pipelines.services.workers import living_workers
from qcweb.management.base import DatabaseCommand
from qcweb.tasks import ask

LOOK_S = 0.5


class Command(DatabaseCommand):
    help = "Process the blocks of a night that have no result yet. Failed ones are tried again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("night", metavar="NIGHT", help="its date: 2026-11-18")
        parser.add_argument("--instrument", help="this one alone")
        parser.add_argument("--wait", action="store_true", help="show a bar until all is done")
        parser.add_argument("--all", action="store_true", help="also what has a result already")
        parser.add_argument("--timeout", type=float, default=86400.0, help="of --wait, in seconds")

    def handle(self, *_args: Any, **options: Any) -> None:
        night = _night(options["night"])
        blocks = AssociationBlock.objects.filter(night=night)
        if options["instrument"]:
            blocks = blocks.filter(instrument=_instrument(options["instrument"]))
        if not blocks.exists():
            raise CommandError(
                f"Night {night} has no blocks{_of(options)}. `manage.py ingest DIR` makes them."
            )
        self._queue(list(blocks.in_order_of_work()), redo=options["all"])
        if options["wait"]:
            self._wait(blocks, options["timeout"])
        else:
            self.stdout.write(str(progress(blocks)))

    def _queue(self, blocks: list[AssociationBlock], *, redo: bool) -> None:
        at = timezone.now()
        wanted = [one for one in blocks if redo or one.process_status != ProcessStatus.SUCCESSFUL]
        at_rest = [one for one in wanted if one.next_step == NextStep.REST]
        again = run_again(at_rest, at, None, reason="manage.py process").queued
        waiting = [one.pk for one in blocks if one.next_step != NextStep.REST]
        if not ask([*waiting, *(one.pk for one in again)]):
            self.stderr.write("The broker does not answer; they are run when it does.")
        self.stderr.write(f"{len(again)} blocks queued, {len(waiting)} were on their way already.")

    def _wait(self, blocks: Any, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        now = progress(blocks.all())
        if now.n_open and not living_workers().exists():
            self.stderr.write("No worker is alive. Start one with `make worker`; this waits.")
        with click.progressbar(
            length=max(1, now.n_blocks), show_eta=False, file=sys.stderr,
            item_show_func=_shown,
        ) as bar:  # fmt: skip
            said = ""
            while True:
                bar.update(now.n_done + now.n_failed - bar.pos, now)
                if not sys.stderr.isatty() and str(now) != said:
                    said = str(now)
                    self.stderr.write(said)  # a log shows no bars
                if not now.n_open:
                    break
                if time.monotonic() > deadline:
                    raise CommandError(f"Not done after {timeout_s:g} s: {now}")
                time.sleep(LOOK_S)
                now = progress(blocks.all())
        self.stdout.write(str(now))
        self._say_failed(blocks, now)

    def _say_failed(self, blocks: Any, now: Progress) -> None:
        failed = blocks.filter(process_status=ProcessStatus.FAILED)
        for block in failed.in_cascade_order():
            self.stderr.write(
                f"{block.ab_name}: {block.get_failure_kind_display()}, {block.reason}"
            )
        if now.n_failed:
            raise CommandError(f"{now.n_failed} of {now.n_blocks} blocks failed.")


def _shown(now: Progress | None) -> str:
    return str(now) if now else ""


def _of(options: dict[str, Any]) -> str:
    return f" of {options['instrument']}" if options["instrument"] else ""


def _night(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{text!r} is no night; expected its date: 2026-11-18.") from error


def _instrument(name: str) -> Instrument:
    found = Instrument.objects.filter(name=name.upper()).first()
    if found is None:
        known = ", ".join(Instrument.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no instrument {name}. Known: {known}.")
    return found
