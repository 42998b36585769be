"""A block's associations: what each select took, and what it nearly took."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.services.associate import action_of, group_of
from pipelines.services.needs import Explained, asker_of, explain
from pipelines.services.offers import Span, find_offers
from qcweb.web.views.blocks import find_block


def associations(request: HttpRequest, ab_name: str) -> HttpResponse:
    """Associate a block as it would be associated now, and say why."""
    block = find_block(ab_name)
    action, group = action_of(block), group_of(block)
    selects: list[Explained] = []
    if action is not None and group.frames:
        offers = find_offers(block.instrument, [action], Span.of([block]))
        selects = explain(asker_of(block, group, action), offers, but=block)
    links = block.calibrations.select_related("producer", "file").order_by("pk")
    return render(
        request,
        "associations.html",
        {"ab": block, "action": action, "selects": selects, "links": links},
    )
