"""Headers scanned and registered, frames classified and organised, by ESO's own rules."""

import datetime as dt
import random
import shutil
import subprocess
import time
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

from pipelines.domain import oca
from pipelines.domain.oca.needs import needs_of
from pipelines.fits import read_fits
from pipelines.services.ingest import find_frames, ingest

from . import eso_frames
from .elsewhere import manage
from .frame import Side, benchmark, timed

SIX = frozenset({"MJD-OBS", "INSTRUME", "EXPTIME", "DPR.CATG", "DPR.TYPE", "TPL.START"})
N_HEADERS = 10_000
N_FRAMES = 2000
N_MASTERS = 20_000
_RULES = Path("/usr/share/cpl-plugins")
_DAY = 57080.0
_YEARS_DAYS = 730.0


@benchmark("scan 2,000 headers, all uves.oca / dfits", group="oca", goal=0.5)
def scan_all(scratch: Path) -> tuple[Side, Side]:
    """Read what uves.oca asks for, against Debian's dfits and fitsort with the same keywords.

    Ours also finds the files' sizes, whether they are whole, and the headers' digests.
    """
    return _scan_beside_dfits(scratch, _uves().keywords)


@benchmark("scan 2,000 headers, six keywords / dfits", group="oca", goal=1.0)
def scan_six(scratch: Path) -> tuple[Side, Side]:
    """Read six keywords, against dfits and fitsort with the same."""
    return _scan_beside_dfits(scratch, SIX)


@benchmark("scan 2,000 headers / ccdproc", group="oca", goal=0.05)
def scan_beside_ccdproc(scratch: Path) -> tuple[Side, Side]:
    """Read what uves.oca asks for, against ccdproc's collection of the same files and keywords."""
    paths = eso_frames.frames(scratch / "frames")
    wanted = _uves().keywords
    return timed(lambda: _scan(paths, wanted)), timed(lambda: _collect(paths, wanted))


@benchmark("register 2,000 frames / ccdproc's scan alone", group="oca", goal=0.1)
def register(scratch: Path) -> tuple[Side, Side]:
    """Ingest into a new database, blocks and associations included, against ccdproc's reading."""
    paths = eso_frames.frames(scratch / "frames")
    site = scratch / "site"
    return lambda: _register(site, paths[0].parent), timed(lambda: _collect(paths, SIX))


@benchmark("organise: 20,000 calibrations / 2,000", group="oca", goal=1.5)
def organise(_scratch: Path) -> tuple[Side, Side]:
    """Organise and associate 2,000 frames by uves.oca, with a large archive against a small one."""
    rules = _uves()
    headers = [oca.classify(rules, header).keywords for header in _raw_headers(N_FRAMES)]
    frames = [oca.Frame(f"raw {n}", keywords) for n, keywords in enumerate(headers)]
    masters = _masters(rules, N_MASTERS)
    return (
        timed(lambda: _organise(rules, frames, masters)),
        timed(lambda: _organise(rules, frames, masters[::10])),
    )


@benchmark("classify 10,000 headers, largest rule file", group="oca")
def classify(_scratch: Path) -> tuple[Side, None]:
    """Classify by the largest rule file there is."""
    largest = max(_RULES.glob("*/gasgano/config/*.oca"), key=lambda path: path.stat().st_size)
    rules = oca.parse(largest.read_text(encoding="latin-1"))
    headers = _raw_headers(N_HEADERS)
    return timed(lambda: [oca.classify(rules, header) for header in headers]), None


def _uves() -> oca.RuleFile:
    found = sorted(_RULES.glob("uves-*/gasgano/config/uves.oca"))
    if not found:
        raise RuntimeError("There is no uves.oca: install cpl-plugin-uves (packages.txt).")
    return oca.parse(found[-1].read_text(encoding="latin-1"))


# --- scanning


def _scan_beside_dfits(scratch: Path, wanted: frozenset[str]) -> tuple[Side, Side]:
    paths = eso_frames.frames(scratch / "frames")
    return timed(lambda: _scan(paths, wanted)), timed(lambda: _dfits(paths, wanted))


def _scan(paths: Sequence[Path], wanted: Collection[str]) -> None:
    found = [read_fits(path, wanted) for path in paths]
    _expect(len(found), all(one.keywords["MJD-OBS"] for one in found))


def _dfits(paths: Sequence[Path], wanted: Collection[str]) -> None:
    dfits, fitsort = (_program(name) for name in ("dfits", "fitsort"))
    names, pipe = [path.name for path in paths], subprocess.PIPE
    with (
        subprocess.Popen([dfits, *names], cwd=paths[0].parent, stdout=pipe) as dump,
        subprocess.Popen([fitsort, *sorted(wanted)], stdin=dump.stdout, stdout=pipe) as table,
    ):
        lines = table.communicate()[0].splitlines()
    _expect(len(lines) - 1, all(b"UVES." in line for line in lines[1:]))


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"There is no {name}: install qfits-tools (packages.txt).")
    return found


