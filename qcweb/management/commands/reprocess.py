"""Queues blocks for another run: what they lacked is there now, or their products are lost."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.models import AssociationBlock, Completeness, NextStep
from pipelines.services.requests import request_again
from qcweb.management.base import DatabaseCommand
from qcweb.tasks import ask


class Command(DatabaseCommand):
    help = "Run the recipes of blocks again. A decision on the former result does not stand then."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ab_names", nargs="+", metavar="AB_NAME", help="as its page shows it")

    def handle(self, *_args: Any, **options: Any) -> None:
        at = timezone.now()
        names: list[str] = options["ab_names"]
        blocks = {one.ab_name: one for one in AssociationBlock.objects.filter(ab_name__in=names)}
        if unknown := [name for name in names if name not in blocks]:
            raise CommandError(f"There is no block {', '.join(unknown)}. Nothing was queued.")
        queued = [blocks[name] for name in names if request_again(blocks[name], at)]
        for name in names:
            queue_word = "queued" if blocks[name] in queued else f"left: {_why(blocks[name])}"
            self.stdout.write(f"{name}: {queue_word}")
        if not ask([block.pk for block in queued]):
            self.stderr.write("The broker does not answer; they are run when it does.")
        if not queued:
            raise CommandError("Nothing was queued.")


def _why(block: AssociationBlock) -> str:
    if block.next_step != NextStep.REST:
        return "it is being worked on"
    if block.completeness == Completeness.INCOMPLETE:
        return f"incomplete, {block.incomplete_reason}"
    return "no recipe is named for it"
