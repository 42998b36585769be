"""Registers raw frames: reads, classifies, remembers; says what it did with every file."""

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from django.db import transaction

from pipelines.domain import oca
from pipelines.domain.times import night_of
from pipelines.fits import FitsError, FitsFile, Value, read_fits
from pipelines.models import Instrument, RawFile, RefusedFile

from .instruments import current_rules, parsed
from .organise import organise_new

SUFFIXES = (".fits", ".fit", ".fits.gz", ".fits.Z", ".fits.fz")
# Frames written in one transaction: SQLite's other writers wait that long.
CHUNK = 100
# Keywords every frame needs, beside those the instrument's rules read.
NEEDED = frozenset(
    {"INSTRUME", "MJD-OBS", "EXPTIME", "ARCFILE", "DPR.CATG", "DPR.TYPE", "DPR.TECH",
     "TPL.START", "TPL.NEXP", "TPL.EXPNO"}
)  # fmt: skip


class Done(StrEnum):
    """What became of a file."""

    REGISTERED = "registered"
    SCIENCE = "registered, science: not processed"
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


@dataclass(frozen=True)
class _Reader:
    """An instrument with what is needed to read its frames."""

    instrument: Instrument
    rules: oca.RuleFile
    setup: frozenset[str]
    science: frozenset[str]

    @property
    def wanted(self) -> frozenset[str]:
        return NEEDED | self.rules.keywords | self.setup


@dataclass(frozen=True)
class _Readers:
    """All instruments by the names in their headers, and all keywords any of them needs."""

    by_name: dict[str, _Reader]
    wanted: frozenset[str]


def _readers() -> _Readers:
    readers: dict[str, _Reader] = {}
    for instrument in Instrument.objects.prefetch_related("raw_types"):
        types = list(instrument.raw_types.all())
        reader = _Reader(
            instrument=instrument,
            rules=parsed(current_rules(instrument).text),
            setup=frozenset(key for raw_type in types for key in raw_type.setup_keywords),
            science=frozenset(raw_type.name for raw_type in types if raw_type.is_science),
        )
        readers.update(dict.fromkeys(instrument.header_names, reader))
    wanted = NEEDED.union(*(reader.wanted for reader in readers.values()))
    return _Readers(readers, wanted)


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
    for path in sorted(directory.rglob("*")):
        if path.name.endswith(SUFFIXES) and path.is_file():
            yield path


def ingest(paths: Iterable[Path], at: dt.datetime) -> IngestReport:
    """Register frames, group them into blocks and associate calibrations. Running twice is safe."""
    report = IngestReport()
    readers = _readers()
    iterator = iter(paths)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        known = _known_files(chunk)
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


def _known_files(paths: Sequence[Path]) -> dict[str, tuple[int, int]]:
    """Return size and time of the plain files that need no reading again.

    Damaged frames and those no rule classifies are read anew: they, or the rules, may be mended.
    """
    found = RawFile.objects.filter(
        path__in=[str(path) for path in paths if _is_utf_8(path)], problem="", compression=""
    ).exclude(raw_type="")
    return {
        path: (size, when) for path, size, when in found.values_list("path", "size", "modified_ns")
    }


def _read(
    path: Path, readers: _Readers, known: Mapping[str, tuple[int, int]], at: dt.datetime
) -> RawFile | FileReport:
    """Return an unsaved frame, or what else the file is."""
    try:
        if not _is_utf_8(path):
            raise FitsError("The file's name is not UTF-8.", "Rename it, then ingest it again.")
        stat = path.stat()
        if known.get(str(path)) == (stat.st_size, stat.st_mtime_ns):
            return FileReport(path, Done.KNOWN)
        frame = _frame(path, read_fits(path, readers.wanted), readers.by_name, at)
        frame.modified_ns = stat.st_mtime_ns
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


