"""What every view of the API has: one way to choose a format, one shape of errors, an ETag."""

from collections.abc import Iterable
from typing import Any

from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView


class FormatNegotiation(DefaultContentNegotiation):
    """The address alone says the format, with ?format=: the same link gives everybody the same."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        known = {one.format: one for one in renderers}
        chosen = known.get(request.GET.get("format", ""), next(iter(known.values())))
        return chosen, chosen.media_type


class HouseView(APIView):
    """A view of the API. What it answers whole gets an ETag, and 304 to whoever has it already."""

    renderer_classes = (JSONRenderer,)
    content_negotiation_class = FormatNegotiation

    @method_decorator(conditional_page)
    def dispatch(self, *args: Any, **kwargs: Any) -> Any:
        return super().dispatch(*args, **kwargs)
