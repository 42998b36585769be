"""Looks at OCA rules and at what they make of frames; results on stdout, messages on stderr."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from pipelines.services import oca_report
from pipelines.services.ingest import find_frames, printable
from qcweb.management.base import read_oca_settings, read_plan, read_rules, refused_rules


class Command(BaseCommand):
    help = "Check OCA rule files; classify and organise frames by them, without a database."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        check = verbs.add_parser("check", help="count what a rule file holds, or say what is wrong")
        check.add_argument("files", nargs="+", type=Path, metavar="FILE")
        check.add_argument("--json", action="store_true")
        classify = verbs.add_parser("classify", help="a JSON line a frame: what fired")
        classify.add_argument("--rules", required=True, type=Path, metavar="FILE")
        classify.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        organise = verbs.add_parser("organise", help="blocks and their cascade as JSON")
        organise.add_argument("--rules", required=True, type=Path, metavar="FILE")
        organise.add_argument("--calib", type=Path, metavar="DIR", help="masters and static tables")
        organise.add_argument("--levels", type=Path, metavar="FILE", help="windows, breakpoints")
        organise.add_argument("directory", type=Path, metavar="DIR")
        for verb in (classify, organise):
            verb.add_argument(
                "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings_chosen",
                help="what OCA leaves open, e.g. reference=mid_exposure; see docs/oca.md",
            )  # fmt: skip

    def handle(self, *_args: Any, **options: Any) -> None:
        verb = {"check": self._check, "classify": self._classify, "organise": self._organise}
        if not verb[options["verb"]](options):
            sys.exit(1)

    def _check(self, options: dict[str, Any]) -> bool:
        reports = [oca_report.check(path) for path in options["files"]]
        if options["json"]:
            self.stdout.write(json.dumps(reports, indent=1))
        for report in [] if options["json"] else reports:
            self.stdout.write(_in_words(report))
            for warning in report.get("warnings", []):
                self.stderr.write(f"{report['file']}:{warning['line']}: {warning['message']}")
        return all("error" not in report for report in reports)

    def _classify(self, options: dict[str, Any]) -> bool:
        settings = read_oca_settings(options["settings_chosen"])
        frames, unread = oca_report.read_frames(
            read_rules(options["rules"]), _files(options["paths"]), settings
        )
        for frame in frames:
            self.stdout.write(json.dumps(oca_report.classified(frame)))
        return self._say_unread(unread)

    def _organise(self, options: dict[str, Any]) -> bool:
        rules = read_rules(options["rules"])
        settings = read_oca_settings(options["settings_chosen"])
        raws, unread = oca_report.read_frames(rules, _files([options["directory"]]), settings)
        masters: list[oca_report.ReadFrame] = []
        if options["calib"]:
            masters, more = oca_report.read_frames(rules, _files([options["calib"]]), settings)
            unread += more
        plan = read_plan(options["levels"])
        labels = {one.label for action in rules.action_rules for one in action.files}
        for _, label in sorted({*plan.windows, *plan.alternatives}):
            if label not in labels:
                self.stderr.write(f"{options['levels']}: the rules ask for no {label}.")
        with refused_rules(options["rules"]):
            report = oca_report.organised(rules, raws, masters, plan, settings)
        self.stdout.write(json.dumps(report, indent=1))
        return self._say_unread(unread)

    def _say_unread(self, unread: list[oca_report.Unread]) -> bool:
        for one in unread:
            self.stderr.write(f"{one.path}: {one.reason}")
        return not unread


def _in_words(report: oca_report.Report) -> str:
    file = printable(Path(report["file"]))
    if error := report.get("error"):
        if not error["line"]:
            return f"{file}: {error['expected']}"
        return f"{file}:{error['line']}:{error['column']}: {error['message']}"
    return (
        f"{file}: {report['rules']} rules, {report['selects']} selects, "
        f"{report['actions']} actions, {len(report['warnings'])} warnings"
    )


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from find_frames(path)
        else:
            yield path
