"""Queues blocks for another run: what they lacked is there now, or their products are lost."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.models import AssociationBlock
from pipelines.services.reprocess import (
    ParameterError,
    dependents,
    read_choices,
    run_again,
)
from qcweb.management.base import DatabaseCommand
from qcweb.tasks import ask


class Command(DatabaseCommand):
    help = "Run the recipes of blocks again. A decision on the former result does not stand then."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ab_names", nargs="+", metavar="AB_NAME", help="as its page shows it")
        parser.add_argument(
            "--with-dependents", action="store_true", help="and all blocks that use their products"
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", dest="chosen",
            help="a parameter of the recipe, for this and later runs; of the named blocks alone",
        )  # fmt: skip
        parser.add_argument(
            "--anew", action="store_true", help="take nothing over, though nothing has changed"
        )
        parser.add_argument("--reason", default="", help="kept in the record of what was asked")

    def handle(self, *_args: Any, **options: Any) -> None:
        at = timezone.now()
        names: list[str] = list(dict.fromkeys(options["ab_names"]))
        found = AssociationBlock.objects.select_related("instrument").filter(ab_name__in=names)
        by_name = {one.ab_name: one for one in found}
        if unknown := [name for name in names if name not in by_name]:
            raise CommandError(f"There is no block {', '.join(unknown)}. Nothing was queued.")
        blocks = [by_name[name] for name in names]
        typed = dict(_pair(word) for word in options["chosen"])
        queued, left = [], []
        for block in blocks:
            done = run_again(
                [block], at, None, reason=options["reason"], is_anew=options["anew"],
                chosen=_chosen(block, typed) if typed else None,
            )  # fmt: skip
            queued += done.queued
            left += done.left
        if options["with_dependents"]:
            done = run_again(
                dependents(blocks), at, None, reason=options["reason"], is_anew=options["anew"]
            )
            queued += done.queued
            left += done.left
        for block in queued:
            self.stdout.write(f"{block.ab_name}: queued")
        for block, why in left:
            self.stdout.write(f"{block.ab_name}: left: {why}")
        if not ask([block.pk for block in queued]):
            self.stderr.write("The broker does not answer; they are run when it does.")
        if not queued:
            raise CommandError("Nothing was queued.")


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise CommandError(f"--set {word}: expected NAME=VALUE. Nothing was queued.")
    return name, value


def _chosen(block: AssociationBlock, typed: dict[str, str]) -> dict[str, Any]:
    try:
        kept = {key: one for key, one in block.chosen_parameters.items() if key not in typed}
        return kept | read_choices(block, typed)
    except ParameterError as error:
        raise CommandError(f"{block.ab_name}: {error}. Nothing was queued for it.") from error
