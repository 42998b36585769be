"""QC1 tables and their rows."""

from typing import Any

from django.db.models import Count, Q
from django.urls import reverse
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from trending.models import QC1Table

from . import parameters
from .house import FormatNegotiation, HouseView
from .serializers import RootSerializer, TablesSerializer


class RootView(HouseView):
    """Where to start."""

    @extend_schema(operation_id="root", responses=RootSerializer)
    def get(self, request: Request) -> Response:
        parameters.check_known(request.GET, ())
        return Response({"tables": reverse("api:tables"), "schema": reverse("api:schema")})


class TablesView(HouseView):
    """All QC1 tables with their columns, units and descriptions."""

    @extend_schema(operation_id="qc1_tables_list", responses=TablesSerializer)
    def get(self, request: Request) -> Response:
        parameters.check_known(request.GET, ("format",))
        parameters.one_of(request.GET, "format", ("json",))
        tables = (
            QC1Table.objects.select_related("instrument")
            .prefetch_related("parameters")
            .annotate(n_rows=Count("rows", filter=Q(rows__is_current=True)))
        )
        return Response(TablesSerializer({"tables": tables}).data)


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
