"""Prints the association tree of one frame."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from pipelines.domain.calselector import Association, Mode, TreeError, read_tree, write_tree
from pipelines.models import RawFile
from pipelines.services.ingest import find_frames
from pipelines.services.instruments import NoRulesError
from pipelines.services.oca_report import read_frames
from pipelines.services.roots import Roots
from pipelines.services.trees import NoTreeError, tree_from_files, tree_of
from qcweb.management.base import (
    DatabaseCommand,
    read_oca_settings,
    read_plan,
    read_rules,
    refused_rules,
)

MODES = {"raw2raw": Mode.RAW2RAW, "raw2master": Mode.RAW2MASTER}


class Command(DatabaseCommand):
    help = (
        "Print which calibrations a frame needs, and what those need, as JSON or as XML in the "
        "form of ESO's calSelector. Registered frames go by the database; with --rules the files "
        "beside the frame do, and no database is needed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", help="a frame, its archive name, or a tree as .xml"
        )
        parser.add_argument("--xml", action="store_true", help="as XML; default: JSON")
        parser.add_argument(
            "--mode", choices=list(MODES), default="raw2raw", help="raw frames, or their masters"
        )
        parser.add_argument("--rules", type=Path, metavar="RULES", help="an OCA rule file")
        parser.add_argument(
            "--calib", type=Path, metavar="DIR", help="masters and static tables, with --rules"
        )
        parser.add_argument(
            "--levels", type=Path, metavar="TOML", help="windows, breakpoints, with --rules"
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings_chosen",
            help="what OCA leaves open, with --rules",
        )  # fmt: skip

    def execute(self, *args: Any, **options: Any) -> str | None:
        # Files alone need no tables.
        if options["rules"] or _is_tree(options["file"]):
            return BaseCommand.execute(self, *args, **options)
        return super().execute(*args, **options)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            tree = self._tree(options)
        except (NoTreeError, NoRulesError, TreeError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        if options["xml"]:
            self.stdout.write(write_tree(tree), ending="")
        else:
            self.stdout.write(json.dumps(tree.as_dict(), indent=1))

    def _tree(self, options: dict[str, Any]) -> Association:
        if _is_tree(options["file"]):
            return _read(Path(options["file"]))
        if options["rules"]:
            return self._by_rules(Path(options["file"]), options)
        return tree_of(_registered(options["file"]), MODES[options["mode"]])

    def _by_rules(self, file: Path, options: dict[str, Any]) -> Association:
        if not file.is_file():
            raise CommandError(f"{file}: there is no such file.")
        rules = read_rules(options["rules"])
        directories = [file.parent, *([options["calib"]] if options["calib"] else [])]
        # The frame itself under the name it was given, whatever the directory calls it.
        paths = dict.fromkeys([file, *(p for d in directories for p in find_frames(d))])
        settings = read_oca_settings(options["settings_chosen"])
        frames, unread = read_frames(rules, paths, settings)
        for one in unread:
            self.stderr.write(f"{one.path}: {one.reason}")
        plan, mode = read_plan(options["levels"]), MODES[options["mode"]]
        with refused_rules(options["rules"]):
            return tree_from_files(rules, frames, file, plan, settings, mode)


def _is_tree(file: str) -> bool:
    return file.endswith(".xml")


def _read(path: Path) -> Association:
    try:
        return read_tree(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: byte {error.start} is not UTF-8.") from error


def _registered(file: str) -> RawFile:
    """Return a frame by its path, or by its name."""
    frames = RawFile.objects.select_related("instrument", "root")
    path = Path(file)
    if path.exists():
        placed = Roots.load().place(path.resolve())
        found = frames.filter(root=placed[0], path=placed[1]).first() if placed else None
    else:
        found = None
    name = path.name.removesuffix(".fits")
    found = found or frames.filter(name__in=[name, f"{name}.fits"]).first()
    if found is None:
        raise CommandError(
            f"{file}: no such frame is registered. Ingest its directory first, or give --rules."
        )
    return found
