"""Offers what a block has made to others, where its rules do not say beforehand what that will be.

ESO's rules for events have no ``product`` statements: a master is known once it is there.
"""

import datetime as dt

from django.conf import settings
from django.db import transaction

from pipelines.domain import oca
from pipelines.fits import Value, read_fits
from pipelines.models import AssociationBlock, Attempt, Instrument, Product

from .associate import associate_blocks
from .instruments import parsed


def offer_products(attempt: Attempt, at: dt.datetime) -> list[int]:
    """Make an attempt's products calibrations for others; return the blocks that can run now."""
    block = attempt.block
    if any(one.get("is_promised", True) for one in block.virtual_products):
        return []  # the rules have said it: they need not be read for that
    rules = parsed(block.rule_set.text)
    action = rules.actions.get(block.action)
    if action is None or action.products:
        return []
    # As the recipe lists them, which is how several of one category are told apart.
    made = [_offered(product, rules) for product in attempt.products.order_by("pk")]
    with transaction.atomic():
        # First the instrument, then blocks: the order in which a night is organised.
        instrument = Instrument.objects.select_for_update(no_key=True).get(pk=block.instrument_id)
        AssociationBlock.objects.filter(pk=block.pk, current_attempt=attempt).update(
            virtual_products=made
        )
        return associate_blocks(instrument, [block.night], at)


def _offered(product: Product, rules: oca.RuleFile) -> dict[str, object]:
    """Return a product as rules find it: its own header, classified like any file's."""
    found = read_fits(settings.HCM_DATA_DIR / product.path, rules.keywords)
    keywords: dict[str, Value] = {**found.keywords, "PRO.CATG": product.pro_catg}
    return {
        "label": product.pro_catg,
        "keywords": oca.classify(rules, keywords).keywords,
        # Nobody has promised it: the next run need not make it again.
        "is_promised": False,
    }
