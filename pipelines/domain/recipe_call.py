"""The plan of one run: which recipe, on which files, within which limits; and what came of it."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

_SAFE = re.compile(r"[^A-Za-z0-9._:+-]")


class Kind(StrEnum):
    """Why a run failed.

    INPUT: a raw frame. MISSING: a calibration is not there. DEPENDENCY: one that another block made
    cannot be used. RECIPE: what the recipe itself says. TIMEOUT, MEMORY: its limits. PRODUCT: what
    it made does not stand the check. ENVIRONMENT: the machine, which may be well later.
    """

    NONE = ""
    INPUT = "input"
    MISSING = "missing"
    RECIPE = "recipe"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    ENVIRONMENT = "environment"
    PRODUCT = "product"
    DEPENDENCY = "dependency"

    def tries(self, at_most: int) -> int:
        """Return how often a run that fails so is tried in all, nothing having been changed.

        What the machine did wrong may be well later. A recipe out of time gets a second chance:
        the machine may have been busy. All others fail again the same way.

        >>> [kind.tries(5) for kind in (Kind.ENVIRONMENT, Kind.TIMEOUT, Kind.RECIPE)]
        [5, 2, 1]
        """
        if self == Kind.ENVIRONMENT:
            return at_most
        return min(2, at_most) if self == Kind.TIMEOUT else 1


@dataclass(frozen=True)
class SofEntry:
    """A line of the set of frames: a file, and its tag for the recipe."""

    path: Path
    tag: str


@dataclass(frozen=True)
class RecipeCall:
    """Everything a run needs, decided before it starts.

    Attributes
    ----------
    min_frames : int
        Raw frames that must remain when unusable ones are left out.
    timeout_s, memory_mb : float, int
        Wall-clock seconds and megabytes of address space.
    raw_tags : tuple of str
        Tags of raw frames that the recipe takes; empty where nobody says.
    calibration_tags : tuple of str
        Tags of calibrations that it cannot do without.
    needs : tuple of str
        Keywords without which a frame is not given to the recipe, as rules write them.
    qc : tuple of str
        Keywords that a success writes; ``#`` is any number.
    qc_in : tuple of str
        Categories of which each product that is made carries all of them.
    extensions : mapping
        Image extensions of a product, by category.
    """

    recipe: str
    runner: str
    pipeline: str
    parameters: tuple[str, ...]
    raws: tuple[SofEntry, ...]
    calibrations: tuple[SofEntry, ...]
    expected_products: tuple[str, ...]
    min_frames: int
    timeout_s: float
    memory_mb: int
    raw_tags: tuple[str, ...] = ()
    calibration_tags: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    qc: tuple[str, ...] = ()
    qc_in: tuple[str, ...] = ()
    extensions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MadeFile:
    """A product as the recipe left it in the job's directory.

    `headers` are those of its HDUs, as bytes; none where the file is an unusual one.
    """

    name: str
    category: str
    path: Path
    size: int
    data_md5: str
    headers: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class RecipeOutcome:
    """What came of a run. `reason` is for people; empty only when all is well."""

    succeeded: bool
    kind: Kind = Kind.NONE
    reason: str = ""
    is_degraded: bool = False
    return_code: int | None = None
    products: tuple[MadeFile, ...] = ()
    argv: tuple[str, ...] = ()
    log: str = ""
    pipeline_version: str = ""
    duration_s: float = 0.0
    peak_mb: float | None = None


def safe_name(name: str) -> str:
    """Return a file name that cannot break out of a SOF line, a path or a command line.

    >>> safe_name("UVES.2015-02-27T10:46:39.756.fits")
    'UVES.2015-02-27T10:46:39.756.fits'
    >>> safe_name("../a b;$HOME #.fits")
    '_.._a_b__HOME__.fits'
    """
    clean = _SAFE.sub("_", name)
    return clean if clean[:1].isalnum() else f"_{clean}"


def split_parameters(lines: list[str]) -> tuple[str, ...]:
    """Return the arguments of a rule's recipe strings, each of which may hold several.

    >>> split_parameters(["--nifu=1 --merge", "--stack=mean"])
    ('--nifu=1', '--merge', '--stack=mean')
    """
    return tuple(word for line in lines for word in shlex.split(line))


@dataclass
class LogReading:
    """What a recipe's log tells beside its exit code."""

    errors: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


_LEVEL = re.compile(r"\[\s*(ERROR|WARNING)\s*\]\s*(?:[\w.]*:\s*)?(?:\[tid=\d+\]\s*)?(.*)")
# CPL announces its list of errors before it names the first.
_HEADLINE = re.compile(r"Dumping all \d+ error")
_DROPPED = re.compile(r"\b(dropped|skipped|ignored|left out)\b", re.IGNORECASE)


def read_log(text: str) -> LogReading:
    """Collect error lines, and warnings that frames or settings were left out.

    >>> read_log("10:00:00 [ ERROR ] muse: [tid=000] cannot load x.fits").errors
    ['cannot load x.fits']
    """
    reading = LogReading()
    for line in text.splitlines():
        match = _LEVEL.search(line)
        if match and match[1] == "ERROR" and match[2].strip() and not _HEADLINE.match(match[2]):
            reading.errors.append(match[2].strip())
        elif match and _DROPPED.search(match[2]):
            reading.dropped.append(match[2].strip())
    return reading
