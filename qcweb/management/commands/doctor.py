"""Looks at an installation and says of each part: fine, or what to do."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from qcweb.management.doctor import places, recipes, services
from qcweb.management.doctor.finding import Check, Finding, Level, run

CHECKS: dict[str, Check] = {
    "settings": places.site_settings,
    "database": services.database,
    "broker": services.broker,
    "workers": services.workers,
    "data directory": places.directories,
    "recipes": recipes.recipes,
    "rules": recipes.rules,
    "clock": places.clock,
}


class Command(BaseCommand):
    help = (
        "Look at database, broker, workers, directories, recipes, rules, clock and settings; "
        "a line each, with what to do. Exit status 1 when something is broken."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the findings as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        found: list[Finding] = []
        for name, check in CHECKS.items():
            for one in run(name, check):
                found.append(one)
                if not options["json"]:
                    self.stdout.write(str(one))
        if options["json"]:
            self.stdout.write(json.dumps([one.as_dict() for one in found], indent=1))
        if any(one.level == Level.FAIL for one in found):
            sys.exit(1)
