"""The rows of a QC1 table: pages as JSON, or all of them in a form of the field."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from qcweb.access import instruments_of
from qcweb.certification.services.record import decisions_on_runs
from qcweb.row_questions import (
    INCLUDE,
    JSON,
    KNOWN_FORMATS,
    WITH,
    RowQuestion,
    cursor_text,
    read_question,
)
from trending.exports import FORMATS, Batches, Format, Head
from trending.exports.parquet import MEDIA_TYPE as PARQUET
from trending.models import QC1Table
from trending.services.arrays import Array
from trending.services.row_batches import read_batches, records
from trending.services.row_columns import RowColumn, Source, own_columns, parameters_of

from .documentation import Asked
from .house import HouseView, answer_at_once, refuse_foreign, unknown
from .ingest import ingest
from .serializers import IngestedSerializer, RowsSerializer, RowsToStoreSerializer

ABOUT_RUNS = {"certification": decisions_on_runs}
PARAMETERS = [
    OpenApiParameter("from", str, description="first time: MJD, ISO date or UT time"),
    OpenApiParameter("to", str, description="last time; a date includes its day"),
    OpenApiParameter("columns", str, description="names of columns, with commas; default: all"),
    OpenApiParameter(
        "order", str, description="a column to order by, - in front: descending; default: mjd_obs"
    ),
    OpenApiParameter(
        "with", str,
        description=f"what comes beside the columns, with commas: {', '.join(WITH)}",
    ),
    OpenApiParameter(
        "include", str,
        description=f"rows that do not count and are shown all the same: {', '.join(INCLUDE)}",
    ),
    OpenApiParameter(
        "score", str, enum=["OK", "NOK", "grey"],
        description="rows whose scored values are all inside, or not, or that are not scored",
    ),
    OpenApiParameter("limit", int, description="rows of a page, 1 to 10000; json only"),
    OpenApiParameter("cursor", str, description="from `next`; json only"),
    OpenApiParameter(
        "filters",
        {"type": "object", "additionalProperties": {"type": "string"}},
        style="form",
        explode=True,
        description=(
            "any column by its name: detector=CHIP1 (twice: either); numbers and dates also "
            "with __gt, __gte, __lt, __lte; values with __missing=true"
        ),
    ),
]  # fmt: skip


class RowsView(HouseView):
    """The rows of a QC1 table. Hidden, rejected and superseded ones only where asked for."""

    formats = KNOWN_FORMATS
    is_long = True

    @extend_schema(
        operation_id="qc1_rows_list",
        parameters=PARAMETERS,
        responses={
            (200, "application/json"): RowsSerializer,
            **{
                (200, one.media_type.partition(";")[0]): OpenApiResponse(
                    bytes if one.is_binary else str, description=f"all rows, as {one.name}"
                )
                for one in FORMATS.values()
            },
            304: OpenApiResponse(description="Nothing has changed since the ETag that was sent."),
        },
    )
    def get(self, request: Request, table: str) -> HttpResponseBase:
        question = read_question(request.GET, find_table(request, table))
        tag = etag(request, question)
        if tag and (unchanged := get_conditional_response(request._request, etag=tag)):
            return unchanged
        if question.format == JSON:
            answer: HttpResponseBase = page(request, question)
        else:
            answer = stream(request, question, FORMATS[question.format])
        if tag:
            answer["ETag"] = tag
        answer["Cache-Control"] = "private, no-cache"
        return answer

    @extend_schema(
        operation_id="qc1_rows_store",
        parameters=[
            OpenApiParameter(
                "simulated", str, enum=["false", "true"], description="mark the rows as simulated"
            )
        ],
        request={"application/json": RowsToStoreSerializer, PARQUET: bytes},
        responses=IngestedSerializer,
    )
    def post(self, request: Request, table: str) -> Response:
        """Store rows, all of them or none; the same rows again change nothing."""
        return ingest(request, find_table(request, table))

    def more_filters(self, **kwargs: Any) -> list[Asked]:
        """Return the detectors and filter columns of the table."""
        return choices(kwargs["table"])

    def example(self, answer: Any) -> str:
        """Return what could be stored: the first row of the answer, as a program sends it."""
        rows = answer.get("rows") or [{"mjd_obs": 57080.5, "detector": "CHIP1"}]
        own = {one["name"] for one in answer["columns"] if one["parameter_class"]}
        kept = {"mjd_obs", "detector", "pro_catg", *own}
        row = {name: value for name, value in rows[0].items() if name in kept}
        return json.dumps({"rows": [row]}, indent=2)


def choices(table: str) -> list[Asked]:
    """Return the detectors and filter columns of a table, for the form of a page."""
    found = QC1Table.objects.filter(name=table).first()
    own = own_columns(parameters_of(found)) if found else []
    names = [("detector", "One detector")]
    names += [(one.name, one.column.description) for one in own if one.source == Source.SETUP]
    return [
        Asked(name, words, known=(), default="", kind="string", repeats=True, is_in_path=False)
        for name, words in names
    ]


def find_table(request: Request, name: str) -> QC1Table:
    """Return a table that the request may see.

    Raises
    ------
    ProblemError
        There is none, or the request's token is for other instruments.
    """
    found = QC1Table.objects.filter(name=name).select_related("instrument").first()
    if found is None:
        mine = instruments_of(request._request)
        tables = QC1Table.objects.all()
        seen = tables if mine is None else tables.filter(instrument__name__in=mine)
        known = ", ".join(seen.values_list("name", flat=True)) or "none"
        raise unknown("QC1 table", name, "table", f"Known are {known}.")
    refuse_foreign(request._request, found.instrument.name)
    return found


def etag(request: Request, question: RowQuestion) -> str:
    """Return the version of an answer; empty where more than the table's facts stand in it."""
    # A page holds more than its answer, and is another for each person.
    is_page = getattr(request._request, "is_page", False)
    if is_page or any(one.source == Source.BLOCK for one in question.columns):
        return ""
    table = question.selection.table
    facts = table.facts_at.isoformat() if table.facts_at else "none"
    asked = (
        f"{settings.VERSION} {table.pk} {facts} {table.instrument.digest} {request.get_full_path()}"
    )
    return f'"{hashlib.sha256(asked.encode()).hexdigest()[:32]}"'


