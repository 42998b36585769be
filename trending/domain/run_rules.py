"""Patterns of values that each alone would pass: runs, trends, and sums of small departures.

All work on residuals in sigma: how far each value lies from what was expected, in units of the
scatter. Missing values are stepped over.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .limits import LimitsError, print_number
from .populations import Flags
from .statistics import Values

KNOWN = (
    "WE1 to WE4, NELSON1 to NELSON8, NofM(sigma) such as 2of3(2), CUSUM(k=0.5,h=5), "
    "EWMA(lambda=0.2,L=3), HYST(on=3,off=1)"
)
_FORM = re.compile(r"(?P<name>[A-Z]+\d*|\d+OF\d+)(?:\((?P<numbers>[^()]*)\))?")
_COUNTS = re.compile(r"(\d+)OF(\d+)")
_WESTERN_ELECTRIC = re.compile(r"WE[1-4]")
_NELSON = re.compile(r"NELSON[1-8]")


class RunRuleError(LimitsError):
    """A run rule that means nothing; the message says what would."""


@dataclass(frozen=True, slots=True)
class RunRule:
    """A pattern to look for.

    Attributes
    ----------
    name
        ``WE1``, ``NELSON3``, ``2OF3``, ``CUSUM``, ``EWMA`` or ``HYST``.
    numbers
        Its numbers by name, in the order they are written.
    """

    name: str
    numbers: tuple[tuple[str, float], ...] = ()

    def __getitem__(self, name: str) -> float:
        return dict(self.numbers)[name]

    def __str__(self) -> str:
        if counts := _COUNTS.fullmatch(self.name):
            return f"{counts[1]}of{counts[2]}({print_number(self['sigma'])})"
        numbers = ",".join(f"{name}={print_number(number)}" for name, number in self.numbers)
        return f"{self.name}({numbers})" if numbers else self.name


@dataclass(frozen=True, slots=True)
class Signal:
    """A stretch of a series that shows a pattern.

    Attributes
    ----------
    rule
        The rule, as written.
    first, last
        Places of its first and last value.
    words
        What was seen, for people.
    """

    rule: str
    first: int
    last: int
    words: str


_DEFAULTS = {
    "CUSUM": {"k": 0.5, "h": 5.0, "cap": np.inf},
    "EWMA": {"lambda": 0.2, "L": 3.0, "cap": np.inf},
    "HYST": {"on": 3.0, "off": 1.0},
}


def parse_run_rule(text: str) -> RunRule:
    """Read a run rule as people write it.

    Parameters
    ----------
    text
        A name, with numbers in brackets where it takes some; those left out have their usual
        values. Spaces and upper or lower case do not matter.

    Raises
    ------
    RunRuleError
        Saying what is known.

    Examples
    --------
    >>> print(parse_run_rule("we 1"), parse_run_rule("2of3(2)"), parse_run_rule("cusum(h=4)"))
    WE1 2of3(2) CUSUM(k=0.5,h=4)
    """
    tidy = re.sub(r"\s+", "", text).upper()
    match = _FORM.fullmatch(tidy)
    if match is None:
        raise RunRuleError(f"{text.strip()!r} is none of the run rules known: {KNOWN}")
    name, numbers = match["name"], match["numbers"]
    if _WESTERN_ELECTRIC.fullmatch(name) or _NELSON.fullmatch(name):
        if numbers is not None:
            raise RunRuleError(f"{name} takes no numbers")
        return RunRule(name)
    if counts := _COUNTS.fullmatch(name):
        return _n_of_m(int(counts[1]), int(counts[2]), numbers)
    if name not in _DEFAULTS:
        raise RunRuleError(f"{text.strip()!r} is none of the run rules known: {KNOWN}")
    return _with_numbers(name, numbers or "")


def _n_of_m(n: int, m: int, numbers: str | None) -> RunRule:
    if not 1 <= n <= m <= 100:
        raise RunRuleError(f"{n}of{m}: needs 1 to M of at most 100 values")
    if not numbers:
        raise RunRuleError(f"{n}of{m} needs a distance in sigma: {n}of{m}(2)")
    sigma = _number("sigma", numbers.removeprefix("SIGMA="))
    if sigma < 0:
        raise RunRuleError("sigma must not be below zero")
    return RunRule(f"{n}OF{m}", (("sigma", sigma),))


def _with_numbers(name: str, written: str) -> RunRule:
    known = _DEFAULTS[name]
    spelling = {key.upper(): key for key in known}
    found = dict(known)
    for part in filter(None, written.split(",")):
        key, equals, number = part.partition("=")
        if not equals or key not in spelling:
            raise RunRuleError(
                f"{name} takes {', '.join(known)}, each as name=number; not {part!r}"
            )
        found[spelling[key]] = _number(spelling[key], number)
    _check(name, found)
    kept = tuple((key, number) for key, number in found.items() if np.isfinite(number))
    return RunRule(name, kept)


def _number(key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise RunRuleError(f"{key} = {text!r} is no number")
    return number


def _check(name: str, numbers: dict[str, float]) -> None:
    if name == "CUSUM" and not (numbers["k"] >= 0 and numbers["h"] > 0):
        raise RunRuleError("CUSUM needs k of at least zero and h above zero")
    if name == "EWMA" and not (0 < numbers["lambda"] <= 1 and numbers["L"] > 0):
        raise RunRuleError("EWMA needs lambda above 0 and at most 1, and L above zero")
    if name == "HYST" and not 0 <= numbers["off"] <= numbers["on"]:
        raise RunRuleError("HYST needs on, and off between zero and on")
    if numbers.get("cap", 1.0) <= 0:
        raise RunRuleError("cap must be above zero")


def signals(residuals: Values, rules: Iterable[str | RunRule]) -> list[Signal]:
    """Return the stretches of a series that show a pattern, rule by rule, by time.

    Parameters
    ----------
    residuals
        How far each value lies from what was expected, in sigma, in the order of time; what is not
        finite was not measured, and a run goes on behind it.
    rules
        The rules, as written or read.

    Raises
    ------
    RunRuleError
        If a rule is not known.

    Examples
    --------
    >>> signals(np.array([0.1, -0.2, 3.5, 0.3]), ["WE1"])
    [Signal(rule='WE1', first=2, last=2, words='beyond 3 sigma, above')]
    """
    places = np.flatnonzero(np.isfinite(residuals))
    known = np.asarray(residuals, dtype=float)[places]
    found = []
    for rule in rules:
        read = parse_run_rule(rule) if isinstance(rule, str) else rule
        found += [
            Signal(str(read), int(places[first]), int(places[last]), words)
            for first, last, words in sorted(_stretches(known, read))
        ]
    return found


_Stretch: TypeAlias = tuple[int, int, str]


def _stretches(z: Values, rule: RunRule) -> list[_Stretch]:
    if rule.name == "CUSUM":
        return _cusum_stretches(_capped(z, rule), rule["k"], rule["h"])
    if rule.name == "EWMA":
        return _ewma_stretches(_capped(z, rule), rule["lambda"], rule["L"])
    if rule.name == "HYST":
        return _hysteresis(z, rule["on"], rule["off"])
    if counts := _COUNTS.fullmatch(rule.name):
        return _beyond(z, int(counts[1]), int(counts[2]), rule["sigma"])
    return _NAMED[rule.name](z)


def _capped(z: Values, rule: RunRule) -> Values:
    cap = dict(rule.numbers).get("cap", np.inf)
    return np.clip(z, -cap, cap)


# --- so many of so many


def _beyond(z: Values, n: int, m: int, sigma: float) -> list[_Stretch]:
    """Find windows of `m` with `n` beyond so many sigma on one side, the last one among them."""
    words = (
        f"{n} of {m} beyond {print_number(sigma)} sigma"
        if m > 1
        else (f"beyond {print_number(sigma)} sigma")
    )
    found: list[_Stretch] = []
    for side, name in ((1.0, "above"), (-1.0, "below")):
        is_beyond = side * z > sigma
        so_far = np.concatenate([[0], np.cumsum(is_beyond)])
        begin = np.maximum(np.arange(z.size) - m + 1, 0)
        hits = is_beyond & (so_far[1:] - so_far[begin] >= n)
        lasts: list[int] = np.flatnonzero(hits).tolist()
        ends = [(_first_of(is_beyond, last, m), last) for last in lasts]
        found += [(first, last, f"{words}, {name}") for first, last in _merged(ends)]
    return found


def _first_of(is_beyond: Flags, last: int, m: int) -> int:
    begin = max(last - m + 1, 0)
    return begin + int(np.argmax(is_beyond[begin : last + 1]))


def _merged(ends: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join stretches that touch or overlap, given by ascending ends."""
    found: list[tuple[int, int]] = []
    for first, last in ends:
        if found and first <= found[-1][1] + 1:
            found[-1] = (min(first, found[-1][0]), last)
        else:
            found.append((first, last))
    return found