def _frame(path: Path, found: FitsFile, readers: dict[str, _Reader], at: dt.datetime) -> RawFile:
    instrume = _text(found.keywords, "INSTRUME")
    reader = readers.get(instrume)
    if reader is None:
        raise FitsError(
            f"INSTRUME is {instrume!r}, which no instrument here has.",
            f"Known are {', '.join(sorted(readers)) or 'none: load the instruments first'}.",
        )
    mjd_obs = _number(found.keywords, "MJD-OBS")
    if not 0 < mjd_obs < 200000:
        raise FitsError(f"MJD-OBS is {mjd_obs:g}.", "Expected a Modified Julian Date.")
    keywords = {key: value for key, value in found.keywords.items() if key in reader.wanted}
    # Frames without ARCFILE would all be one group where rules group by it.
    keywords.setdefault("ARCFILE", path.name)
    result = oca.classify(reader.rules, keywords)
    raw_type = _raw_type(result)
    exptime = found.keywords.get("EXPTIME")
    return RawFile(
        instrument=reader.instrument,
        name=_plain_name(path),
        path=str(path),
        size=found.size,
        header_digest=found.header_digest,
        compression=path.suffix[1:] if path.suffix in {".gz", ".Z", ".fz"} else "",
        night=night_of(mjd_obs, reader.instrument.night_rollover_hour),
        mjd_obs=mjd_obs,
        exptime_s=float(exptime) if isinstance(exptime, (int, float)) else None,
        raw_type=raw_type[:64],
        do_catg=str(result.keywords.get("DO.CATG", raw_type))[:64],
        dpr_catg=str(keywords.get("DPR.CATG", ""))[:64],
        dpr_type=str(keywords.get("DPR.TYPE", ""))[:64],
        dpr_tech=str(keywords.get("DPR.TECH", ""))[:64],
        keywords=dict(result.keywords),
        is_science=raw_type in reader.science,
        problem=found.problem,
        recorded_at=at,
    )


def _raw_type(result: oca.Classification) -> str:
    """Return the raw type; ESO's rules for events give most frames a tag alone.

    A product has no raw type, whatever its tag: it is nothing to be processed.
    """
    given = result.keywords.get("RAW.TYPE")
    if given is None and not isinstance(result.keywords.get("PRO.CATG"), str):
        given = result.tag
    return "" if given is None else str(given)


def _plain_name(path: Path) -> str:
    packed = path.suffix in {".gz", ".Z", ".fz"}
    return (path.name.removesuffix(path.suffix) if packed else path.name)[:255]


def _text(keywords: dict[str, Value], key: str) -> str:
    value = keywords.get(key)
    if isinstance(value, str) and value:
        return value
    problem = "is missing" if value is None else f"is {value!r}, not a text"
    raise FitsError(f"The header's {key} {problem}.", "Repair the header, then ingest again.")


def _number(keywords: dict[str, Value], key: str) -> float:
    value = keywords.get(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    problem = "is missing" if value is None else f"is {value!r}, not a number"
    raise FitsError(f"The header's {key} {problem}.", "Repair the header, then ingest again.")


def _register(frames: Sequence[RawFile], report: IngestReport, at: dt.datetime) -> None:
    """Write a chunk of frames in one transaction."""
    if not frames:
        return
    with transaction.atomic():
        stored: dict[str, list[RawFile]] = {}
        for known in RawFile.objects.select_for_update().filter(
            header_digest__in=[frame.header_digest for frame in frames]
        ):
            stored.setdefault(known.header_digest, []).append(known)
        for frame in frames:
            alike = stored.setdefault(frame.header_digest, [])
            report.files.append(_place(frame, alike))
        RefusedFile.objects.filter(path__in=[frame.path for frame in frames]).delete()


def _place(frame: RawFile, alike: list[RawFile]) -> FileReport:
    """Store a frame among those with the same header: new, known, or in place of a damaged one."""
    path = Path(frame.path)
    same = next((one for one in alike if one.size == frame.size), None)
    if same is not None:
        if not same.raw_type and frame.raw_type:
            _replace(same, frame)
            return _say(frame)
        if same.path == frame.path and same.modified_ns != frame.modified_ns:
            RawFile.objects.filter(pk=same.pk).update(modified_ns=frame.modified_ns)
        return FileReport(path, Done.KNOWN)
    damaged = next((one for one in alike if one.problem), None)
    if damaged is not None:
        # One frame that arrives in pieces is one frame.
        _replace(damaged, frame)
        return _say(frame) if frame.problem else FileReport(path, Done.REPLACED)
    if frame.problem and alike:
        return FileReport(path, Done.KNOWN, f"a damaged copy, {frame.problem}")
    frame.save()
    alike.append(frame)
    return _say(frame)


def _replace(stored: RawFile, frame: RawFile) -> None:
    """Let a stored frame be what is known of it now; its night is organised again."""
    for name in ("size", "path", "compression", "problem", "modified_ns", "raw_type", "do_catg",
                 "keywords", "is_science", "recorded_at"):  # fmt: skip
        setattr(stored, name, getattr(frame, name))
    stored.checksum = ""
    stored.organised_at = None
    stored.save()


def _say(frame: RawFile) -> FileReport:
    path = Path(frame.path)
    if frame.problem:
        return FileReport(path, Done.DAMAGED, frame.problem)
    if not frame.raw_type:
        what = ", ".join(filter(None, [frame.dpr_catg, frame.dpr_type, frame.dpr_tech]))
        return FileReport(path, Done.UNCLASSIFIED, what or "no DPR keywords")
    if frame.is_science:
        return FileReport(path, Done.SCIENCE)
    return FileReport(path, Done.REGISTERED, frame.raw_type)
