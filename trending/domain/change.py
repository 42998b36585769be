"""Since when? The last lasting jump of a series, told from outliers, drift and its own wandering.

A series that remembers the night before wanders, and a search for steps of constant level finds steps
in it everywhere. Here a step is a change larger than what the night before leaves open: it is fitted
together with a slope, in noise of the correlation that the series itself shows, and must be larger than
the largest that such noise would show anywhere in so long a series.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import stdtr

from .memory import noise
from .statistics import MAD_TO_SIGMA, Values

# Points looked at to either side of a step. More would see a bent drift as one.
REACH = 30
# So many after it, or a jump cannot be told from outliers.
FEWEST_AFTER = 5
FEWEST = 2 * REACH // 3
CONFIDENCE = 0.99
# A spike is taken out for the search if it lies farther than this from the median of seven.
_SPIKE_SIGMA = 4.0
_SPIKE_WIDTH = 7
_MOST_STEPS = 50
# A series that remembers shows its noise few times over: so many degrees of freedom (Student's t).
_FREEDOM = 30


@dataclass(frozen=True, slots=True)
class Change:
    """A lasting change of level.

    Attributes
    ----------
    mjd
        Of the first value at the new level.
    index
        Its place in the series.
    size
        How far the level jumped, in the unit of the values.
    confidence
        Chance that noise alone shows no such step anywhere in the series.
    n_before, n_after
        How many independent values lie between the change before (or the beginning) and this one,
        and from it on.
    """

    mjd: float
    index: int
    size: float
    confidence: float
    n_before: int
    n_after: int


def last_change(times: Values, values: Values, *, confidence: float = CONFIDENCE) -> Change | None:
    """Return the last lasting jump of a series; None if there is none, or too few values to tell.

    Parameters
    ----------
    times, values
        MJD and value, by time; NaN is missing. A value equal to the one before to the last digit
        is that one carried over, and does not count.
    confidence
        How sure a change must be, from 0 to 1.

    Examples
    --------
    >>> times = np.arange(57000.0, 57100.0)
    >>> values = np.sin(times * 7) + np.where(times >= 57060, 20.0, 0.0)
    >>> found = last_change(times, values)
    >>> found.mjd, round(found.size), found.n_before, found.n_after
    (57060.0, 20, 60, 40)
    """
    found = changes(times, values, confidence=confidence)
    return found[-1] if found else None


def changes(times: Values, values: Values, *, confidence: float = CONFIDENCE) -> list[Change]:
    """Return all lasting jumps of a series, by time; parameters as for `last_change`."""
    places = np.flatnonzero(np.isfinite(values))
    known = np.asarray(values, dtype=float)[places]
    is_new = np.concatenate([[True], known[1:] != known[:-1]])[: known.size]
    places, known = places[is_new], known[is_new]
    if known.size < FEWEST:
        return []
    steps = _steps(known, confidence)
    where = sorted(steps)
    edges = [0, *where, known.size]
    return [
        Change(
            mjd=float(times[places[place]]),
            index=int(places[place]),
            size=steps[place][0],
            confidence=steps[place][1],
            n_before=place - edges[n],
            n_after=edges[n + 2] - place,
        )
        for n, place in enumerate(where)
    ]


def _without_spikes(values: Values) -> Values:
    """Return the values with lone outliers, up to three of seven, replaced by the median."""
    middle = np.median(sliding_window_view(values, _SPIKE_WIDTH), axis=1)
    # The first and last few are compared with the median of the first and last seven.
    middle = np.pad(middle, _SPIKE_WIDTH // 2, mode="edge")
    off = np.abs(values - middle)
    sigma = MAD_TO_SIGMA * np.median(off)
    return np.where(off > _SPIKE_SIGMA * sigma, middle, values)


def _steps(values: Values, confidence: float) -> dict[int, tuple[float, float]]:
    """Return size and confidence of each step by its place, the largest taken away first."""
    # Copies are gone, so that neighbours differ and there is noise.
    memory, sigma = noise(values)
    left = _without_spikes(values)
    found: dict[int, tuple[float, float]] = {}
    for _ in range(_MOST_STEPS):
        sizes, errors = _fits(left, memory)
        ratios = np.abs(sizes) / (sigma * errors)
        place = int(np.argmax(ratios))
        if _confidence(float(ratios[place]), values.size) < confidence:
            break
        size, ratio = found.get(place, (0.0, 0.0))
        found[place] = (size + float(sizes[place]), max(float(ratios[place]), ratio))
        left[place:] -= sizes[place]
    # Where what is left wanders more than the noise tells, a step must stand out from that.
    spread = max(1.0, MAD_TO_SIGMA * float(np.median(ratios[np.isfinite(errors)])))
    sure = {p: (size, _confidence(r / spread, values.size)) for p, (size, r) in found.items()}
    return _lasting({p: one for p, one in sure.items() if one[1] >= confidence})


def _lasting(found: dict[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Return the steps with close neighbours taken together: there and soon back is none."""
    groups: list[list[int]] = []
    for place in sorted(found):
        if groups and place - groups[-1][-1] < FEWEST_AFTER:
            groups[-1].append(place)
        else:
            groups.append([place])
    lasting = {}
    for group in groups:
        largest = max(group, key=lambda place: abs(found[place][0]))
        size = sum(found[place][0] for place in group)
        if abs(size) > abs(found[largest][0]) / 2:
            lasting[largest] = (size, found[largest][1])
    return lasting


def _confidence(ratio: float, places: int) -> float:
    """Return the chance that none of so many places shows a step of so many sigma by noise."""
    by_chance = min(2 * float(stdtr(_FREEDOM, -ratio)), 1 - 1e-12)
    return math.exp(places * math.log1p(-by_chance))


def _fits(values: Values, memory: float) -> tuple[Values, Values]:
    """Return the size of a step at each place and its error, in sigma of what is new in a value."""
    sizes, errors = np.zeros(values.size), np.full(values.size, np.inf)
    places = np.arange(values.size)
    before = np.minimum(places, REACH)
    after = np.minimum(values.size - places, REACH)
    inner = (before >= FEWEST_AFTER) & (after >= FEWEST_AFTER)
    for pair in {(int(b), int(a)) for b, a in zip(before[inner], after[inner], strict=True)}:
        weights, error = _weights(*pair, memory)
        here = places[inner & (before == pair[0]) & (after == pair[1])]
        windows = sliding_window_view(values, sum(pair))[here - pair[0]]
        sizes[here], errors[here] = windows @ weights, error
    return sizes, errors


@lru_cache(maxsize=4096)  # memories are of a grid, so the same come again
def _weights(before: int, after: int, memory: float) -> tuple[Values, float]:
    """Return the weights that make a step of the values around it, and the error of the result.

    Least squares of level, slope and step, after subtracting from each value what the one before
    leaves in it.
    """
    n = before + after
    place = np.arange(n) - before
    design = np.stack([np.ones(n), place / n, (place >= 0).astype(float)], axis=1)
    whiten: NDArray[np.float64] = np.eye(n) - memory * np.eye(n, k=-1)
    whiten[0, 0] = math.sqrt(1 - memory**2)
    solved = np.linalg.pinv(whiten @ design)[2]
    weights: Values = solved @ whiten
    return weights, float(np.sqrt(solved @ solved))