# --- runs


def _runs(flags: Flags, shortest: int, words: str, extra: int = 0) -> list[_Stretch]:
    """Find runs of true flags; `extra` values before the first flag belong to the run."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [
        (int(first), int(end) - 1 + extra, f"{end - first + extra} in a row {words}")
        for first, end in zip(edges[::2], edges[1::2], strict=True)
        if end - first + extra >= shortest
    ]


def _one_side(shortest: int) -> Callable[[Values], list[_Stretch]]:
    return lambda z: _runs(z > 0, shortest, "above") + _runs(z < 0, shortest, "below")


def _trend(z: Values) -> list[_Stretch]:
    step = np.diff(z)
    return _runs(step > 0, 6, "rising", 1) + _runs(step < 0, 6, "falling", 1)


def _alternating(z: Values) -> list[_Stretch]:
    step = np.diff(z)
    return _runs(step[1:] * step[:-1] < 0, 14, "up and down", 2)


def _quiet(z: Values) -> list[_Stretch]:
    return _runs(np.abs(z) < 1, 15, "within 1 sigma")


def _avoiding(z: Values) -> list[_Stretch]:
    return _runs(np.abs(z) > 1, 8, "beyond 1 sigma, either side")


def _of(n: int, m: int, sigma: float) -> Callable[[Values], list[_Stretch]]:
    return lambda z: _beyond(z, n, m, sigma)


_NAMED: dict[str, Callable[[Values], list[_Stretch]]] = {
    "WE1": _of(1, 1, 3.0),
    "WE2": _of(2, 3, 2.0),
    "WE3": _of(4, 5, 1.0),
    "WE4": _one_side(8),
    "NELSON1": _of(1, 1, 3.0),
    "NELSON2": _one_side(9),
    "NELSON3": _trend,
    "NELSON4": _alternating,
    "NELSON5": _of(2, 3, 2.0),
    "NELSON6": _of(4, 5, 1.0),
    "NELSON7": _quiet,
    "NELSON8": _avoiding,
}


# --- sums and averages


def cusum(z: Values, k: float) -> tuple[Values, Values]:
    """Return the upper and the lower cumulative sum of departures beyond `k`, both from zero up.

    Examples
    --------
    >>> upper, lower = cusum(np.array([1.0, 1.0, -3.0]), k=0.5)
    >>> upper.tolist(), lower.tolist()
    ([0.5, 1.0, 0.0], [0.0, 0.0, 2.5])
    """
    return _sum_above_zero(z - k), _sum_above_zero(-z - k)


def _sum_above_zero(steps: Values) -> Values:
    # A sum that starts anew whenever it falls below zero: the whole sum above its lowest so far.
    total = np.empty(steps.size)
    last = 0.0
    for n, step in enumerate(steps.tolist()):
        last = max(0.0, last + step)
        total[n] = last
    return total


def _cusum_stretches(z: Values, k: float, h: float) -> list[_Stretch]:
    """Find sums above `h`: from where the sum last left zero, which is when it began."""
    found: list[_Stretch] = []
    for total, name in zip(cusum(z, k), ("above", "below"), strict=True):
        edges = np.flatnonzero(np.diff((total > 0).astype(np.int8), prepend=0, append=0))
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            over = np.flatnonzero(total[first:end] > h)
            if over.size:
                words = f"cumulative sum up to {total[first:end].max():.1f}, {name}"
                found.append((int(first), int(first + over[-1]), words))
    return found


def ewma(z: Values, weight: float) -> Values:
    """Return the average whose weights fall by 1 - `weight` for each step back, from zero on.

    Examples
    --------
    >>> ewma(np.array([1.0, 1.0]), 0.5).tolist()
    [0.5, 0.75]
    """
    average = np.empty(z.size)
    last = 0.0
    for n, value in enumerate(z.tolist()):
        last += weight * (value - last)
        average[n] = last
    return average


def ewma_limit(weight: float, n_sigma: float) -> float:
    """Return how far the average may stray in a series long under way.

    Examples
    --------
    >>> round(ewma_limit(0.3, 3), 4)
    1.2603
    """
    return n_sigma * float(np.sqrt(weight / (2 - weight)))


def _ewma_stretches(z: Values, weight: float, n_sigma: float) -> list[_Stretch]:
    average, limit = ewma(z, weight), ewma_limit(weight, n_sigma)
    found: list[_Stretch] = []
    for side, name in ((1.0, "above"), (-1.0, "below")):
        for first, last, _ in _runs(side * average > limit, 1, ""):
            most = (side * average[first : last + 1]).max()
            found.append((first, last, f"moving average {most:.1f} sigma off, {name}"))
    return found


def _hysteresis(z: Values, on: float, off: float) -> list[_Stretch]:
    """Find stretches that begin beyond `on` and end before the first value not beyond `off`."""
    found: list[_Stretch] = []
    for side, name in ((1.0, "above"), (-1.0, "below")):
        for first, last, _ in _runs(side * z > off, 1, ""):
            over = np.flatnonzero(side * z[first : last + 1] > on)
            if over.size:
                begin = int(first + over[0])
                words = f"beyond {print_number(on)} sigma, not yet back within {print_number(off)}"
                found.append((begin, last, f"{words}, {name}"))
    return found
