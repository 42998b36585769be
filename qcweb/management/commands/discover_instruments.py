"""Proposes an instrument folder for each of ESO's pipelines that is installed here."""

import json
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from qcweb.instrument_folders import FolderError, find_folders, read_folder
from qcweb.management.discover.files import texts_of
from qcweb.management.discover.installed import (
    PLUGINS,
    DiscoveryError,
    Installed,
    find_installed,
)
from qcweb.management.discover.proposal import Proposal, propose


class Command(BaseCommand):
    help = "Propose instrument folders from the pipelines of ESO that are installed here."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="instruments or pipelines")
        parser.add_argument("--out", type=Path, help="where to write (default: proposed, in data)")
        parser.add_argument(
            "--plugins", type=Path, default=PLUGINS, help=f"what is installed (default: {PLUGINS})"
        )
        parser.add_argument("--force", action="store_true", help="write over what is there")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        out = Path(options["out"] or settings.HCM_DATA_DIR / "proposed").absolute()
        chosen = _chosen(options["plugins"], options["names"])
        reports = [
            self._one(one, out, force=options["force"], as_json=options["json"]) for one in chosen
        ]
        done = [report for report in reports if report]
        if options["json"]:
            self.stdout.write(json.dumps(done, indent=1))
        elif any(report["written"] for report in done):
            self.stdout.write(f"Review {out}, then: python manage.py load_instruments {out}")
        if failed := len(reports) - len(done):
            raise CommandError(f"{failed} of {len(reports)} instruments could not be proposed.")

    def _one(
        self, one: Installed, out: Path, *, force: bool, as_json: bool
    ) -> dict[str, Any] | None:
        """Propose one instrument; None when it fails."""
        folder = out / (one.instrument or one.pipeline).lower()
        if folder.exists() and not force:
            self.stderr.write(
                f"{folder}: it is there, perhaps edited, and stays as it is. --force writes it anew."
            )
            return {"pipeline": one.folder.name, "folder": str(folder), "written": False}
        try:
            proposal = propose(one, _taken(folder))
            _write(proposal, folder)
        except (DiscoveryError, FolderError) as error:
            self.stderr.write(str(error))
            return None
        except OSError as error:
            self.stderr.write(f"{folder}: {error.strerror}.")
            return None
        report = _report(proposal, folder)
        if not as_json:
            # One by one, as they come: asking the recipes takes its time.
            self.stdout.write(_in_words(report))
        return report


def _in_words(report: dict[str, Any]) -> str:
    return (
        f"{report['instrument']} {report['version']}: {report['n_rules']} rules, "
        f"{report['n_recipes']} recipes, {report['n_raw_types']} raw types, "
        f"{report['n_qc_parameters']} QC parameters in {report['n_tables']} tables "
        f"({report['n_left_out']} of the dictionary left out): {report['folder']}"
    )


def _chosen(plugins: Path, names: list[str]) -> list[Installed]:
    if not plugins.is_dir():
        raise CommandError(f"{plugins}: there is no such directory. Is a cpl-plugin installed?")
    installed = find_installed(plugins)
    if not installed:
        raise CommandError(f"{plugins}: no pipeline is installed there (uves-6.1.8 and the like).")
    for name in names:
        if not any(one.is_called(name) for one in installed):
            known = ", ".join(one.pipeline for one in installed)
            raise CommandError(f"{name}: not installed in {plugins}; there are {known}.")
    return [one for one in installed if not names or any(map(one.is_called, names))]


def _taken(folder: Path) -> frozenset[str]:
    """Return the names of the instruments that other folders of this site describe."""
    names = []
    try:
        folders = find_folders(settings.HCM_INSTRUMENTS_DIRS)
    except FolderError:
        # Whoever loads them is told.
        folders = []
    for path in folders:
        try:
            said = tomllib.loads((path / "instrument.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if path.resolve() != folder.resolve():
            names.append(str(said.get("name", "")))
    return frozenset(names)


def _write(proposal: Proposal, folder: Path) -> None:
    """Write a folder that is known to load: it is made and read beside its place first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    texts = texts_of(proposal)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".proposed-") as made:
        for name, text in texts.items():
            (Path(made) / name).write_text(text, encoding="utf-8")
        read_folder(Path(made))
        folder.mkdir(exist_ok=True)
        for name in texts:
            (Path(made) / name).replace(folder / name)


def _report(proposal: Proposal, folder: Path) -> dict[str, Any]:
    rules = proposal.contents.rules
    return {
        "instrument": proposal.name,
        "pipeline": proposal.installed.folder.name,
        "version": proposal.installed.version,
        "folder": str(folder),
        "written": True,
        "rules": str(proposal.contents.rules_file),
        "n_rules": len(rules.classification),
        "n_recipes": len(proposal.recipes),
        "n_raw_types": len(proposal.survey.raw_types),
        "n_tables": len(proposal.tables.tables),
        "n_qc_parameters": proposal.tables.n_parameters,
        "n_left_out": sum(
            len(names)
            for reasons in (proposal.tables.left_out, proposal.contents.dictionary.left_out)
            for names in reasons.values()
        ),
        "missing_recipes": proposal.missing_recipes,
    }
