"""Virtual products: the files a block will make, known by their header before any recipe runs."""

from dataclasses import dataclass

from .compiled import compiled_assignments
from .frames import Group, number_of, reference_keywords
from .settings import DEFAULT_SETTINGS, OcaSettings
from .tree import Action, Keywords, ProductRule, Value

# A product is no longer a raw file of its class. If it kept these, a rule that asks for raw flats
# would be served a master flat.
CLASS_KEYWORDS = frozenset({"RAW.TYPE", "REFLEX.CATG", "DO.CATG", "REFLEX.TARGET", "CATG"})
_CLASS_PREFIX = "DPR."


@dataclass(frozen=True, slots=True)
class VirtualProduct:
    """A product to come.

    Attributes
    ----------
    label
        Its name in the rules; several products of a block may share one.
    keywords
        The header by which other blocks find it.
    mjd
        Time of the block, None if the block has no date.
    order
        Its place among the products of the block, from 0.
    """

    label: str
    keywords: Keywords
    mjd: float | None
    order: int


def products(
    action: Action, group: Group, settings: OcaSettings = DEFAULT_SETTINGS
) -> list[VirtualProduct]:
    """Return what a group will make: the reference header, with the product's assignments.

    Classification is not run again on products: rules tell a master on disk from one to come by
    keywords that only classification sets.

    Examples
    --------
    >>> from .frames import Frame
    >>> from .parser import parse
    >>> rules = parse('action bias { product MASTER_BIAS { PRO.CATG="MASTER_BIAS"; } }')
    >>> frame = Frame(1, {"MJD-OBS": 57080.4, "RAW.TYPE": "BIAS", "DET.BINX": 2})
    >>> group = Group("bias", "SINGLE", "", (), (frame,), 0, 1)
    >>> [master] = products(rules.actions["bias"], group)
    >>> dict(master.keywords)
    {'MJD-OBS': 57080.4, 'DET.BINX': 2, 'PRO.CATG': 'MASTER_BIAS'}
    """
    reference = reference_keywords(group.frames, settings)
    inherited = _inherited(reference, settings)
    return [
        _product(rule, order, reference, inherited, settings)
        for order, rule in enumerate(action.products)
    ]


def _inherited(reference: Keywords, settings: OcaSettings) -> dict[str, Value]:
    if settings.products_inherit_class:
        return dict(reference)
    return {name: value for name, value in reference.items() if not is_class_keyword(name)}


def is_class_keyword(name: str) -> bool:
    """Tell the keywords that say what kind of frame a file is."""
    return name in CLASS_KEYWORDS or name.startswith(_CLASS_PREFIX)


def _product(
    rule: ProductRule,
    order: int,
    reference: Keywords,
    inherited: Keywords,
    settings: OcaSettings,
) -> VirtualProduct:
    # Values may still read the class of the raw files, and what the lines above them assigned.
    seen, keywords = dict(reference), dict(inherited)
    for assignment in compiled_assignments(rule.assignments, settings):
        value = assignment.value(seen, reference)
        for header in (seen, keywords):
            header.pop(assignment.keyword, None)
            if value is not None:
                header[assignment.keyword] = value
    return VirtualProduct(rule.label, keywords, number_of(keywords, "MJD-OBS"), order)


def made_category(pro_catg: str) -> str:
    """Return the category of the file that plays a virtual product later.

    Rules write ``_WKF`` after the category of a product that only this run may make, so that no
    master on disk is taken for it; the recipe writes the file without.

    >>> made_category("MASTER_DARK_WKF"), made_category("MASTER_BIAS")
    ('MASTER_DARK', 'MASTER_BIAS')
    """
    return pro_catg.removesuffix("_WKF")
