"""What a recipe should have measured: the QC keywords that its declaration expects of a success."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
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


@dataclass(frozen=True)
class ProductKeywords:
    """A product's category, and the keywords of its HDUs."""

    category: str
    hdus: Sequence[HduKeywords]


def missing_qc(
    expected: Sequence[str], products: Sequence[ProductKeywords], each_of: Collection[str] = ()
) -> list[str]:
    """Say which expected QC keywords the products of a run lack.

    A keyword that some HDU of a product carries must be in each HDU of its kind there: a detector
    that was not measured is noticed; and in each product of that category. Of a keyword with a
    number one is enough, for how many there are depends on the frames.

    Parameters
    ----------
    expected
        Keywords, as ``QC DARK MED`` or ``QC.DARK.MED``; ``#`` stands for any number.
    products
        What was made.
    each_of
        Categories of which each product that was made must carry all keywords, as where each
        detector has a product of its own.

    Returns
    -------
    list of str
        A sentence's part for each that is missing or not finite; empty when all are there.

    Examples
    --------
    >>> one = HduKeywords("CHIP1", "IMAGE", {"QC RON1": 5.2, "QC DARK MED": 300.0})
    >>> two = HduKeywords("CHIP2", "IMAGE", {"QC RON1": 5.1, "QC DARK MED": math.nan})
    >>> dark = ProductKeywords("MASTER_DARK", [one, two])
    >>> missing_qc(["QC RON#"], [dark])
    []
    >>> missing_qc(["QC DARK MED", "QC GAIN"], [dark])
    ['no QC DARK MED in CHIP2 of MASTER_DARK', 'no QC GAIN']
    >>> missing_qc(["QC RON#"], [dark, ProductKeywords("BPM", [])], ["MASTER_DARK", "BPM"])
    ['no QC RON# in BPM']
    """
    return [part for words in expected for part in _missing(words, products, each_of)]


def _missing(
    words: str, products: Sequence[ProductKeywords], each_of: Collection[str]
) -> list[str]:
    pattern = _pattern(words)
    kinds = [{hdu.kind for hdu in one.hdus if _carries(hdu, pattern)} for one in products]
    measured = {one.category for one, found in zip(products, kinds, strict=True) if found}
    if not measured:
        return [f"no {words}"]
    parts = []
    for product, found in zip(products, kinds, strict=True):
        if not found and product.category in measured.union(each_of):
            parts.append(f"no {words} in {product.category}")
        parts += [
            f"no {words} in {hdu.name} of {product.category}"
            for hdu in product.hdus
            if hdu.kind and hdu.kind in found and not _carries(hdu, pattern)
        ]
    return parts


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
