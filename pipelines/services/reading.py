"""What a file's header and the rules in force say of it: a frame that nobody has stored yet."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.domain import oca
from pipelines.domain.times import datetime_to_mjd, night_of
from pipelines.fits import COMPRESSED, FitsError, FitsFile, Value, read_fits
from pipelines.models import Instrument, RawFile, RuleSet

from .instruments import NoRulesError, parsed, rules_of, settings_of
from .roots import Roots

# Keywords every frame needs, beside those the instrument's rules read.
NEEDED = frozenset(
    {"INSTRUME", "MJD-OBS", "EXPTIME", "ARCFILE", "DPR.CATG", "DPR.TYPE", "DPR.TECH",
     "TPL.START", "TPL.NEXP", "TPL.EXPNO", "PRO.CATG", "PRO.SCIENCE",
     "OBS.PROG.ID", "OBS.ID", "OBS.TARG.NAME", "OBJECT"}
)  # fmt: skip


@dataclass(frozen=True)
class Reader:
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
class Readers:
    """All instruments by the names in their headers, and all keywords any of them needs."""

    by_name: dict[str, Reader]
    wanted: frozenset[str]
    of_instrument: dict[int, frozenset[str]]
    roots: Roots


def find_readers() -> Readers:
    readers: dict[str, Reader] = {}
    wanted_by: dict[int, frozenset[str]] = {}
    for instrument in Instrument.objects.prefetch_related("raw_types"):
        types = list(instrument.raw_types.all())
        reader = Reader(
            instrument=instrument,
            setups={raw_type.name: raw_type.setup_keywords for raw_type in types},
            science=frozenset(raw_type.name for raw_type in types if raw_type.is_science),
        )
        readers.update(dict.fromkeys(instrument.header_names, reader))
        wanted_by[instrument.pk] = reader.wanted
    return Readers(readers, NEEDED.union(*wanted_by.values()), wanted_by, Roots.load())


def read_frame(path: Path, found: FitsFile, readers: Readers, at: dt.datetime) -> RawFile:
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
        compression=path.suffix[1:] if path.suffix in COMPRESSED else "",
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


def _rules(reader: Reader, night: dt.date) -> RuleSet:
    try:
        return reader.rules(night)
    except NoRulesError as error:
        raise FitsError(f"No rules are in force for its night, {night}.", str(error)) from error


def _describe(
    frame: RawFile, header: Mapping[str, Value], result: oca.Classification, reader: Reader
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
    packed = path.suffix in COMPRESSED
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


def read_again(
    frames: Iterable[RawFile], at: dt.datetime
) -> Iterator[tuple[RawFile, RawFile | FitsError]]:
    """Yield registered frames, each with what its file and the rules of today make of it."""
    readers = find_readers()
    for frame in frames:
        try:
            found = read_fits(frame.full_path, readers.wanted)
            yield frame, read_frame(frame.full_path, found, readers, at)
        except FitsError as error:
            yield frame, error
        except OSError as error:
            yield frame, FitsError(f"{error.strerror}.", "Put the file back.")
