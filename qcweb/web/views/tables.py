"""The QC1 tables: what is measured, and the newest rows."""

import itertools
from typing import Any

from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from qcweb.problems import Problem, ProblemError
from trending.models import QC1Row, QC1Table
from trending.services import read_rows

# Rows a page shows; the API gives all.
SHOWN = 100


def tables(request: HttpRequest) -> HttpResponse:
    found = (
        QC1Table.objects.select_related("instrument")
        .annotate(
            n_rows=Count("rows", filter=Q(rows__is_current=True)),
            last_mjd=Max("rows__mjd_obs", filter=Q(rows__is_current=True)),
        )
        .order_by("instrument__name", "name")
    )
    return render(request, "tables.html", {"tables": found})


def table(request: HttpRequest, name: str) -> HttpResponse:
    found = QC1Table.objects.select_related("instrument").filter(name=name).first()
    if found is None:
        known = ", ".join(QC1Table.objects.values_list("name", flat=True)) or "none yet"
        raise ProblemError(
            Problem(404, "Unknown table", f"There is no QC1 table {name!r}.",
                    where="table", hint=f"Known are {known}.")
        )  # fmt: skip
    columns = read_rows.columns_of(found)
    newest = read_rows.select_rows(found, None, None).order_by("-mjd_obs", "-pk")[:SHOWN]
    rows: list[list[Any]] = [
        [record[key] for key in ("date_obs", "detector")]
        + [record[column.name] for column in columns]
        + [record["origin"]]
        for _, record in itertools.islice(read_rows.records(newest, columns), SHOWN)
    ]
    return render(
        request,
        "table.html",
        {
            "table": found,
            "columns": columns,
            "rows": rows,
            "n_rows": QC1Row.objects.current().filter(table=found).count(),
            "is_simulated": QC1Row.objects.filter(table=found, is_simulated=True).exists(),
            "address": request.build_absolute_uri("/")[:-1],
        },
    )
