"""Compares what products hold with what their recipe is declared to write."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from astropy.io import fits

from pipelines.domain.expected_qc import HduKeywords, ProductKeywords, missing_qc
from pipelines.domain.headers import Value, layout_of, parse_value
from pipelines.domain.recipe_call import MadeFile, RecipeCall
from pipelines.hdus import UnusualError

# More would fill a page; the first tell what is the matter.
_FEW = 3
_NAMES = frozenset({"EXTNAME", "XTENSION", "NAXIS"})


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
    held = []
    for product in products:
        with reading(product):
            held.append(ProductKeywords(product.category, said_by(product, "QC ")))
    missing = missing_qc(call.qc, held, call.qc_in)
    rest = f" and {len(missing) - _FEW} more" if len(missing) > _FEW else ""
    return [f"the products lack QC: {', '.join(missing[:_FEW])}{rest}"] if missing else []


def said_by(product: MadeFile, *beginnings: str) -> list[HduKeywords]:
    """Return the keywords of a product that begin so, HDU by HDU."""
    try:
        if product.headers:
            return [_said(n, one, beginnings) for n, one in enumerate(product.headers)]
    except UnusualError:
        pass  # astropy says what is the matter with it
    with fits.open(product.path) as hdus:
        return [
            HduKeywords(
                name=str(hdu.header.get("EXTNAME", n)),
                kind=str(hdu.header.get("XTENSION", "")),
                keywords={
                    key.removeprefix("ESO "): hdu.header[key]
                    for key in hdu.header
                    if key.removeprefix("ESO ").startswith(beginnings)
                },
            )
            for n, hdu in enumerate(hdus)
        ]


def _said(n: int, header: bytes, beginnings: tuple[str, ...]) -> HduKeywords:
    layout = layout_of(header)
    named = layout.keywords(header, _NAMES)
    places = ((key.replace(".", " "), start, end) for key, start, end in layout.places)
    return HduKeywords(
        name=str(named.get("EXTNAME", n)),
        kind=str(named.get("XTENSION", "")),
        keywords={
            key: _value(header[start:end])
            for key, start, end in places
            if key.startswith(beginnings)
        },
    )


def _value(text: bytes) -> Value:
    """Return the value of a card; empty where it has none.

    Raises
    ------
    UnusualError
        It cannot be read.
    """
    words = text.decode("ascii", "replace")
    value = parse_value(words)
    if value is None and words.partition("/")[0].strip():
        raise UnusualError
    return "" if value is None else value


def too_few_extensions(call: RecipeCall, product: MadeFile) -> str:
    """Say that a product has fewer image extensions than declared; empty when it has enough."""
    wanted = call.extensions.get(product.category, 0)
    if not wanted:
        return ""
    found = _n_images(product)
    if found >= wanted:
        return ""
    return f"Product {product.name} has {found} of {wanted} image extensions."


def _n_images(product: MadeFile) -> int:
    """Count the extensions with an image."""
    if product.headers:
        told = [layout_of(one).keywords(one, _NAMES) for one in product.headers[1:]]
        return sum(1 for one in told if one.get("XTENSION") == "IMAGE" and one.get("NAXIS"))
    with fits.open(product.path) as hdus:
        return sum(1 for hdu in hdus[1:] if hdu.is_image and hdu.header["NAXIS"])
