"""Heaps of what may go: files, directories and rows, each with its size; nothing is removed here."""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet

from pipelines.models import Attempt, Chore, Outcome, Product, Worker
from qcweb.certification.models import Certification, Decision

# What ended, or was written, less long ago may still be in somebody's hands.
GRACE = dt.timedelta(hours=1)
# Workers that fell silent so long ago are forgotten.
SILENT = dt.timedelta(days=7)
_JOB = re.compile(r"(\d+)-(\d+)")


@dataclass
class Heap:
    """Things of one kind that may go."""

    name: str
    paths: list[Path] = field(default_factory=list)
    # Products whose files go; their rows stay, their previews do not.
    products: list[int] = field(default_factory=list)
    rows: "QuerySet[Chore] | QuerySet[Worker] | None" = None

    @property
    def n(self) -> int:
        return len(self.paths) + (self.rows.count() if self.rows is not None else 0)

    @property
    def size(self) -> int:
        return sum(map(size_of, self.paths))


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all below a directory; links are not followed."""
    try:
        if path.is_symlink() or path.is_file():
            return path.lstat().st_size
        return sum(one.lstat().st_size for one in path.rglob("*") if not one.is_dir())
    except OSError:  # it went away meanwhile
        return 0


def find_heaps(at: dt.datetime, older_than: dt.timedelta) -> list[Heap]:
    """Look for everything that may go; what is younger than `older_than` stays where that matters."""
    superseded = superseded_products(at - older_than)
    return [
        Heap("job directories of ended runs", job_directories(at)),
        Heap("product directories of no run", orphans(at)),
        superseded,
        Heap("previews of products that are gone", previews_of(superseded.products)),
        Heap("quick looks", _old_files(settings.HCM_DATA_DIR / "looks", at - older_than)),
        Heap("logs", _old_files(settings.HCM_DATA_DIR / "logs", at - older_than)),
        Heap("chores", rows=old_chores(at - older_than)),
        Heap("workers", rows=Worker.objects.filter(seen_at__lt=at - SILENT)),
    ]


def job_directories(at: dt.datetime) -> list[Path]:
    """Return the directories of runs that ended: what is to be kept of them is in the database."""
    # The directories first: a run that begins meanwhile has none among them.
    found = _numbered(settings.HCM_WORK_DIR.glob("*"))
    at_work = _at_work(at)
    return [path for key, path in found if key not in at_work]


def orphans(at: dt.datetime) -> list[Path]:
    """Return product directories that no run refers to: their worker was killed over them."""
    if not Product.objects.exists():
        # Rather another installation's database than a directory full of orphans.
        return []
    found = _numbered((settings.HCM_DATA_DIR / "products").glob("*/*/*"))
    at_work = _at_work(at)
    return [
        path
        for key, path in found
        if key not in at_work and _is_older(path, at - GRACE) and not _is_referred_to(path)
    ]


def _numbered(paths: Iterable[Path]) -> list[tuple[tuple[int, int], Path]]:
    """Return directories named after block and attempt; others are not ours to remove."""
    matches = [(_JOB.fullmatch(path.name), path) for path in paths if path.is_dir()]
    return [((int(m[1]), int(m[2])), path) for m, path in matches if m]


def _at_work(at: dt.datetime) -> set[tuple[int, int]]:
    """Return block and number of the runs that go on, or ended a moment ago."""
    running = Attempt.objects.filter(outcome=Outcome.RUNNING)
    fresh = Attempt.objects.filter(finished_at__gt=at - GRACE)
    return {*running.values_list("block_id", "number"), *fresh.values_list("block_id", "number")}


def _is_referred_to(path: Path) -> bool:
    below = path.relative_to(settings.HCM_DATA_DIR)
    return Product.objects.filter(path__startswith=f"{below}/").exists()


def superseded_products(before: dt.datetime) -> Heap:
    """Return the products of runs that a later one took the place of before that time.

    Kept is what was certified at any time, and with it all that may have been handed over, and
    what another run took over as its own.
    """
    certified = Certification.objects.filter(
        attempt=OuterRef("pk"), decision__in=[Decision.AUTO, Decision.ACCEPTED]
    )
    runs = (
        Attempt.objects.filter(
            outcome__in=[Outcome.SUCCESSFUL, Outcome.DEGRADED],
            finished_at__lt=before,
            block__current_attempt__finished_at__lt=before,
            reused=None,
            reused_by=None,
        )
        .exclude(block__current_attempt=F("pk"))
        .exclude(Exists(certified))
    )
    heap = Heap("products of superseded runs")
    found = Product.objects.filter(attempt__in=runs).exclude(
        Exists(Product.objects.filter(path=OuterRef("path")).exclude(attempt=OuterRef("attempt")))
    )
    for pk, below in found.values_list("pk", "path"):
        path = settings.HCM_DATA_DIR / below
        if path.is_file():
            heap.paths.append(path)
            heap.products.append(pk)
    return heap


def previews_of(products: list[int]) -> list[Path]:
    """Return the preview directories of runs whose products go, and of runs that are no more."""
    going = set(Product.objects.filter(pk__in=products).values_list("attempt_id", flat=True))
    folders = [
        path
        for path in (settings.HCM_DATA_DIR / "previews").glob("*/*")
        if path.is_dir() and path.name.isascii() and path.name.isdigit()
    ]
    keys = {int(path.name) for path in folders}
    known = set(Attempt.objects.filter(pk__in=keys).values_list("pk", flat=True))
    return [path for path in folders if int(path.name) in going or int(path.name) not in known]


def old_chores(before: dt.datetime) -> QuerySet[Chore]:
    """Return records of chores from before that time, but for the last of each name."""
    newer = Chore.objects.filter(name=OuterRef("name"), started_at__gt=OuterRef("started_at"))
    return Chore.objects.filter(Exists(newer), started_at__lt=before)


def _old_files(folder: Path, before: dt.datetime) -> list[Path]:
    return [path for path in sorted(folder.glob("*")) if path.is_file() and _is_older(path, before)]


def _is_older(path: Path, before: dt.datetime) -> bool:
    try:
        return path.stat().st_mtime < before.timestamp()
    except OSError:
        return False
