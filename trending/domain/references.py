"""Limits around a reference: a value that was agreed on for an epoch, not one that is computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .limits import Method, MethodKind
from .statistics import MAD_TO_SIGMA, Values


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference value.

    Parameters
    ----------
    value
        What is expected, in the unit of the parameter.
    sigma
        Robust scatter of the values it was taken from; None is not known.
    n
        How many they were.
    valid_from, valid_until
        MJD from when on, and until when; None is until further notice.
    """

    value: float
    sigma: float | None
    n: int
    valid_from: float
    valid_until: float | None = None

    def covers(self, mjd: float) -> bool:
        """Tell whether it is the reference of an instant."""
        return self.valid_from <= mjd and (self.valid_until is None or mjd < self.valid_until)


def around(method: Method, reference: Reference) -> Method | None:
    """Return the fixed limits that a method lays around a reference, None if it cannot.

    Examples
    --------
    >>> from .limits import parse_limits
    >>> lamp = Reference(200.0, 2.0, 20, 57080.0)
    >>> print(around(parse_limits("3SIG"), lamp), around(parse_limits("5%"), lamp))
    VAL 194,206 VAL 190,210
    """
    if not method.is_statistical:
        return method
    amount = method.amount or 0.0
    if method.kind is MethodKind.PCT:
        width: float | None = abs(reference.value) * amount / 100
    elif method.kind is MethodKind.OFF:
        width = amount
    else:
        width = None if reference.sigma is None else amount * reference.sigma
    if width is None:
        return None
    low, high = reference.value - width, reference.value + width
    is_finite = bool(np.isfinite(low) and np.isfinite(high))
    return Method(MethodKind.VAL, low, high) if is_finite else None


def propose(
    values: Values | Sequence[float], valid_from: float, valid_until: float | None = None
) -> Reference | None:
    """Return the reference that the first good values after an intervention suggest.

    Their median, with the robust scatter; None without a value.

    Examples
    --------
    >>> propose([10.0, 11.0, 12.0, 11.0, 99.0], 57080.0).value
    11.0
    """
    measured = np.asarray(values, dtype=float)
    measured = measured[np.isfinite(measured)]
    if measured.size == 0:
        return None
    median = float(np.median(measured))
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(measured - median)))
    sigma = scatter if measured.size > 1 else None
    return Reference(median, sigma, int(measured.size), valid_from, valid_until)
