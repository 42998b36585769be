"""Where to start, the rows of QC1 tables, and the schema."""

from typing import Any

from django.urls import reverse
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import (
    extend_schema,
    inline_serializer,
)
from drf_spectacular.views import SpectacularAPIView
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from qcweb import parameters

from .house import FormatNegotiation, HouseView
from .pages import COLLECTIONS

RootSerializer = inline_serializer(
    "Root",
    {name: serializers.CharField(help_text=f"address of the {name}") for name in COLLECTIONS},
)


class RootView(HouseView):
    """Where to start: the address of each collection, and of the schema."""

    @extend_schema(operation_id="root", responses=RootSerializer)
    def get(self, request: Request) -> Response:
        parameters.check_known(request.GET, ("format",))
        return Response({name: reverse(view) for name, view in COLLECTIONS.items()})


class SchemaView(SpectacularAPIView):
    """The OpenAPI schema of this API."""

    renderer_classes = [OpenApiYamlRenderer, OpenApiJsonRenderer]
    content_negotiation_class = FormatNegotiation

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        parameters.check_known(request.GET, ("format",))
        parameters.one_of(request.GET, "format", ("yaml", "json"))
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return response
