"""The address and the form of ESO's public QC1 database, so that programs written for it go on.

``/qc1/qc1_cgi`` takes ``action=qc1_browse_get``, ``table``, ``from``, ``to``, a ``field_<column>`` for
each column wanted, ``filter_<column>=value``, and ``output=ascii`` or ``html``; by GET or POST.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from qcweb import parameters
from qcweb.row_questions import RowQuestion, read_question
from trending.exports import FORMATS
from trending.models import QC1Table
from trending.services.row_batches import Record, records
from trending.services.row_columns import RowColumn, RowColumns, parameters_of

from .authentication import DoorAuthentication
from .house import HouseView
from .rows import batches_of, find_table, head_of

ACTION = "qc1_browse_get"
OUTPUTS = ("ascii", "html")
_KNOWN = ("action", "table", "from", "to", "output")
_FIELD, _FILTER = "field_", "filter_"
# What ESO's tables call columns of ours.
ALIASES = {"civil_date": "date_obs", "cdbfile": "product"}
# What the form there sends where nothing was chosen.
_ANY = {"", "any", "na"}
# Rows of a page for people; programs get all.
SHOWN = 1000


class Qc1CgiView(HouseView):
    """Rows of a QC1 table in the form of ESO's QC1 database."""

    # It only reads: a form from anywhere may be posted, and who asks was looked at before.
    authentication_classes = (DoorAuthentication,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponseBase:
        # Its first page is the list of tables.
        return answer(request, request.GET) if request.GET else redirect("tables")

    @extend_schema(exclude=True)
    def post(self, request: Request) -> HttpResponseBase:
        return answer(request, request._request.POST)


def answer(request: Request, form: QueryDict) -> HttpResponseBase:
    """Answer a form as ESO's address does."""
    for name in form:
        if name not in _KNOWN and not name.startswith((_FIELD, _FILTER)):
            hint = f"Known are {', '.join(_KNOWN)}, {_FIELD}COLUMN and {_FILTER}COLUMN."
            raise parameters.bad(name, f"There is no parameter {name!r}.", hint)
    parameters.one_of(form, "action", (ACTION,))
    output = parameters.one_of(form, "output", OUTPUTS)
    name = form.get("table", "")
    if not name:
        hint = f"Known are {', '.join(QC1Table.objects.values_list('name', flat=True)) or 'none'}."
        raise parameters.bad("table", "No table is named.", hint)
    table = find_table(request, str(name))
    question, names = _question(form, table)
    if output == "html":
        return _page(request, question, names)
    head = head_of(question, FORMATS["ascii"])
    renamed = [
        replace(one.column, name=name) for one, name in zip(question.columns, names, strict=True)
    ]
    widths = {name: head.widths.get(one.name, 0)
              for one, name in zip(question.columns, names, strict=True)}  # fmt: skip
    head = replace(head, columns=renamed, widths=widths)
    return StreamingHttpResponse(
        FORMATS["ascii"].write(head, batches_of(question)),
        content_type=FORMATS["ascii"].media_type,
    )


def _question(form: QueryDict, table: QC1Table) -> tuple[RowQuestion, list[str]]:
    """Return what a form asks in the words of our own address, and the names it gives columns."""
    known = RowColumns.of(parameters_of(table))
    names = [name.removeprefix(_FIELD) for name in form if name.startswith(_FIELD)]
    for name in names:
        _check(known, f"{_FIELD}{name}", name)
    query = QueryDict(mutable=True)
    query["format"] = "ascii"
    for name in ("from", "to"):
        query[name] = form.get(name, "")
    if names:
        query["columns"] = ",".join(ALIASES.get(name, name) for name in names)
    for key in form:
        if key.startswith(_FILTER):
            name = key.removeprefix(_FILTER)
            _check(known, key, name)
            values = [one for one in form.getlist(key) if one.strip().lower() not in _ANY]
            if values:
                query.setlist(ALIASES.get(name, name), values)
    question = read_question(query, table)
    columns = question.columns
    if names:
        # A column may be asked for twice, by its name here and there.
        columns = [known.known[ALIASES.get(name, name)] for name in names]
    return replace(question, columns=columns), names or [one.name for one in columns]


def _check(known: RowColumns, key: str, name: str) -> None:
    if ALIASES.get(name, name) not in known.known:
        columns = ", ".join([*known.known, *ALIASES])
        raise parameters.bad(key, f"There is no column {name!r}.", f"Known are {columns}.")


def _page(request: Request, question: RowQuestion, names: Sequence[str]) -> HttpResponseBase:
    ids = question.selection.ids()
    shown = list(itertools.islice(records(batches_of(question, ids[:SHOWN])), SHOWN))
    table = question.selection.table
    columns: list[tuple[str, RowColumn]] = list(zip(names, question.columns, strict=True))
    query = request._request.POST.copy() if request.method == "POST" else request.GET.copy()
    query["output"] = "ascii"
    return render(
        request._request,
        "qc1_cgi.html",
        {
            "table": table,
            "columns": columns,
            "rows": [[_cell(row, one.name) for _, one in columns] for row in shown],
            "n_rows": len(ids),
            "ascii": f"{request.path}?{query.urlencode()}",
        },
    )


def _cell(row: Record, name: str) -> Any:
    # Of an MJD every digit counts.
    return f"{row[name]:.8f}" if name == "mjd_obs" else row[name]
