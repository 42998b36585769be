"""Says where a named directory of frames is now; frames keep their place below it."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Count, Q

from pipelines.models import Root
from pipelines.services.roots import Inspection, RootError, find_root, relocate
from qcweb.management.base import DatabaseCommand

# More lines than this say nothing more.
MAX_LINES = 20


class Command(DatabaseCommand):
    help = (
        "Without arguments: list the roots, the named directories that frames lie below. "
        "With a name and a directory: the root is there now, after a look whether its frames are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="a root")
        parser.add_argument("directory", nargs="?", type=Path, metavar="DIR")
        parser.add_argument(
            "--move", action="store_true", help="move the files there too; DIR must not exist yet"
        )
        parser.add_argument("--rename", metavar="NAME", help="give the root another name")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["name"] is None:
            self._list()
            return
        try:
            root = find_root(options["name"])
            if options["rename"]:
                self._check_name(options["rename"])
            if options["directory"] is not None:
                self._relocate(root, options["directory"], move=options["move"])
            if options["rename"]:
                self._rename(root, options["rename"])
        except RootError as error:
            raise CommandError(str(error)) from error
        if options["directory"] is None and not options["rename"]:
            raise CommandError(f"Where is root {root.name} now? Give its directory.")

    def _list(self) -> None:
        roots = Root.objects.annotate(
            n=Count("raw_files"),
            n_gone=Count("raw_files", filter=Q(raw_files__gone_at__isnull=False)),
        )
        for root in roots:
            gone = f", {root.n_gone} gone from disk" if root.n_gone else ""
            followed = ", followed" if root.is_followed else ""
            self.stdout.write(f"{root.name}: {root.path}: {root.n} frames{gone}{followed}")
        if not roots:
            self.stdout.write("No frames are registered yet.")

    def _check_name(self, name: str) -> None:
        if Root.objects.filter(name=name).exists():
            raise RootError(f"There is a root {name!r} already.")
        if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 64:
            raise RootError(f"{name!r}: expected letters, digits, - and _, at most 64.")

    def _rename(self, root: Root, name: str) -> None:
        old, root.name = root.name, name
        root.save(update_fields=["name"])
        self.stdout.write(f"{old} is called {name} now.")

    def _relocate(self, root: Root, directory: Path, *, move: bool) -> None:
        target = directory.expanduser().absolute()
        if not move:
            found = self._try(root, target)
        else:
            _refuse_nested(root)
            with _moved(Path(root.path), target) as moved:
                found = self._try(root, target)
            for path in moved.kept:
                self.stderr.write(
                    f"{path}: came, or changed, while files were copied; it stays there."
                )
        back = f", {found.n_back} that were gone are back" if found.n_back else ""
        self.stdout.write(f"{root.name}: {found.n_files} frames below {target.resolve()}{back}.")

    def _try(self, root: Root, target: Path) -> Inspection:
        found = relocate(root, target.resolve())
        for lack in found.lacks[:MAX_LINES]:
            self.stderr.write(str(lack))
        if found.lacks:
            raise RootError(
                f"{len(found.lacks)} of {found.n_files} frames are not as registered below "
                f"{target}. Nothing has changed. Move the files first; frames that are lost: run "
                f"verify --root {root.name}, then relocate."
            )
        return found


def _refuse_nested(root: Root) -> None:
    """Refuse to move what holds other roots: their paths would lead nowhere."""
    below = [one for one in Root.objects.exclude(pk=root.pk) if _is_below(one, root)]
    if below:
        raise RootError(
            f"Roots {', '.join(one.name for one in below)} lie below {root.path}. Relocate them "
            "first, or move the files by hand and relocate each."
        )


def _is_below(one: Root, other: Root) -> bool:
    return Path(one.path).is_relative_to(other.path)


@dataclass
class _Moved:
    """What stayed behind because it was not what had been copied."""

    kept: list[Path] = field(default_factory=list)


@contextmanager
def _moved(source: Path, target: Path) -> Iterator[_Moved]:
    """Move a directory; whatever goes wrong then moves it back."""
    if target.exists():
        raise RootError(f"{target} exists: --move needs a new directory.")
    if target.resolve().is_relative_to(source.resolve()):
        raise RootError(f"{target} lies in {source} itself.")
    is_copy = _bring(source, target)
    moved = _Moved()
    try:
        yield moved
    except BaseException:
        if is_copy:
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.rename(source)
        raise
    if is_copy:
        # Only now: until the root was there, its files were these.
        moved.kept = _remove_copied(source, target)


def _remove_copied(source: Path, target: Path) -> list[Path]:
    """Remove the files that have been copied as they are; return those that have not."""
    kept = []
    for path in sorted(source.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # it holds a file that stays
                path.rmdir()
        elif _is_same(path, target / path.relative_to(source)):
            path.unlink()
        else:
            kept.append(path)
    with suppress(OSError):
        source.rmdir()
    return kept


def _is_same(one: Path, other: Path) -> bool:
    try:
        a, b = one.lstat(), other.lstat()
    except OSError:
        return False
    return (a.st_size, a.st_mtime_ns) == (b.st_size, b.st_mtime_ns)


def _bring(source: Path, target: Path) -> bool:
    """Move a directory, or copy it to another disk; say which."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise RootError(f"{source}: {error.strerror}. Nothing has changed.") from error
    else:
        return False
    try:
        shutil.copytree(source, target, symlinks=True)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise RootError(f"{source} could not be copied: {error}. Nothing has changed.") from error
    return True
