"""Registers raw frames: reads, classifies, remembers; says what it did with every file."""

import datetime as dt
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from django.db import transaction

from pipelines.fits import FitsError, read_fits
from pipelines.models import RawFile, RefusedFile

from .organise import organise_new
from .reading import Readers, find_readers, read_frame
from .roots import Roots

SUFFIXES = (".fits", ".fit", ".fits.gz", ".fits.Z", ".fits.fz")
# Frames written in one transaction: SQLite's other writers wait that long.
CHUNK = 100


class Done(StrEnum):
    """What became of a file."""

    REGISTERED = "registered"
    SCIENCE = "registered, science: not processed"
    MASTER = "registered, calibration on disk"
    UNCLASSIFIED = "registered, no rule classifies it"
    DAMAGED = "registered, damaged"
    REPLACED = "replaced a damaged frame"
    KNOWN = "known"
    REFUSED = "refused"


@dataclass(frozen=True)
class FileReport:
    path: Path
    done: Done
    note: str = ""

    def __str__(self) -> str:
        return f"{printable(self.path)}: {self.done}" + (f" ({self.note})" if self.note else "")


@dataclass
class IngestReport:
    """What an ingest did; `to_advance` are the blocks that have a next step now."""

    files: list[FileReport] = field(default_factory=list)
    to_advance: list[int] = field(default_factory=list)
    new_blocks: int = 0

    def counts(self) -> Counter[Done]:
        return Counter(report.done for report in self.files)


