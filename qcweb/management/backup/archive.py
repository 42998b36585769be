"""The file: a tar that other programs read too, with the sum of each member in its manifest."""

import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from django.conf import settings
from django.utils import timezone

from pipelines.models import Instrument

from .databases import MEMBERS, dump
from .manifest import MANIFEST, BackupError, Manifest, new_manifest, read_manifest

# Directories of the data directory that go with it, whole.
FOLDERS = ("products", "previews")
KEY_FILE = "secret_key"
INSTRUMENTS = "instruments"
CHUNK = 1 << 20


class _Summed(io.RawIOBase):
    """A file that is summed as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.digest.update(data)
        return data


def write_backup(target: Path) -> Manifest:
    """Write a backup to a new file, readable by its owner only: it has the secret key in it."""
    # By name: an older database has not all columns of today.
    instruments = dict(Instrument.objects.exclude(folder="").values_list("name", "folder"))
    manifest = new_manifest(str(settings.VERSION), timezone.now(), instruments)
    part = target.with_name(f"{target.name}.part")
    part.touch(mode=0o600, exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as scratch,
            tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar,
        ):
            # The database first: all products that its rows name are there already.
            copy = Path(scratch) / "database"
            dump(copy)
            _add(tar, copy, MEMBERS[manifest.database], manifest)
            for path, name in _files(instruments):
                _add(tar, path, name, manifest)
            content = manifest.as_bytes()
            head = tarfile.TarInfo(MANIFEST)
            head.size = len(content)
            tar.addfile(head, io.BytesIO(content))
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _files(instruments: dict[str, str]) -> Iterator[tuple[Path, str]]:
    root = Path(settings.HCM_DATA_DIR)
    if (root / KEY_FILE).is_file():
        yield root / KEY_FILE, KEY_FILE
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path, path.relative_to(root).as_posix()
    for name, folder in instruments.items():
        for path in sorted(Path(folder).glob("*")):
            if path.is_file():
                yield path, f"{INSTRUMENTS}/{name.lower()}/{path.name}"


def _add(tar: tarfile.TarFile, path: Path, name: str, manifest: Manifest) -> None:
    try:
        opened = path.open("rb")
    except FileNotFoundError:  # pruned meanwhile
        return
    with opened as file:
        head = tar.gettarinfo(arcname=name, fileobj=file)
        head.mode, head.uid, head.gid, head.uname, head.gname = 0o600, 0, 0, "", ""
        summed = _Summed(file)
        tar.addfile(head, summed)
        manifest.files[name] = (head.size, summed.digest.hexdigest())


def unpack(source: Path, folder: Path) -> Manifest:
    """Unpack a backup into an empty directory, and check each member against the manifest.

    Raises
    ------
    BackupError
        The file is none, was cut off, or has a member that is not as it was written.
    """
    try:
        with tarfile.open(source, "r:") as tar:
            manifest = _manifest(tar)
            _check_room(manifest, folder)
            left = dict(manifest.files)
            for member in tar:
                if member.name != MANIFEST:
                    _unpack_one(tar, member, folder, left)
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"{source} is no whole backup: {error}.") from error
    if left:
        raise BackupError(f"{source}: {len(left)} members are missing, such as {min(left)}.")
    return manifest


def _manifest(tar: tarfile.TarFile) -> Manifest:
    try:
        found = tar.extractfile(MANIFEST)
    except KeyError:
        found = None
    if found is None:
        raise BackupError("There is no manifest at its end: the file was cut off, or is no backup.")
    return read_manifest(found.read())


def _check_room(manifest: Manifest, folder: Path) -> None:
    needed = sum(size for size, _ in manifest.files.values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BackupError(f"It needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free.")


def _unpack_one(
    tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, left: dict[str, tuple[int, str]]
) -> None:
    expected = left.pop(member.name, None)
    parts = PurePosixPath(member.name).parts
    if expected is None or not member.isreg() or ".." in parts or member.name.startswith("/"):
        raise BackupError(f"{member.name} does not belong into a backup.")
    source = tar.extractfile(member)
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("wb") as file:
        while source is not None and (data := source.read(CHUNK)):
            digest.update(data)
            file.write(data)
    if (target.stat().st_size, digest.hexdigest()) != expected:
        raise BackupError(f"{member.name} is not as it was written: the backup is damaged.")
