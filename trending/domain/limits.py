"""Thresholds as people write them: ``VAL -6,6``, ``5%``, ``3SIG``, ``3MAD``, ``OFF 0.07``, ``none``."""

import math
import re
from dataclasses import dataclass
from enum import StrEnum

KNOWN = "VAL lo,hi (either may be left out), N%, nSIG, nMAD, OFF d, none"
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_FORMS = re.compile(
    rf"""
    VAL (?P<low>{_NUMBER})? [,…] (?P<high>{_NUMBER})?
  | (?P<percent>{_NUMBER}) %
  | (?P<sigmas>{_NUMBER}) SIG
  | (?P<mads>{_NUMBER}) MAD | MAD (?P<mads_after>{_NUMBER})
  | OFF ±? (?P<offset>{_NUMBER})
  | (?P<none>NONE)
    """,
    re.VERBOSE | re.IGNORECASE,
)
# People type a minus sign, and spaces of any width.
_TIDY = str.maketrans({"\u2212": "-"})
_SPACE = re.compile(r"\s+")
_GLUED_NUMBERS = re.compile(r"[0-9.]\s+[0-9.]")


class LimitsError(ValueError):
    """Limits that mean nothing; the message says what would."""


class MethodKind(StrEnum):
    """How limits come about."""

    VAL = "VAL"
    """Fixed: the two numbers given."""
    PCT = "PCT"
    """So many per cent of the average to either side."""
    SIG = "SIG"
    """So many standard deviations to either side of the average."""
    MAD = "MAD"
    """So many robust standard deviations to either side of the median."""
    OFF = "OFF"
    """A fixed distance to either side of the average."""
    NONE = "NONE"
    """Not scored."""


_PRINTED = {
    MethodKind.PCT: "{}%",
    MethodKind.SIG: "{}SIG",
    MethodKind.MAD: "{}MAD",
    MethodKind.OFF: "OFF {}",
}


@dataclass(frozen=True, slots=True)
class Method:
    """A way to find limits.

    Parameters
    ----------
    kind
        Which way.
    low, high
        The limits of VAL, in the unit of the parameter; None is no limit on that side.
    amount
        The number of the other kinds: per cent, standard deviations or the parameter's unit.

    Raises
    ------
    LimitsError
        If the numbers make no limits: none at all, lower above upper, an amount that is not above
        zero, anything infinite.
    """

    kind: MethodKind
    low: float | None = None
    high: float | None = None
    amount: float | None = None

    def __post_init__(self) -> None:
        if self.kind is MethodKind.VAL:
            _check_bounds(self.low, self.high)
        elif self.kind is not MethodKind.NONE:
            _check_amount(self.amount)

    @property
    def is_statistical(self) -> bool:
        """Whether the limits come from earlier values, so that some must exist."""
        return self.kind not in {MethodKind.VAL, MethodKind.NONE}

    def __str__(self) -> str:
        if self.kind is MethodKind.NONE:
            return "none"
        if self.kind is MethodKind.VAL:
            return f"VAL {print_number(self.low)},{print_number(self.high)}"
        return _PRINTED[self.kind].format(print_number(self.amount))


NOT_SCORED = Method(MethodKind.NONE)


def parse_limits(text: str) -> Method:
    """Read limits as people write them.

    Parameters
    ----------
    text
        One of the printed forms. Spaces, upper or lower case, ``−`` for ``-``, ``…`` for the
        comma, ``±`` after OFF and ``MAD 3`` for ``3MAD`` are all understood.

    Raises
    ------
    LimitsError
        Saying what is known.

    Examples
    --------
    >>> print(parse_limits("val −6 … 6"), parse_limits("VAL ,500"), parse_limits("MAD 3.0"))
    VAL -6,6 VAL ,500 3MAD
    """
    tidy = text.strip().translate(_TIDY)
    match = _FORMS.fullmatch(_SPACE.sub("", tidy))
    if match is None or _GLUED_NUMBERS.search(tidy):
        raise LimitsError(f"{text.strip()!r} is none of the forms known: {KNOWN}")
    return _method({name: number for name, number in match.groupdict().items() if number})


def _method(found: dict[str, str]) -> Method:
    if "none" in found:
        return NOT_SCORED
    numbers = {name: float(number) for name, number in found.items()}
    for name, kind in _AMOUNTS.items():
        if name in numbers:
            return Method(kind, amount=numbers[name])
    return Method(MethodKind.VAL, numbers.get("low"), numbers.get("high"))


_AMOUNTS = {
    "percent": MethodKind.PCT,
    "sigmas": MethodKind.SIG,
    "mads": MethodKind.MAD,
    "mads_after": MethodKind.MAD,
    "offset": MethodKind.OFF,
}


def _check_bounds(low: float | None, high: float | None) -> None:
    if low is None and high is None:
        raise LimitsError("VAL needs a lower limit, an upper limit or both: VAL lo,hi")
    if not all(bound is None or math.isfinite(bound) for bound in (low, high)):
        raise LimitsError("the limits of VAL must be finite numbers; leave one out for no limit")
    if low is not None and high is not None and low > high:
        raise LimitsError(
            f"the lower limit {print_number(low)} is above the upper {print_number(high)}"
        )


def _check_amount(amount: float | None) -> None:
    if amount is None or not math.isfinite(amount) or amount <= 0:
        raise LimitsError("the number of %, SIG, MAD and OFF must be finite and above zero")


def print_number(number: float | None) -> str:
    """Write a number as short as it can be read back: 6, not 6.0; nothing for None."""
    if number is None:
        return ""
    if number == 0:
        return "0"
    return repr(float(number)).removesuffix(".0")
