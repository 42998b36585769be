"""A block's associations: what each select took, and what it nearly took."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from pipelines.models import AssociationBlock, BlockFrame, RawFile
from pipelines.services.associate import action_of, group_of
from pipelines.services.needs import Explained, Loser, asker_of, explain
from pipelines.services.offers import Span, find_offers
from qcweb.private import may_see_header, visible_purpose
from qcweb.web.views.blocks import find_block


@dataclass(frozen=True)
class Lost:
    """What was not taken, with the first reason as somebody may read it."""

    loser: Loser
    is_told: bool

    @property
    def reason(self) -> str:
        return (self.loser.reasons if self.is_told else self.loser.bare)[0]


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
        {"ab": block, "action": action, "selects": _told(request, block, selects), "links": links},
    )


def _told(
    request: HttpRequest, block: AssociationBlock, selects: Sequence[Explained]
) -> list[tuple[Explained, list[Lost]]]:
    """Leave out values of headers that the reader may not see: of the block, or of a candidate."""
    at = timezone.now()
    closed: set[int] = set()
    if not request.user.is_authenticated:
        losers = [lost for one in selects for lost in one.losers]
        blocks = {block.pk, *(one.offer.producer.pk for one in losers if one.offer.producer)}
        seen = RawFile.objects.filter(visible_purpose(request.user, at)).values("pk")
        links = BlockFrame.objects.filter(block__in=blocks).exclude(raw_file__in=seen)
        closed = set(links.values_list("block", flat=True))

    def is_told(lost: Loser) -> bool:
        offer = lost.offer
        if not lost.has_values:
            return True
        if block.pk in closed or (offer.producer is not None and offer.producer.pk in closed):
            return False
        return offer.file is None or may_see_header(request.user, offer.file, at)

    return [(one, [Lost(lost, is_told(lost)) for lost in one.losers]) for one in selects]
