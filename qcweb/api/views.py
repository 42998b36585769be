"""Where to start, the rows of QC1 tables, and the schema."""

import csv
import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

from django.http import HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from drf_spectacular.views import SpectacularAPIView
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from qcweb.problems import Problem, ProblemError
from trending.models import QC1Table
from trending.services import read_rows

from . import parameters
from .house import FormatNegotiation, HouseView
from .pages import COLLECTIONS
from .serializers import ColumnSerializer, RowsSerializer

FORMATS = ("json", "csv")
_CSV_PARAMETERS = ("from", "to", "format")  # a CSV is whole, it has no pages
_ROW_PARAMETERS = (*_CSV_PARAMETERS, "limit", "cursor")
# A cell that a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
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


class RowsView(HouseView):
    """The rows of a QC1 table in order of time, hidden and rejected ones left out."""

    formats: ClassVar[tuple[str, ...]] = FORMATS
    is_long = True

    @extend_schema(
        operation_id="qc1_rows_list",
        parameters=[
            OpenApiParameter("from", str, description="first time: MJD, ISO date or UT time"),
            OpenApiParameter("to", str, description="last time; a date includes its day"),
            OpenApiParameter("format", str, enum=list(FORMATS), description="json is the default"),
            OpenApiParameter("limit", int, description="rows of a page, json only"),
            OpenApiParameter("cursor", str, description="from `next`, json only"),
        ],
        responses={
            (200, "application/json"): RowsSerializer,
            (200, "text/csv"): OpenApiResponse(str, description="one head line, all rows"),
        },
    )
    def get(self, request: Request, table: str) -> HttpResponseBase:
        parameters.check_known(request.GET, _ROW_PARAMETERS)
        chosen = parameters.one_of(request.GET, "format", self.formats)
        found = _table(table)
        mjd_from = parameters.mjd(request.GET, "from")
        mjd_to = parameters.mjd(request.GET, "to", is_end=True)
        if mjd_from is not None and mjd_to is not None and mjd_from > mjd_to:
            raise parameters.bad("from", "from is after to.", "Exchange the two.")
        if chosen == "csv":
            parameters.check_known(request.GET, _CSV_PARAMETERS)
            return _csv(found, mjd_from, mjd_to)
        return _json(request, found, mjd_from, mjd_to)


def _table(name: str) -> QC1Table:
    table = QC1Table.objects.filter(name=name).first()
    if table is None:
        known = ", ".join(QC1Table.objects.values_list("name", flat=True)) or "none"
        raise ProblemError(
            Problem(404, "Unknown table", f"There is no QC1 table {name!r}.",
                    where="table", hint=f"Known are {known}.")
        )  # fmt: skip
    return table


def _json(
    request: Request, table: QC1Table, mjd_from: float | None, mjd_to: float | None
) -> Response:
    limit = parameters.limit(request.GET)
    columns = read_rows.columns_of(table)
    rows = read_rows.select_rows(table, mjd_from, mjd_to, parameters.cursor(request.GET))
    page = list(itertools.islice(read_rows.records(rows[: limit + 1], columns), limit + 1))
    following = None
    if len(page) > limit:
        query = request.GET.copy()
        query["cursor"] = parameters.cursor_text(page[limit - 1][0])
        following = f"{request.path}?{query.urlencode()}"
    return Response(
        {
            "table": table.name,
            "columns": ColumnSerializer(columns, many=True).data,
            "rows": [record for _, record in page[:limit]],
            "next": following,
        }
    )


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _csv(table: QC1Table, mjd_from: float | None, mjd_to: float | None) -> StreamingHttpResponse:
    response = StreamingHttpResponse(
        _csv_lines(table, mjd_from, mjd_to), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{table.name}.csv"'
    return response


def _csv_lines(table: QC1Table, mjd_from: float | None, mjd_to: float | None) -> Iterator[str]:
    columns = read_rows.columns_of(table)
    names = [*read_rows.KEYS, *(column.name for column in columns), *read_rows.ENDS]
    writer = csv.writer(_Echo())  # lines end as RFC 4180 has it, else a bare return is not quoted
    yield writer.writerow(names)
    for _, record in read_rows.records(read_rows.select_rows(table, mjd_from, mjd_to), columns):
        yield writer.writerow([_cell(record[name]) for name in names])


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
