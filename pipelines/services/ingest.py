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

from pipelines.domain import oca
from pipelines.domain.times import datetime_to_mjd, night_of
from pipelines.fits import FitsError, FitsFile, Value, read_fits
from pipelines.models import Instrument, RawFile, RefusedFile, RuleSet

from .instruments import NoRulesError, parsed, rules_of, settings_of
from .organise import organise_new
from .roots import Roots

SUFFIXES = (".fits", ".fit", ".fits.gz", ".fits.Z", ".fits.fz")
# Frames written in one transaction: SQLite's other writers wait that long.
CHUNK = 100
# Keywords every frame needs, beside those the instrument's rules read.
NEEDED = frozenset(
    {"INSTRUME", "MJD-OBS", "EXPTIME", "ARCFILE", "DPR.CATG", "DPR.TYPE", "DPR.TECH",
     "TPL.START", "TPL.NEXP", "TPL.EXPNO", "PRO.CATG", "PRO.SCIENCE",
     "OBS.PROG.ID", "OBS.ID", "OBS.TARG.NAME", "OBJECT"}
)  # fmt: skip


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


@dataclass(frozen=True)
class _Reader:
    """An instrument with what is needed to read its frames."""

    instrument: Instrument
    setups: dict[str, list[str]]
    science: frozenset[str]
    rule_sets: dict[dt.date, RuleSet] = field(default_factory=dict)

    @property
    def wanted(self) -> frozenset[str]:
        """All keywords that any of its rules in force reads."""
        texts = self.instrument.rule_sets.filter(superseded_at=None).values_list("text", flat=True)
        of_rules = frozenset().union(*(parsed(text).keywords for text in texts))
        return NEEDED | of_rules | {key for setup in self.setups.values() for key in setup}

    def rules(self, night: dt.date) -> RuleSet:
        if night not in self.rule_sets:
            self.rule_sets[night] = rules_of(self.instrument, night)
        return self.rule_sets[night]


@dataclass(frozen=True)
class _Readers:
    """All instruments by the names in their headers, and all keywords any of them needs."""

    by_name: dict[str, _Reader]
    wanted: frozenset[str]
    of_instrument: dict[int, frozenset[str]]
    roots: Roots


def _readers() -> _Readers:
    readers: dict[str, _Reader] = {}
    wanted_by: dict[int, frozenset[str]] = {}
    for instrument in Instrument.objects.prefetch_related("raw_types"):
        types = list(instrument.raw_types.all())
        reader = _Reader(
            instrument=instrument,
            setups={raw_type.name: raw_type.setup_keywords for raw_type in types},
            science=frozenset(raw_type.name for raw_type in types if raw_type.is_science),
        )
        readers.update(dict.fromkeys(instrument.header_names, reader))
        wanted_by[instrument.pk] = reader.wanted
    return _Readers(readers, NEEDED.union(*wanted_by.values()), wanted_by, Roots.load())


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
    readers = _readers()
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


def read_again(
    frames: Iterable[RawFile], at: dt.datetime
) -> Iterator[tuple[RawFile, RawFile | FitsError]]:
    """Yield registered frames, each with what its file and the rules of today make of it."""
    readers = _readers()
    for frame in frames:
        try:
            found = read_fits(frame.full_path, readers.wanted)
            yield frame, _frame(frame.full_path, found, readers, at)
        except FitsError as error:
            yield frame, error
        except OSError as error:
            yield frame, FitsError(f"{error.strerror}.", "Put the file back.")


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
    path: Path, readers: _Readers, known: Mapping[str, tuple[int, int]], at: dt.datetime
) -> RawFile | FileReport:
    """Return an unsaved frame, or what else the file is."""
    try:
        if not _is_utf_8(path):
            raise FitsError("The file's name is not UTF-8.", "Rename it, then ingest it again.")
        stat = path.stat()
        if known.get(str(path)) == (stat.st_size, stat.st_mtime_ns):
            return FileReport(path, Done.KNOWN)
        frame = _frame(path, read_fits(path, readers.wanted), readers, at)
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


