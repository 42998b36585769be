"""What a recipe should have measured: the QC keywords that its declaration expects of a success."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class HduKeywords:
    """The keywords of one HDU.

    Attributes
    ----------
    name
        Its EXTNAME, or its number in the file.
    kind
        ``""`` for the primary HDU, else its XTENSION.
    keywords
        FITS keywords without ``ESO``, with their values.
    """

    name: str
    kind: str = ""
    keywords: Mapping[str, Any] = field(default_factory=dict)


def missing_qc(expected: Sequence[str], products: Mapping[str, Sequence[HduKeywords]]) -> list[str]:
    """Say which expected QC keywords the products of a run lack.

    A keyword that some HDU of a product carries must be in each HDU of its kind there: a detector
    that was not measured is noticed. Of a keyword with a number one is enough, for how many there
    are depends on the frames.

    Parameters
    ----------
    expected
        Keywords, as ``QC DARK MED`` or ``QC.DARK.MED``; ``#`` stands for any number.
    products
        HDUs of each product, by its category.

    Returns
    -------
    list of str
        A sentence's part for each that is missing or not finite; empty when all are there.

    Examples
    --------
    >>> one = HduKeywords("CHIP1", "IMAGE", {"QC RON1": 5.2, "QC DARK MED": 300.0})
    >>> two = HduKeywords("CHIP2", "IMAGE", {"QC RON1": 5.1, "QC DARK MED": math.nan})
    >>> missing_qc(["QC RON#"], {"MASTER_DARK": [one, two]})
    []
    >>> missing_qc(["QC DARK MED", "QC GAIN"], {"MASTER_DARK": [one, two]})
    ['no QC DARK MED in CHIP2 of MASTER_DARK', 'no QC GAIN']
    """
    found: list[str] = []
    for words in expected:
        pattern = _pattern(words)
        carriers = {
            category: kinds
            for category, hdus in products.items()
            if (kinds := {hdu.kind for hdu in hdus if _carries(hdu, pattern)})
        }
        if not carriers:
            found.append(f"no {words}")
        found += [
            f"no {words} in {hdu.name} of {category}"
            for category, kinds in carriers.items()
            for hdu in products[category]
            if hdu.kind and hdu.kind in kinds and not _carries(hdu, pattern)
        ]
    return found


def _pattern(words: str) -> re.Pattern[str]:
    plain = words.replace(".", " ").removeprefix("ESO ")
    return re.compile(r"\d+".join(re.escape(part) for part in plain.split("#")))


def _carries(hdu: HduKeywords, pattern: re.Pattern[str]) -> bool:
    return any(pattern.fullmatch(key) and _is_said(value) for key, value in hdu.keywords.items())


def _is_said(value: object) -> bool:
    """Whether a value says something: a text, or a finite number."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) or (isinstance(value, str) and bool(value.strip()))