def _collect(paths: Sequence[Path], wanted: Collection[str]) -> None:
    from ccdproc import ImageFileCollection

    keywords = [key if "." not in key else f"ESO {key.replace('.', ' ')}" for key in sorted(wanted)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        summary = ImageFileCollection(paths[0].parent, keywords=keywords).summary
    _expect(len(summary), all(mjd > 0 for mjd in summary["MJD-OBS"]))


def _expect(n_found: int, is_whole: bool) -> None:
    """Compare nothing that did not do its work."""
    if n_found != eso_frames.N_FILES or not is_whole:
        raise RuntimeError(f"Only {n_found} of {eso_frames.N_FILES} frames were read.")


# --- registering


def _register(site: Path, directory: Path) -> float:
    """Ingest into an empty installation; what prepares it is not counted."""
    shutil.rmtree(site, ignore_errors=True)
    manage(site, "migrate", "--verbosity", "0")
    manage(site, "load_instruments")
    return float(manage(site, "bench", "--register", str(directory)))


def run_register(directory: Path) -> float:
    """Ingest a directory here; return the seconds."""
    started = time.perf_counter()
    report = ingest(find_frames(directory), dt.datetime.now(dt.UTC))
    seconds = time.perf_counter() - started
    _expect(len(report.files), report.new_blocks > 0)
    return seconds


# --- organising

_LAMPS = ("BIAS", "DARK", "LAMP,FLAT", "LAMP,FMTCHK", "LAMP,ORDERDEF", "LAMP,WAVE")
_OBJECTS = ("OBJECT,POINT", "OBJECT,EXTENDED", "STD,TELLURIC")


def _raw_headers(n_headers: int) -> list[dict[str, oca.Value]]:
    """Return headers of all kinds UVES takes, five of a template."""
    return [_raw_header(n, random.Random(n // 5)) for n in range(n_headers)]  # noqa: S311  seed


def _raw_header(n: int, chance: random.Random) -> dict[str, oca.Value]:
    is_calibration = chance.random() < 0.7
    start = _DAY + n // 5 * 0.02
    return _setup(chance) | {
        "INSTRUME": "UVES",
        "MJD-OBS": start + n % 5 / 1440,
        "EXPTIME": 10.0,
        "ARCFILE": f"UVES.{n}.fits",
        "OBS.ID": 200_000_000 + n // 15,
        "TPL.START": f"template {n // 5}",
        "TPL.EXPNO": n % 5 + 1,
        "TPL.NEXP": 5,
        "DPR.CATG": "CALIB" if is_calibration else "SCIENCE",
        "DPR.TYPE": chance.choice(_LAMPS if is_calibration else _OBJECTS),
        "DPR.TECH": "ECHELLE",
    }


def _setup(chance: random.Random) -> dict[str, oca.Value]:
    """Return one of the ways UVES is used, the same keywords as its raw and its product files."""
    is_red, binning = chance.random() < 0.5, chance.choice((1, 1, 2))
    grating = 2 if is_red else 1
    wavelength = chance.choice((520.0, 580.0, 760.0, 860.0) if is_red else (346.0, 390.0, 437.0))
    return {
        "DET.CHIPS": 2 if is_red else 1,
        "DET.OUTPUTS": 2 if is_red else 1,
        "DET.READ.SPEED": chance.choice(("225kHz,1x1,low", "50kHz,2x2,high")),
        "DET.WIN1.BINX": binning,
        "DET.WIN1.BINY": binning,
        "DET.WIN1.NX": 2148 // binning,
        "DET.WIN1.NY": 3000 // binning,
        "DET.WIN1.STRX": 1,
        "DET.WIN1.STRY": 1,
        "INS.MODE": chance.choice(("RED", "DICHR#1") if is_red else ("BLUE", "DICHR#1")),
        f"INS.GRAT{grating}.ID": f"CD#{grating}",
        f"INS.GRAT{grating}.NAME": f"CD#{grating}",
        f"INS.GRAT{grating}.WLEN": wavelength,
        "INS.SLIT1.NAME": "FREE",
        "INS.SLIT2.WID": 0.4,
        "INS.SLIT3.MODE": "AUTO",
        "INS.SLIT3.PLATE": 1,
        "INS.SLIT3.WID": 0.3,
    }


def _masters(rules: oca.RuleFile, n_masters: int) -> list[oca.Candidate]:
    """Return masters of every category the rules look for, over two years around the frames."""
    selects = [select for action in rules.action_rules for select in action.files]
    keys = [key for select in selects if (key := needs_of(select.condition).key) is not None]
    categories = sorted({category for _, categories in keys for category in categories})
    chance = random.Random(1)  # noqa: S311  a seed, no secret
    found = []
    for n in range(n_masters):
        header = _setup(chance) | {
            "INSTRUME": "UVES",
            "PRO.CATG": chance.choice(categories),
            "MJD-OBS": _DAY + chance.uniform(-_YEARS_DAYS / 2, _YEARS_DAYS / 2),
        }
        keywords = oca.classify(rules, header).keywords
        found.append(oca.Candidate.of(oca.Frame(f"master {n}", keywords)))
    return found


def _organise(
    rules: oca.RuleFile, frames: Sequence[oca.Frame], masters: Sequence[oca.Candidate]
) -> None:
    files = [*map(oca.Candidate.of, frames), *masters]
    found = oca.cascade(rules, oca.organise(rules, frames), files)
    if not any(
        chosen for block in found.blocks for match in block.matches for chosen in match.chosen
    ):
        raise RuntimeError("Nothing was associated.")
