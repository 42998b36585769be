"""The QC1 tables: what is measured, and the newest rows."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from qcweb.problems import Problem, ProblemError
from trending.domain.definitions import SCORE_SUFFIX
from trending.models import (
    ColumnRole,
    ColumnType,
    Dataset,
    Mark,
    QC1Parameter,
    QC1Row,
    QC1Table,
    Report,
    Score,
    ScoreAct,
    ScoreRule,
)
from trending.services.row_batches import Record, read_batches, records
from trending.services.row_columns import RowColumns, parameters_of
from trending.services.row_selection import Selection

# Rows a page shows; the API gives all.
SHOWN = 100
MARKS = 50


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
    columns = parameters_of(found)
    its = RowColumns.of(columns)
    ids, _ = Selection(found, is_descending=True).page(None, SHOWN)
    asked = its.with_scores(its.default)
    rows = [
        _line(pk, record, columns)
        for pk, record in zip(ids, records(read_batches(found, asked, ids)), strict=True)
    ]
    marks = Mark.objects.open().filter(row__table=found, row__is_current=True)
    return render(
        request,
        "table.html",
        {
            "table": found,
            "columns": columns,
            "uses": _uses(found),
            "rows": rows,
            "n_rows": QC1Row.objects.current().filter(table=found).count(),
            "marks": list(marks.select_related("row__setup", "series__parameter")[:MARKS]),
            "n_marks": marks.count(),
            "acts": list(_acts(found)),
            "default_y": next((one for one in columns if one.is_default_y), None)
            or next(
                (one for one in columns if one.type == ColumnType.FLOAT and not one.role), None
            ),
            "is_simulated": QC1Row.objects.filter(table=found, is_simulated=True).exists(),
            "address": request.build_absolute_uri("/")[:-1],
        },
    )


def _acts(found: QC1Table) -> QuerySet[ScoreAct]:
    """Return what people have called OK or removed in a table, and what stands."""
    standing = ScoreAct.objects.open().select_related(
        "row__setup", "series__parameter", "attempt__block"
    )
    of_values = standing.filter(row__table=found, row__is_current=True)
    of_blocks = standing.filter(
        pk__in=Score.objects.filter(
            act__attempt__isnull=False, is_current=True, row__table=found
        ).values("act")
    )
    acts: QuerySet[ScoreAct] = (of_values | of_blocks)[:MARKS]
    return acts


@dataclass(frozen=True)
class Cell:
    """A cell of the newest rows; `parameter` is named where the value has a page of its own."""

    value: Any
    parameter: str = ""
    is_nok: bool = False


def _line(pk: int, record: Record, columns: list[QC1Parameter]) -> dict[str, Any]:
    cells = [Cell(record["date_obs"]), Cell(record["detector"])]
    cells += [
        Cell(
            record[one.name],
            "" if one.role == ColumnRole.FILTER else one.name,
            record.get(f"{one.name}{SCORE_SUFFIX}") == 1,
        )
        for one in columns
    ]
    return {"pk": pk, "cells": [*cells, Cell(record["origin"])]}


@dataclass
class Use:
    """Where a parameter is judged and drawn."""

    rules: list[ScoreRule] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)


def _uses(found: QC1Table) -> dict[int, Use]:
    uses: dict[int, Use] = {}
    rules = ScoreRule.objects.open().filter(parameter__table=found).order_by("key")
    for rule in rules:
        uses.setdefault(rule.parameter_id, Use()).rules.append(rule)
    for dataset in Dataset.objects.filter(parameter__table=found).select_related(
        "panel__report__instrument"
    ):
        use = uses.setdefault(dataset.parameter_id, Use())
        if dataset.panel.report not in use.reports:
            use.reports.append(dataset.panel.report)
    return uses
