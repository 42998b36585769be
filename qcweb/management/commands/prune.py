"""Removes what nobody needs any more: dry unless told otherwise."""

import datetime as dt
import shutil
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from pipelines.models import ActKind, Preview
from pipelines.services.control import record
from qcweb.management.base import DatabaseCommand
from qcweb.management.prune.heaps import Heap, find_heaps


def _days(text: str) -> dt.timedelta:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 36500:
        raise ArgumentTypeError(f"{text!r}: expected days, 1 or more")
    return dt.timedelta(days=int(text))


class Command(DatabaseCommand):
    help = (
        "Say what may go: job directories of ended runs, products of superseded and of lost runs, "
        "their previews, quick looks, logs, old records. --yes removes it. Raw frames, certified "
        "products and the rows of runs and values always stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="remove it; without, only say it")
        parser.add_argument(
            "--older-than", type=_days, default=dt.timedelta(days=90), metavar="DAYS",
            help="superseded products, quick looks, logs and records (default: 90)",
        )  # fmt: skip
        parser.add_argument("--list", action="store_true", help="each path")

    def handle(self, *_args: Any, **options: Any) -> None:
        at = timezone.now()
        heaps = find_heaps(at, options["older_than"])
        sizes = {heap.name: heap.size for heap in heaps}
        counts = {heap.name: heap.n for heap in heaps}
        for heap in heaps:
            self.stdout.write(f"{counts[heap.name]:7} {_bytes(sizes[heap.name]):>10}  {heap.name}")
            if options["list"]:
                for path in heap.paths:
                    self.stdout.write(f"{'':20}{path}")
        total = _bytes(sum(sizes.values()))
        if not options["yes"]:
            self.stdout.write(f"{total} would be free. Nothing was removed: --yes removes it.")
            return
        for heap in heaps:
            for problem in _remove(heap):
                self.stderr.write(problem)
        record(ActKind.PRUNE, at, None, reason=f"{total} free", counts=counts, bytes=sizes,
               older_than_days=options["older_than"].days)  # fmt: skip
        self.stdout.write(f"{total} are free.")


def _remove(heap: Heap) -> list[str]:
    """Remove a heap; return what resisted."""
    problems = []
    # Rows of pictures before the pictures: a page never shows one that is gone.
    Preview.objects.filter(product__in=heap.products).delete()
    for path in heap.paths:
        try:
            _remove_path(path)
        except OSError as error:
            problems.append(f"{path}: {error.strerror}; it stays.")
    if heap.rows is not None:
        heap.rows.delete()
    return problems


def _remove_path(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
        # The directory of a run whose products are gone is of no use; others in it keep it.
        if not any(path.parent.iterdir()):
            path.parent.rmdir()


def _bytes(size: int) -> str:
    """Write a size as people read it.

    >>> _bytes(0), _bytes(2_340_000)
    ('0 B', '2.3 MB')
    """
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
