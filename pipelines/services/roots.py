"""Named directories of frames: where they are, whether all is there, and moving them."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from django.conf import settings
from django.db import transaction
from django.db.models import F

from pipelines.fits import FitsError
from pipelines.models import Product, RawFile, Root
from pipelines.recipes.verify import verify_sums

from .checksums import sha256

_NO_SLUG = re.compile(r"[^A-Za-z0-9_-]+")
# Rows looked at between two writes, so that other writers do not wait.
CHUNK = 500


class RootError(Exception):
    """A root that cannot be used as asked; the message says what to do."""


@dataclass
class Roots:
    """All roots, for finding the one a file lies below; of nested ones the innermost."""

    known: list[Root] = field(default_factory=list)

    @classmethod
    def load(cls) -> "Roots":
        return cls(list(Root.objects.all()))

    def place(self, path: Path) -> tuple[Root, str] | None:
        """Return the root of a file and its path below; None when no root holds it."""
        holding = [root for root in self.known if path.is_relative_to(root.path)]
        if not holding:
            return None
        root = max(holding, key=lambda one: len(one.path))
        return root, path.relative_to(root.path).as_posix()

    def name(self, directory: Path, at: dt.datetime, *, is_own: bool = False) -> Root:
        """Return the root that holds a directory; it becomes one itself when there is none.

        `is_own` makes it one in any case, as a directory that is followed has to be.
        """
        placed = self.place(directory)
        # A root that is the whole disk says nothing: it is of before roots had names.
        if placed is not None and (placed[1] == "." or (not is_own and placed[0].path != "/")):
            return placed[0]
        root, _ = Root.objects.get_or_create(
            path=str(directory),
            defaults={"name": _free_name(directory), "recorded_at": at},
        )
        self.known.append(root)
        return root


def _free_name(directory: Path) -> str:
    """Return a name nobody has: the directory's own, if need be with its parent's or a number."""
    words = [_NO_SLUG.sub("-", part).strip("-") for part in directory.parts]
    parts = [word for word in words if word] or ["disk"]
    candidates = [parts[-1], "-".join(parts[-2:])]
    candidates += [f"{parts[-1]}-{n}" for n in range(2, 1000)]
    taken = set(Root.objects.values_list("name", flat=True))
    return next(name[:64] for name in candidates if name[:64] not in taken)


def find_root(name: str) -> Root:
    """Return a root by its name.

    Raises
    ------
    RootError
        There is none; the message names those there are.
    """
    root = Root.objects.filter(name=name).first()
    if root is None:
        known = ", ".join(Root.objects.values_list("name", flat=True)) or "none yet"
        raise RootError(f"There is no root {name!r}. Known are: {known}.")
    return root


@dataclass(frozen=True)
class Lack:
    """A file that is not as it was registered."""

    name: str
    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass
class Inspection:
    """What a look at files has found."""

    n_files: int = 0
    lacks: list[Lack] = field(default_factory=list)
    n_back: int = 0
    # Files that no checksum is known of, so that nobody can tell whether they have changed.
    n_unknown: int = 0


def verify_root(root: Root, at: dt.datetime, *, with_checksums: bool = False) -> Inspection:
    """Look at every frame below a root; those gone from disk are marked, those back are unmarked."""
    found = Inspection()
    frames = RawFile.objects.filter(root=root).order_by("pk").iterator(chunk_size=CHUNK)
    for chunk in _chunks(frames):
        gone, back = [], []
        for frame in chunk:
            path = Path(root.path) / frame.path
            what = lack_of(frame, path, with_checksum=with_checksums)
            found.n_files += 1
            found.n_unknown += with_checksums and not frame.checksum and not what
            if what:
                found.lacks.append(Lack(frame.name, path, what))
            if what == GONE and frame.gone_at is None:
                gone.append(frame.pk)
            elif what != GONE and frame.gone_at is not None:
                back.append(frame.pk)
        found.n_back += len(back)
        RawFile.objects.filter(pk__in=gone).update(gone_at=at)
        RawFile.objects.filter(pk__in=back).update(gone_at=None)
    return found


GONE = "gone from disk"


def lack_of(frame: RawFile, path: Path, *, with_checksum: bool = False) -> str:
    """Say in what a file differs from what was registered; empty when it does not."""
    try:
        stat = path.stat()
    except OSError:
        return GONE
    if not S_ISREG(stat.st_mode):
        return "no file any more"
    size = stat.st_size
    # Of a compressed frame the registered size is that of its content.
    if not frame.compression and not frame.problem and size != frame.size:
        return f"{size} bytes, registered with {frame.size}"
    if not with_checksum or len(frame.checksum) != 64:
        return ""
    try:
        return "" if sha256(path) == frame.checksum else "its content has changed (SHA-256)"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def verify_products(*, with_checksums: bool = False) -> Inspection:
    """Look at every product of a block's present result; with sums also at its data."""
    found = Inspection()
    products = Product.objects.filter(attempt__block__current_attempt=F("attempt"))
    for product in products.iterator(chunk_size=CHUNK):
        path = Path(settings.HCM_DATA_DIR) / product.path
        found.n_files += 1
        try:
            size = path.stat().st_size
        except OSError:
            found.lacks.append(Lack(product.name, path, GONE))
            continue
        if size != product.size:
            found.lacks.append(Lack(product.name, path, f"{size} bytes, made with {product.size}"))
        elif with_checksums and (what := _changed_data(path)):
            found.lacks.append(Lack(product.name, path, what))
    return found


def _changed_data(path: Path) -> str:
    try:
        verify_sums(path)
    except FitsError as error:
        return f"its data have changed: {error.reason}"
    except (OSError, ValueError, TypeError) as error:
        return f"cannot be read: {error}"
    return ""


def relocate(root: Root, directory: Path) -> Inspection:
    """Say that a root is somewhere else now, after looking whether its frames are there.

    Frames that were gone before may be missing there too.

    Raises
    ------
    RootError
        Frames are not there, or the directory lies in another root's way: nothing has changed.
    """
    if not directory.is_dir():
        raise RootError(f"{directory}: there is no such directory.")
    other = Root.objects.filter(path=str(directory)).exclude(pk=root.pk).first()
    if other is not None:
        raise RootError(f"{directory}: this is root {other.name} already.")
    found = Inspection()
    back = []
    for frame in RawFile.objects.filter(root=root).order_by("pk").iterator(chunk_size=CHUNK):
        path = directory / frame.path
        what = lack_of(frame, path)
        found.n_files += 1
        if what and frame.gone_at is None:
            found.lacks.append(Lack(frame.name, path, what))
        elif not what and frame.gone_at is not None:
            back.append(frame.pk)
    if found.lacks:
        return found
    with transaction.atomic():
        Root.objects.filter(pk=root.pk).update(path=str(directory))
        RawFile.objects.filter(pk__in=back).update(gone_at=None)
    found.n_back = len(back)
    return found


def _chunks(frames: Iterable[RawFile]) -> Iterator[list[RawFile]]:
    chunk: list[RawFile] = []
    for frame in frames:
        chunk.append(frame)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
