"""Values as texts, the same for 600, 600.0 and "600.0": what tells the setups of a table apart."""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping

# Python's float also takes 1_000 and digits of other scripts: such a text is a name, no number.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE = {"nan", "inf", "infinity"}
LONGEST = 255


def as_number(value: str | int | float | bool) -> float | None:
    """Return a value as a number, which may be NaN or infinite; None for what is none.

    >>> as_number(" 1e3 "), as_number("1_000"), as_number("-Inf")
    (1000.0, None, -inf)
    """
    if isinstance(value, str):
        value = value.strip()
        if not _NUMBER.fullmatch(value) and value.lstrip("+-").lower() not in _NOT_FINITE:
            return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def canonical(value: str | int | float | bool | None) -> str:
    """Return a value as text, the same for 600, 600.0 and "600.0".

    >>> canonical(600.0), canonical("600.0"), canonical("1x1"), canonical(True)
    ('600', '600', '1x1', 'T')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "T" if value else "F"
    number = as_number(value)
    if number is None or not math.isfinite(number):
        return str(value).strip()
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    return repr(number)


def setup_text(values: Iterable[str]) -> str:
    """Return the canonical string of a setup: the filter values in the table's order.

    A long one ends in a digest, so that two that begin alike stay two.

    >>> setup_text(["SLOW", "1x1"]), setup_text(["a|b", "c"])
    ('SLOW|1x1', 'a%7Cb|c')
    """
    text = "|".join(value.replace("%", "%25").replace("|", "%7C") for value in values)
    if len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: LONGEST - 17]}~{digest}"


def fits_setup(wanted: Mapping[str, str], values: Mapping[str, str]) -> bool:
    """Tell whether a setup has the wanted values, both canonical; nothing wanted fits any.

    >>> fits_setup({"read_mode": "SLOW"}, {"read_mode": "SLOW", "binning": "1x1"})
    True
    """
    return all(values.get(name) == value for name, value in wanted.items())
