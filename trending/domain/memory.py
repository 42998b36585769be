"""How much a series remembers of the value before, and what is new in each value."""

import math

import numpy as np

from .statistics import MAD_TO_SIGMA, Values

# Beyond the last, a series is a random walk.
_MEMORIES = np.linspace(0.0, 0.98, 50)
_LAGS = 8
# Fewer say nothing about a memory.
FEWEST = 20
# One outlier must not throw its shadow on the value after it.
_CAP = 3.0


def noise(values: Values) -> tuple[float, float]:
    """Return the correlation of neighbours, and the sigma of what is new in each value.

    From differences of values up to eight apart: steps and outliers touch only few of these, and a
    drift is small in them. Their variance is 2 (1 - memory^n) of that of the series.
    """
    lags = np.arange(1, _LAGS + 1)
    seen = np.array([_variance(values[n:] - values[:-n]) for n in lags])
    if seen[0] == 0:
        return 0.0, 0.0
    shapes = 1 - _MEMORIES[:, None] ** lags
    # The best variance for each memory, and how much of what is seen it leaves.
    fitted = (shapes @ seen) / (shapes**2).sum(axis=1)
    left = ((seen - fitted[:, None] * shapes) ** 2).sum(axis=1)
    memory = float(_MEMORIES[np.argmin(left)])
    return memory, math.sqrt(seen[0] * (1 + memory) / 2)


def _variance(differences: Values) -> float:
    """Return the mean square of what is within three robust sigma."""
    size = np.abs(differences)
    kept = size[size <= 3 * MAD_TO_SIGMA * np.median(size)]
    return float(np.mean(kept**2))


def independent(residuals: Values) -> Values:
    """Return what is new in each residual, in sigma of that: what run rules may be applied to.

    Run rules count on values that know nothing of each other. Where the series remembers, eight in a
    row on one side mean nothing; what each value adds to the one before is what they may judge.

    Parameters
    ----------
    residuals
        In sigma, by time; NaN is missing, and is stepped over.

    Returns
    -------
    array
        NaN where a residual is; the residuals themselves where there are fewer than twenty, or no
        scatter. The memory is that of all residuals given.

    Examples
    --------
    >>> walk = np.cumsum(np.random.default_rng(1).normal(0, 1, 500))
    >>> new = independent(walk)
    >>> float(np.corrcoef(walk[1:], walk[:-1])[0, 1]) > 0.9
    True
    >>> abs(float(np.corrcoef(new[1:], new[:-1])[0, 1])) < 0.1
    True
    """
    new = np.array(residuals, dtype=float)
    places = np.flatnonzero(np.isfinite(new))
    known = new[places]
    if known.size < FEWEST:
        return new
    memory, sigma = noise(known)
    if sigma == 0:
        return new
    spread = MAD_TO_SIGMA * float(np.median(np.abs(known))) or np.inf
    before = np.clip(np.concatenate([[0.0], known[:-1]]), -_CAP * spread, _CAP * spread)
    new[places] = (known - memory * before) / sigma
    return new
