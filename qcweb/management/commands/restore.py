"""Puts an installation back from one file: checked whole before anything is touched."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from django.utils import timezone

from pipelines.models import Worker
from pipelines.services.workers import living_workers
from qcweb.management.backup.archive import FOLDERS, INSTRUMENTS, KEY_FILE, unpack
from qcweb.management.backup.databases import MEMBERS, prepare, put_in_place
from qcweb.management.backup.manifest import BackupError, Manifest, count_rows


class Command(BaseCommand):
    help = (
        "Put database, products, previews and secret key back from a backup. What is there is not "
        "replaced without --force, and then kept beside. Stop web, workers and beat first."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.tar")
        parser.add_argument(
            "--force", action="store_true", help="also where there is an installation already"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        source: Path = options["file"]
        if not source.is_file():
            raise CommandError(f"{source}: there is no such file.")
        root = Path(settings.HCM_DATA_DIR)
        root.mkdir(parents=True, exist_ok=True)
        try:
            _refuse_if_alive()
            _refuse_if_there(root, force=options["force"])
            # Beside its final place: what has been checked is only renamed.
            with tempfile.TemporaryDirectory(dir=root, prefix=".restore-") as staged:
                manifest = unpack(source, Path(staged))
                _check_kind(manifest)
                prepare(Path(staged) / MEMBERS[manifest.database])
                aside = _put_in_place(Path(staged), manifest, root)
        except BackupError as error:
            raise CommandError(f"{error} Nothing has changed.") from error
        except OSError as error:
            raise CommandError(f"{error.filename or source}: {error.strerror}") from error
        # Workers of the installation that was backed up are none of this one.
        Worker.objects.all().delete()
        self._say(source, manifest, aside)

    def _say(self, source: Path, manifest: Manifest, aside: Path) -> None:
        counts = count_rows()
        self.stdout.write(f"{source}: of {manifest.made_at}, version {manifest.version}")
        for table, n in manifest.counts.items():
            self.stdout.write(f"{counts.get(table, 0):9} {table}")
            if counts.get(table, 0) != n:
                self.stderr.write(f"{table}: there were {n} rows.")
        if aside.exists():
            self.stdout.write(f"What was there before is in {aside}; remove it when all is well.")
        self.stdout.write(
            "Raw frames were not in it: manage.py verify says whether they are where they were, "
            "manage.py relocate says where they are now."
        )


def _refuse_if_alive() -> None:
    try:
        names = list(living_workers().values_list("name", flat=True)[:3])
    except DatabaseError:  # no tables yet
        return
    if names:
        raise BackupError(
            f"Workers are alive: {', '.join(names)}. Stop web, workers and beat first."
        )


def _refuse_if_there(root: Path, *, force: bool) -> None:
    rows = {table: n for table, n in count_rows().items() if n}
    has_products = any((root / "products").glob("*"))
    if (rows or has_products) and not force:
        found = ", ".join(f"{n} rows in {table}" for table, n in rows.items()) or "products"
        raise BackupError(f"There is an installation already: {found}. --force replaces it.")


def _check_kind(manifest: Manifest) -> None:
    if manifest.database != connection.vendor:
        raise BackupError(
            f"The backup is of {manifest.database}, DATABASE_URL is of {connection.vendor}: a "
            "backup goes back to the kind of database it came from."
        )


def _put_in_place(staged: Path, manifest: Manifest, root: Path) -> Path:
    """Move what was checked to its place, and what was there to a directory beside."""
    aside = root / f"replaced-{timezone.now():%Y%m%dT%H%M%S}"
    aside.mkdir()
    put_in_place(staged / MEMBERS[manifest.database], aside)
    for name in (*FOLDERS, KEY_FILE, INSTRUMENTS):
        if (root / name).exists():
            shutil.move(root / name, aside / name)
        if (staged / name).exists():
            shutil.move(staged / name, root / name)
    if (root / KEY_FILE).exists():
        (root / KEY_FILE).chmod(0o600)
    if not any(aside.iterdir()):
        aside.rmdir()
    return aside