def _frame(path: Path, found: FitsFile, readers: _Readers, at: dt.datetime) -> RawFile:
    instrume = _text(found.keywords, "INSTRUME")
    reader = readers.by_name.get(instrume)
    if reader is None:
        raise FitsError(
            f"INSTRUME is {instrume!r}, which no instrument here has.",
            f"Known are {', '.join(sorted(readers.by_name)) or 'none: load the instruments first'}.",
        )
    # A static table may have no date; it ranks behind everything that has one.
    is_undated = "PRO.CATG" in found.keywords and "MJD-OBS" not in found.keywords
    mjd_obs = datetime_to_mjd(at) if is_undated else _number(found.keywords, "MJD-OBS")
    if not 0 < mjd_obs < 200000:
        raise FitsError(f"MJD-OBS is {mjd_obs:g}.", "Expected a Modified Julian Date.")
    instrument = reader.instrument
    wanted = readers.of_instrument[instrument.pk]
    header = {key: value for key, value in found.keywords.items() if key in wanted}
    # Frames without ARCFILE would all be one group where rules group by it.
    header.setdefault("ARCFILE", path.name)
    night = night_of(mjd_obs, instrument.night_rollover_hour)
    rule_set = _rules(reader, night)
    result = oca.classify(parsed(rule_set.text), header, settings_of(instrument))
    root, below = readers.roots.place(path) or (readers.roots.name(path.parent, at), path.name)
    exptime = found.keywords.get("EXPTIME")
    frame = RawFile(
        instrument=instrument,
        name=_plain_name(path),
        root=root,
        path=below,
        size=found.size,
        header_digest=found.header_digest,
        compression=path.suffix[1:] if path.suffix in {".gz", ".Z", ".fz"} else "",
        night=night,
        mjd_obs=mjd_obs,
        is_undated=is_undated,
        exptime_s=float(exptime) if isinstance(exptime, (int, float)) else None,
        rule_set=rule_set,
        problem=found.problem,
        recorded_at=at,
    )
    _describe(frame, header, result, reader)
    return frame


def _rules(reader: _Reader, night: dt.date) -> RuleSet:
    try:
        return reader.rules(night)
    except NoRulesError as error:
        raise FitsError(f"No rules are in force for its night, {night}.", str(error)) from error


def _describe(
    frame: RawFile, header: Mapping[str, Value], result: oca.Classification, reader: _Reader
) -> None:
    """Write what the header and the rules say of a frame: its class, setup and purpose."""
    keywords = result.keywords
    raw_type = result.raw_type or ""
    # A product is no raw frame, whatever class the rules give it: it is there to be associated.
    frame.pro_catg = _word(header, "PRO.CATG", 64)
    frame.raw_type = "" if frame.pro_catg else raw_type[:64]
    frame.do_catg = str(keywords.get("DO.CATG", result.tag or raw_type))[:64]
    frame.dpr_catg = _word(header, "DPR.CATG", 64)
    frame.dpr_type = _word(header, "DPR.TYPE", 64)
    frame.dpr_tech = _word(header, "DPR.TECH", 64)
    frame.program_id = _word(header, "OBS.PROG.ID", 64)
    frame.ob_id = _word(header, "OBS.ID", 32)
    frame.target = _word(header, "OBS.TARG.NAME", 64) or _word(header, "OBJECT", 64)
    frame.setup = setup_text(keywords, reader.setups.get(raw_type, []))
    frame.is_science = raw_type in reader.science
    frame.keywords = dict(keywords)
    frame.trace = {
        "fired": list(result.fired),
        "assigned": result.assigned,
        "overwritten": [
            {"line": one.line, "keyword": one.keyword, "old": one.old, "new": one.new}
            for one in result.overwritten
        ],
    }


def _word(header: Mapping[str, Value], key: str, longest: int) -> str:
    value = header.get(key)
    return "" if value is None else str(value).strip()[:longest]


def setup_text(keywords: Mapping[str, Value], names: Sequence[str]) -> str:
    """Return the values of the setup's keywords in one text, as ESO's pages write it."""
    values = (keywords.get(name) for name in names)
    return "_".join(_plain(value) for value in values if value is not None)[:255]


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


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
