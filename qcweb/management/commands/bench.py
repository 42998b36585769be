"""Runs the benchmarks: ours beside theirs, printed and recorded."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from qcweb.management.bench import (
    GROUPS,
    api_parts,
    api_site,
    find,
    processing_recipes,
    processing_system,
    qc1_parts,
    qc1_site,
    run,
    web_pages,
    web_parts,
)
from qcweb.management.bench.demo_night import run_bare_recipes
from qcweb.management.bench.frame import record
from qcweb.management.bench.oca_rules import run_register


class Command(BaseCommand):
    help = "Compare our times with others', side by side in one run; lower ratios are better."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only", default="", metavar="GROUP", help=f"one of {', '.join(GROUPS)}"
        )
        parser.add_argument(
            "--bare-recipes", action="store_true", help="run this installation's recipes alone"
        )
        parser.add_argument(
            "--register", type=Path, metavar="DIR", help="register the frames of a directory here"
        )

        parser.add_argument(
            "--part", default="", help="a part of a benchmark, inside an installation of its own"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["bare_recipes"]:
            self.stdout.write(f"{run_bare_recipes():.3f}")
            return
        if options["register"]:
            self.stdout.write(f"{run_register(options['register']):.3f}")
            return
        if options["part"]:
            name, *words = options["part"].split()
            parts = processing_recipes.PARTS | processing_system.PARTS | qc1_parts.PARTS
            parts |= api_parts.PARTS | web_parts.PARTS
            self.stdout.write(str(parts[name](*words)))
            return
        group = options["only"]
        if group and group not in GROUPS:
            raise CommandError(f"{group!r} is no group; known are {', '.join(GROUPS)}.")
        found = find(group)
        if not found:
            self.stdout.write(f"Group {group} has no benchmark yet.")
        log = settings.HCM_DATA_DIR / "bench.jsonl"
        try:
            for one in found:
                figure = run(one, settings.HCM_DATA_DIR / "bench" / one.group)
                self.stdout.write(str(figure))
                self.stdout.flush()
                record(figure, log)
        finally:
            processing_system.close_all()
            web_pages.close()
            api_site.close()
            qc1_site.close()