def printable(path: Path) -> str:
    """Return a name for people: what no terminal should see, and no database takes, is escaped."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(path)
    )


def _is_utf_8(path: Path) -> bool:
    # Bytes that are not come as lone surrogates.
    return not any("\ud800" <= one <= "\udfff" for one in str(path))


def find_frames(directory: Path) -> Iterator[Path]:
    """Yield the files below a directory that look like frames, in a stable order."""
    # Not rglob: it fails when a directory goes away while it looks, as those of network disks do.
    found = (
        Path(where, name)
        for where, _, names in os.walk(directory)
        for name in names
        if name.endswith(SUFFIXES)
    )
    for path in sorted(found):
        if os.path.isfile(path):  # noqa: PTH113  False, not an error, where nobody may look
            yield path


def ingest(paths: Iterable[Path], at: dt.datetime, directory: Path | None = None) -> IngestReport:
    """Register frames, group them into blocks and associate calibrations. Running twice is safe.

    Parameters
    ----------
    paths
        Absolute paths.
    directory
        Becomes a root when no root holds it; without it a file's own directory does.
    """
    report = IngestReport()
    readers = find_readers()
    if directory is not None:
        readers.roots.name(directory, at)
    iterator = iter(paths)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        known = _known_files(chunk, readers.roots)
        frames: list[RawFile] = []
        for path in chunk:
            found = _read(path, readers, known, at)
            if isinstance(found, FileReport):
                report.files.append(found)
            else:
                frames.append(found)
        _register(frames, report, at)
    done = organise_new(at)
    report.to_advance, report.new_blocks = done.to_advance, done.n_new
    return report


def _known_files(paths: Sequence[Path], roots: Roots) -> dict[str, tuple[int, int]]:
    """Return size and time of the plain files that need no reading again.

    Damaged frames and those no rule classifies are read anew: they, or the rules, may be mended.
    """
    placed = {str(path): roots.place(path) for path in paths if _is_utf_8(path)}
    # Those of before frames were described, too: their file says what they are for.
    found = RawFile.objects.filter(
        path__in=[one[1] for one in placed.values() if one],
        problem="",
        gone_at=None,
        rule_set__isnull=False,
    ).exclude(raw_type="", pro_catg="")
    stored = {
        (root, path): (size, when)
        for root, path, size, when in found.values_list("root", "path", "file_size", "modified_ns")
    }
    return {
        full: stored[one[0].pk, one[1]]
        for full, one in placed.items()
        if one and (one[0].pk, one[1]) in stored
    }


def _read(
    path: Path, readers: Readers, known: Mapping[str, tuple[int, int]], at: dt.datetime
) -> RawFile | FileReport:
    """Return an unsaved frame, or what else the file is."""
    try:
        if not _is_utf_8(path):
            raise FitsError("The file's name is not UTF-8.", "Rename it, then ingest it again.")
        stat = path.stat()
        if known.get(str(path)) == (stat.st_size, stat.st_mtime_ns):
            return FileReport(path, Done.KNOWN)
        frame = read_frame(path, read_fits(path, readers.wanted), readers, at)
        frame.modified_ns, frame.file_size = stat.st_mtime_ns, stat.st_size
    except FitsError as error:
        return _refuse(path, error, at)
    except OSError as error:
        return _refuse(path, FitsError(f"{error.strerror}.", "Check the file and its rights."), at)
    return frame


def _refuse(path: Path, error: FitsError, at: dt.datetime) -> FileReport:
    RefusedFile.objects.update_or_create(
        path=str(path) if _is_utf_8(path) else printable(path),
        defaults={"reason": error.reason[:255], "advice": error.advice[:255], "last_seen_at": at},
        create_defaults={
            "reason": error.reason[:255],
            "advice": error.advice[:255],
            "first_seen_at": at,
            "last_seen_at": at,
        },
    )
    return FileReport(path, Done.REFUSED, f"{error.reason} {error.advice}")


def _register(frames: Sequence[RawFile], report: IngestReport, at: dt.datetime) -> None:
    """Write a chunk of frames in one transaction."""
    if not frames:
        return
    with transaction.atomic():
        stored: dict[str, list[RawFile]] = {}
        for known in (
            RawFile.objects.select_for_update(of=("self",))
            .select_related("root")
            .filter(header_digest__in=[frame.header_digest for frame in frames])
        ):
            stored.setdefault(known.header_digest, []).append(known)
        new: list[RawFile] = []
        for frame in frames:
            alike = stored.setdefault(frame.header_digest, [])
            report.files.append(_place(frame, alike, new))
        # Not those that a better copy in the same chunk has written already.
        RawFile.objects.bulk_create([frame for frame in new if frame.pk is None])
        RefusedFile.objects.filter(path__in=[str(frame.full_path) for frame in frames]).delete()


def _place(frame: RawFile, alike: list[RawFile], new: list[RawFile]) -> FileReport:
    """Put a frame among those with the same header: new, known, or in place of a damaged one."""
    path = frame.full_path
    same = next((one for one in alike if one.size == frame.size), None)
    if same is not None:
        if not same.raw_type and frame.raw_type:
            _replace(same, frame)
            return _say(frame)
        if same.rule_set_id is None and same.pk is not None:
            _describe_again(same, frame)
        return _same_again(same, frame)
    damaged = next((one for one in alike if one.problem), None)
    if damaged is not None:
        # One frame that arrives in pieces is one frame.
        _replace(damaged, frame)
        return _say(frame) if frame.problem else FileReport(path, Done.REPLACED)
    if frame.problem and alike:
        return FileReport(path, Done.KNOWN, f"a damaged copy, {frame.problem}")
    new.append(frame)
    alike.append(frame)
    return _say(frame)


def _describe_again(same: RawFile, frame: RawFile) -> None:
    """Fill in what was not kept of a frame when it was registered; its class stays what it was."""
    now = {
        name: getattr(frame, name)
        for name in ("pro_catg", "setup", "program_id", "ob_id", "target", "trace", "rule_set",
                     "is_undated")
    }  # fmt: skip
    if same.raw_type:
        now["pro_catg"] = ""
    elif frame.pro_catg:
        now["organised_at"] = None  # blocks may have lacked it
    RawFile.objects.filter(pk=same.pk).update(**now)


def _same_again(same: RawFile, frame: RawFile) -> FileReport:
    """Keep a known frame; one that was gone is where it is found now."""
    is_same_file = same.full_path == frame.full_path
    has_moved = not is_same_file and not same.full_path.exists()
    if is_same_file or has_moved:
        now: dict[str, object] = {
            "root_id": frame.root_id, "path": frame.path, "modified_ns": frame.modified_ns,
            "file_size": frame.file_size, "compression": frame.compression, "gone_at": None,
        }  # fmt: skip
        if any(getattr(same, name) != value for name, value in now.items()):
            if frame.compression != same.compression:
                now["checksum"] = ""  # it was of the other file
            RawFile.objects.filter(pk=same.pk).update(**now)
    note = f"was {printable(same.full_path)}" if has_moved else f"as {printable(same.full_path)}"
    return FileReport(frame.full_path, Done.KNOWN, "" if is_same_file else note)


def _replace(stored: RawFile, frame: RawFile) -> None:
    """Let a stored frame be what is known of it now; its night is organised again."""
    for name in ("size", "file_size", "root", "path", "compression", "problem", "modified_ns", "raw_type",
                 "do_catg", "setup", "keywords", "trace", "rule_set", "is_science",
                 "recorded_at"):  # fmt: skip
        setattr(stored, name, getattr(frame, name))
    stored.checksum = ""
    stored.gone_at = None
    stored.organised_at = None
    stored.save()


def _say(frame: RawFile) -> FileReport:
    path = frame.full_path
    if frame.problem:
        return FileReport(path, Done.DAMAGED, frame.problem)
    if frame.pro_catg:
        return FileReport(path, Done.MASTER, frame.pro_catg)
    if not frame.raw_type:
        what = ", ".join(filter(None, [frame.dpr_catg, frame.dpr_type, frame.dpr_tech]))
        return FileReport(path, Done.UNCLASSIFIED, what or "no DPR keywords")
    if frame.is_science:
        return FileReport(path, Done.SCIENCE)
    return FileReport(path, Done.REGISTERED, frame.raw_type)
