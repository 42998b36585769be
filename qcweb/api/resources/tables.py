"""QC1 tables: what is measured, and the columns of each."""

from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from qcweb import parameters
from qcweb.api import filters
from qcweb.api.filters import OfInstrument
from qcweb.api.house import HouseView, refuse_foreign, unknown
from qcweb.api.listing import Listing, ListView, Order
from qcweb.api.serializers import ColumnSerializer, TableSerializer
from trending.models import QC1Parameter, QC1Table
from trending.services.row_columns import parameters_of


class ColumnsSerializer(serializers.Serializer[Any]):
    columns = ColumnSerializer(many=True, help_text="in the order of the table")


def _counted() -> QuerySet[QC1Table]:
    in_use = QC1Parameter.objects.filter(is_active=True)
    return (
        QC1Table.objects.select_related("instrument")
        .prefetch_related(
            Prefetch("parameters", in_use.order_by("order"), to_attr="columns_in_use")
        )
        .annotate(n_rows=Count("rows", filter=Q(rows__is_current=True)))
    )


class TablesView(ListView):
    """QC1 tables with their columns, units and descriptions: one an instrument and data type."""

    listing = Listing(
        collection="tables",
        rows=_counted,
        serializer=TableSerializer,
        orders={"name": Order("name", str)},
        is_newest_first=False,
        filters=[
            OfInstrument(),
            filters.table("name"),
        ],
    )


class TableView(HouseView):
    """One QC1 table with its columns, units and descriptions."""

    @extend_schema(operation_id="tables_one", responses=TableSerializer)
    def get(self, request: Request, table: str) -> Response:
        return Response(TableSerializer(_find(request, table, _counted())).data)


class ColumnsView(HouseView):
    """The columns of one QC1 table: names, units, what they mean."""

    @extend_schema(operation_id="columns_list", responses=ColumnsSerializer)
    def get(self, request: Request, table: str) -> Response:
        found = _find(request, table, QC1Table.objects.select_related("instrument"))
        return Response(ColumnsSerializer({"columns": parameters_of(found)}).data)


def _find(request: Request, name: str, tables: QuerySet[QC1Table]) -> QC1Table:
    parameters.check_known(request.GET, ("format",))
    found = tables.filter(name=name).first()
    if found is None:
        known = ", ".join(QC1Table.objects.values_list("name", flat=True)) or "none"
        raise unknown("QC1 table", name, "table", f"Known are {known}.")
    refuse_foreign(request, found.instrument.name)
    return found