def page(request: Request, question: RowQuestion) -> HttpResponseBase:
    """Answer with one page of rows as JSON."""
    ids, following = question.selection.page(question.after, question.limit)
    address = None
    if following is not None:
        query = request.GET.copy()
        query["cursor"] = cursor_text(following)
        address = f"{request.path}?{query.urlencode()}"
    return answer_at_once(
        request,
        {
            "table": question.selection.table.name,
            "columns": [describe(one) for one in question.columns],
            "rows": list(records(batches_of(question, ids))),
            "next": address,
        },
    )


def describe(one: RowColumn) -> dict[str, Any]:
    """Return what is known of a column."""
    column, own = one.column, one.parameter
    return {
        "name": column.name,
        "type": str(column.kind),
        "unit": column.unit,
        "role": own.role if own else "",
        "parameter_class": own.parameter_class if own else "",
        "description": column.description,
        "ucd": column.ucd,
    }


def stream(request: Request, question: RowQuestion, form: Format) -> HttpResponseBase:
    """Answer with all rows, written while they are read."""
    name = question.selection.table.name
    if request.method == "HEAD":
        # Of unknown length, as the answer itself is.
        answer = StreamingHttpResponse(iter(()), content_type=form.media_type)
    else:
        answer = StreamingHttpResponse(write_rows(question, form), content_type=form.media_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}.{form.ending}"'
    return answer


def write_rows(question: RowQuestion, form: Format) -> Iterator[bytes]:
    """Yield all rows of a question in a form."""
    ids = question.selection.ids()
    head = replace(head_of(question, form), n_rows=len(ids))
    yield from form.write(head, batches_of(question, ids))


def head_of(question: RowQuestion, form: Format) -> Head:
    """Return what is known of an answer before its rows are."""
    chosen = question.selection
    return Head(
        name=chosen.table.name,
        title=chosen.table.title,
        columns=[one.column for one in question.columns],
        widths=chosen.widths(question.columns) if form.is_fixed else {},
        notes=("Times are UT, MJD is UTC.",),
    )


def batches_of(question: RowQuestion, ids: Sequence[int] | Array | None = None) -> Batches:
    """Yield the rows of a question with these keys, or all of them."""
    chosen = question.selection
    return read_batches(
        chosen.table,
        question.columns,
        chosen.ids() if ids is None else ids,
        about_runs=ABOUT_RUNS,
        states=chosen.states,
        is_dense=chosen.is_dense,
    )
