"""Series made up to try limits on: they behave as real ones do, and what is wrong in them is known."""

from dataclasses import dataclass

import numpy as np

from .populations import Flags
from .statistics import Values

YEAR = 365.25


@dataclass(frozen=True, slots=True)
class SeriesKind:
    """How a series behaves. Sizes are in sigma of its noise.

    Parameters
    ----------
    nights
        How many nights there are.
    memory
        How much of the noise of one night is that of the night before: its correlation.
    drift
        Change of the level in a year.
    season
        Amplitude of its swing with the year.
    events, event_size
        How many times somebody works on the instrument, and how far the level jumps then.
    gaps, gap_days
        How many pauses there are, and how long at most; half as long at least.
    repeated
        Chance of a night to have the value of the night before carried over.
    missed
        Chance of a night to have no value.
    outliers, outlier_size
        Chance of a value to be wrong, and by how much, to either side.
    """

    nights: int = 700
    memory: float = 0.88
    drift: float = 4.0
    season: float = 1.5
    events: int = 2
    event_size: float = 8.0
    gaps: int = 2
    gap_days: float = 80.0
    repeated: float = 0.05
    missed: float = 0.1
    outliers: float = 0.02
    outlier_size: float = 5.0


@dataclass(frozen=True, slots=True)
class SimulatedSeries:
    """A series with what was done to it.

    Attributes
    ----------
    times, values
        MJD and value, by time.
    is_outlier
        Which values are wrong, copies of wrong ones included.
    is_repeat
        Which are copies of the one before.
    cuts
        MJDs of the events, as people would declare them.
    """

    times: Values
    values: Values
    is_outlier: Flags
    is_repeat: Flags
    cuts: tuple[float, ...]


def simulate(kind: SeriesKind, seed: int) -> SimulatedSeries:
    """Make a series; the same kind and seed give the same one.

    Examples
    --------
    >>> made = simulate(SeriesKind(nights=50, gaps=0, missed=0.0), seed=1)
    >>> made.times.size, len(made.cuts)
    (50, 2)
    """
    random = np.random.default_rng(seed)
    times = _nights(kind, random)
    cuts = np.sort(random.choice(times[20:-20], kind.events, replace=False)) - 0.5
    jumps = random.choice([-1.0, 1.0], kind.events) * kind.event_size
    values = _noise(times, kind.memory, random)
    values += kind.drift * times / YEAR + kind.season * np.sin(2 * np.pi * times / YEAR)
    values += (jumps * (times[:, None] > cuts)).sum(axis=1)
    is_outlier = random.random(times.size) < kind.outliers
    sign = random.choice([-1.0, 1.0], times.size)
    values += np.where(is_outlier, sign * kind.outlier_size, 0.0)
    is_repeat = _carry_over(values, is_outlier, cuts, times, kind.repeated, random)
    start = 57000.0
    return SimulatedSeries(
        start + times, values, is_outlier, is_repeat, tuple(float(start + cut) for cut in cuts)
    )


def _nights(kind: SeriesKind, random: np.random.Generator) -> Values:
    """Return the nights with a value, in days from the first."""
    steps = np.ones(kind.nights)
    steps[0] = 0.0
    where = random.choice(np.arange(1, kind.nights), kind.gaps, replace=False)
    steps[where] += kind.gap_days * random.uniform(0.5, 1.0, kind.gaps)
    nights: Values = np.cumsum(steps)[random.random(kind.nights) >= kind.missed]
    return nights


def _noise(times: Values, memory: float, random: np.random.Generator) -> Values:
    """Return noise of sigma 1 whose correlation falls by `memory` each day."""
    new = random.normal(0.0, 1.0, times.size)
    kept = memory ** np.diff(times, prepend=times[0])
    noise = np.empty(times.size)
    last = 0.0
    for n in range(times.size):
        share = kept[n] if n else 0.0
        last = share * last + np.sqrt(1 - share**2) * new[n]
        noise[n] = last
    return noise


def _carry_over(
    values: Values,
    is_outlier: Flags,
    cuts: Values,
    times: Values,
    share: float,
    random: np.random.Generator,
) -> Flags:
    """Give some nights the value of the one before, in place; never over an event."""
    after_event = np.searchsorted(times, cuts)
    is_repeat = random.random(times.size) < share
    is_repeat[0] = False
    is_repeat[after_event] = False
    for n in np.flatnonzero(is_repeat):
        values[n], is_outlier[n] = values[n - 1], is_outlier[n - 1]
    return is_repeat
