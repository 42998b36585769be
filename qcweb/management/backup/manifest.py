"""What a backup says of itself: by which program it was made, of what, with the sum of each part."""

import datetime as dt
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection
from django.db.migrations.loader import MigrationLoader

FORMAT = 1
MANIFEST = "manifest.json"
# Their rows are counted: a restored installation has as many.
TABLES = (
    "pipelines_instrument", "pipelines_rawfile", "pipelines_associationblock", "pipelines_attempt",
    "pipelines_product", "trending_qc1row", "trending_qc1value", "trending_score",
    "certification_certification", "auth_user",
)  # fmt: skip


class BackupError(Exception):
    """A backup cannot be made or restored; the message says what to do. Nothing has changed."""


@dataclass
class Manifest:
    """The last member of a backup.

    Attributes
    ----------
    database
        ``sqlite`` or ``postgresql``: a backup goes back to where it came from.
    migrations
        Those that were applied, as ``app.name``.
    counts
        Rows of the main tables.
    files
        Size and SHA-256 of each member by its name.
    folders
        Where the folder of each instrument was.
    """

    version: str
    made_at: str
    database: str
    migrations: list[str]
    counts: dict[str, int]
    folders: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    format: int = FORMAT

    def as_bytes(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode()


def applied_migrations() -> list[str]:
    loader = MigrationLoader(connection)
    return sorted(f"{app}.{name}" for app, name in loader.applied_migrations)


def known_migrations() -> set[str]:
    loader = MigrationLoader(connection)
    return {f"{app}.{name}" for app, name in loader.disk_migrations or {}}


def count_rows() -> dict[str, int]:
    """Return the rows of the main tables; one that is not there has none."""
    there = set(connection.introspection.table_names())
    counts = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            if table in there:
                cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608  names are ours
                counts[table] = int(cursor.fetchone()[0])
    return counts


def new_manifest(version: str, at: dt.datetime, folders: dict[str, str]) -> Manifest:
    return Manifest(
        version=version,
        made_at=at.isoformat(),
        database=connection.vendor,
        migrations=applied_migrations(),
        counts=count_rows(),
        folders=folders,
    )


def read_manifest(content: bytes) -> Manifest:
    """Return a backup's manifest.

    Raises
    ------
    BackupError
        It is none, or of a later program.
    """
    try:
        found: dict[str, Any] = json.loads(content)
        if found["format"] != FORMAT:
            raise BackupError(
                f"The backup has format {found['format']}, this program reads {FORMAT}. "
                "Restore it with the version that made it, or a later one."
            )
        manifest = Manifest(**found)
        manifest.files = {
            name: (int(n), str(digest)) for name, (n, digest) in found["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError("The file is no backup: its manifest cannot be read.") from error
    unknown = sorted({*manifest.migrations} - known_migrations() - _of_others(manifest))
    if unknown:
        raise BackupError(
            f"The backup was made by version {manifest.version}, with {', '.join(unknown[:3])}: "
            "update the program first."
        )
    return manifest


def _of_others(manifest: Manifest) -> set[str]:
    """Return migrations of apps that this program does not have at all: they do no harm."""
    ours = {name.partition(".")[0] for name in known_migrations()}
    return {name for name in manifest.migrations if name.partition(".")[0] not in ours}
