"""The frame of the benchmarks: what one is, how it is run, what it prints and records.

Ours and theirs run in turn, at least three times each, and the median of the ratios counts: the
speed of the machine falls out. Lower is better. A goal is a ratio not to be passed; a figure without
a goal is for information and always met.
"""

import importlib
import json
import pkgutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

GROUPS = ("demo", "oca", "processing", "qc1", "api", "web", "trending")
ROUNDS = 3

Side = Callable[[], float]


@dataclass(frozen=True)
class Figure:
    """The outcome of one benchmark; `ratio` is ours divided by theirs."""

    name: str
    group: str
    ours: float
    theirs: float | None
    unit: str
    ratio: float | None
    goal: float | None
    met: bool

    def __str__(self) -> str:
        ratio = "–" if self.ratio is None else f"{self.ratio:.3g}"
        goal = "–" if self.goal is None else f"{self.goal:g}"
        theirs = "–" if self.theirs is None else f"{self.theirs:.4g}"
        verdict = "" if self.goal is None else ("met" if self.met else "NOT MET")
        return (
            f"{self.group:10} {self.name:46} ours {self.ours:.4g} {self.unit}, "
            f"theirs {theirs} {self.unit}, ratio {ratio}, goal {goal} {verdict}".rstrip()
        )


@dataclass(frozen=True)
class Benchmark:
    """Two sides to be compared; each returns its measured figure, mostly seconds.

    `prepare` gets a scratch directory below the data directory and returns the two sides; `theirs`
    may be a number: an absolute goal.
    """

    name: str
    group: str
    unit: str
    goal: float | None
    prepare: Callable[[Path], tuple[Side, Side | float | None]]


_KNOWN: list[Benchmark] = []


def benchmark(
    name: str, *, group: str, unit: str = "s", goal: float | None = None
) -> Callable[
    [Callable[[Path], tuple[Side, Side | float | None]]],
    Callable[[Path], tuple[Side, Side | float | None]],
]:
    """Register a benchmark: the decorated function prepares it."""
    if group not in GROUPS:
        raise ValueError(f"{group!r} is no group of benchmarks; known are {', '.join(GROUPS)}.")

    def register(
        prepare: Callable[[Path], tuple[Side, Side | float | None]],
    ) -> Callable[[Path], tuple[Side, Side | float | None]]:
        _KNOWN.append(Benchmark(name, group, unit, goal, prepare))
        return prepare

    return register


def find(group: str = "") -> list[Benchmark]:
    """Give the benchmarks of all modules beside this one; a group may have several modules."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{__package__}.{module.name}")
    return [one for one in _KNOWN if group in {"", one.group}]


def timed(work: Callable[[], object]) -> Side:
    """Make a side of something that is to be timed."""

    def measure() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return measure


def run(one: Benchmark, scratch: Path) -> Figure:
    """Run both sides in turn and compare them."""
    scratch.mkdir(parents=True, exist_ok=True)
    ours, theirs = one.prepare(scratch)
    pairs = list(_pairs(ours, theirs))
    ratios = [a / b for a, b in pairs if b]
    ratio = statistics.median(ratios) if ratios else None
    if one.goal is None:
        ratio_said, met = None, True
    else:
        ratio_said, met = ratio, ratio is not None and ratio <= one.goal
    return Figure(
        name=one.name,
        group=one.group,
        ours=statistics.median(a for a, _ in pairs),
        theirs=statistics.median(b for _, b in pairs if b is not None) if ratios else None,
        unit=one.unit,
        ratio=ratio_said,
        goal=one.goal,
        met=met,
    )


def _pairs(ours: Side, theirs: Side | float | None) -> Iterator[tuple[float, float | None]]:
    for _ in range(ROUNDS):
        mine = ours()
        yield mine, theirs() if callable(theirs) else theirs


def record(figure: Figure, path: Path) -> None:
    """Append a figure as a JSON line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(figure)) + "\n")
