"""Compares what products hold with what their recipe is declared to write."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from astropy.io import fits

from pipelines.domain.expected_qc import HduKeywords, missing_qc
from pipelines.domain.recipe_call import MadeFile, RecipeCall

# More would fill a page; the first tell what is the matter.
_FEW = 3


def doubts_about(
    call: RecipeCall,
    products: Sequence[MadeFile],
    reading: Callable[[MadeFile], AbstractContextManager[None]],
) -> list[str]:
    """Say which declared QC keywords are missing or not finite; empty when none is.

    `reading` is what a product is read within: it says whose fault an unreadable one is.
    """
    if not call.qc:
        return []
    held: dict[str, list[HduKeywords]] = {}
    for product in products:
        with reading(product):
            held.setdefault(product.category, []).extend(_hdus(product))
    missing = missing_qc(call.qc, held)
    rest = f" and {len(missing) - _FEW} more" if len(missing) > _FEW else ""
    return [f"the products lack QC: {', '.join(missing[:_FEW])}{rest}"] if missing else []


def _hdus(product: MadeFile) -> list[HduKeywords]:
    with fits.open(product.path) as hdus:
        return [
            HduKeywords(
                name=str(hdu.header.get("EXTNAME", n)),
                kind=str(hdu.header.get("XTENSION", "")),
                keywords={
                    key.removeprefix("ESO "): hdu.header[key]
                    for key in hdu.header
                    if key.startswith("ESO QC ")
                },
            )
            for n, hdu in enumerate(hdus)
        ]


def too_few_extensions(call: RecipeCall, product: MadeFile) -> str:
    """Say that a product has fewer image extensions than declared; empty when it has enough."""
    wanted = call.extensions.get(product.category, 0)
    if not wanted:
        return ""
    with fits.open(product.path) as hdus:
        found = sum(1 for hdu in hdus[1:] if hdu.is_image and hdu.header["NAXIS"])
    if found >= wanted:
        return ""
    return f"Product {product.name} has {found} of {wanted} image extensions."
