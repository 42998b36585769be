"""Units in the words of the Virtual Observatory and of FITS: ``adu``, not ``ADU``."""

import re

# What the field writes, and the standards' word for it.
_WORDS = {"ADU": "adu", "ADUs": "adu", "e-": "electron", "px": "pix", "pixel": "pix", "sec": "s"}
_WORD = re.compile(r"e-(?![A-Za-z0-9])|[A-Za-z]+")


def standard_unit(text: str) -> str:
    """Return a unit as VOUnits and FITS write it; what has no such word stays as it is.

    >>> standard_unit("ADU"), standard_unit("e-/ADU"), standard_unit("ADU/h/px"), standard_unit("%")
    ('adu', 'electron/adu', 'adu/h/pix', '%')
    """
    return _WORD.sub(lambda found: _WORDS.get(found[0], found[0]), text)
