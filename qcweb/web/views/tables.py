"""The QC1 tables: what is measured, and the newest rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from qcweb.problems import Problem, ProblemError
from qcweb.row_questions import read_question
from qcweb.web import snippets
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
from trending.services.row_selection import SCORES

# Rows a page shows; the API gives all.
SHOWN = 100
MARKS = 50
# How its rows can be taken away, in words.
FORMS = [
    ("csv", "CSV"), ("json", "JSON"), ("votable", "VOTable"), ("fits", "FITS"),
    ("parquet", "Parquet"), ("ascii", "ASCII"),
]  # fmt: skip


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
    """Show a table: the rows that the address chooses, as the API would, the newest first."""
    found = QC1Table.objects.select_related("instrument").filter(name=name).first()
    if found is None:
        known = ", ".join(QC1Table.objects.values_list("name", flat=True)) or "none yet"
        raise ProblemError(
            Problem(404, "Unknown table", f"There is no QC1 table {name!r}.",
                    where="table", hint=f"Known are {known}.")
        )  # fmt: skip
    asked = chosen_words(request.GET)
    question = read_question(asked, found)
    columns = parameters_of(found)
    chosen = question.selection
    if chosen.order_by is None:
        chosen = replace(chosen, is_descending=True)
    ids, _ = chosen.page(None, SHOWN)
    its = RowColumns.of(columns)
    read = read_batches(
        found, its.with_scores(its.default), ids, states=chosen.states, is_dense=chosen.is_dense
    )
    marks = Mark.objects.open().filter(row__table=found, row__is_current=True)
    return render(
        request,
        "table.html",
        {
            "table": found,
            "columns": columns,
            "uses": _uses(found),
            "rows": [
                _line(pk, record, columns) for pk, record in zip(ids, records(read), strict=True)
            ],
            "n_rows": chosen.rows().count(),
            "choices": _choices(found, columns, asked),
            "asked": asked,
            "query": asked.urlencode(),
            "forms": FORMS,
            "anonymous_read": settings.HCM_ANONYMOUS_READ,
            "snippets": snippets.of_rows(request, found, list(_pairs(asked))),
            "marks": list(marks.select_related("row__setup", "series__parameter")[:MARKS]),
            "n_marks": marks.count(),
            "acts": list(_acts(found)),
            "default_y": next((one for one in columns if one.is_default_y), None)
            or next(
                (one for one in columns if one.type == ColumnType.FLOAT and not one.role), None
            ),
            "is_simulated": QC1Row.objects.filter(table=found, is_simulated=True).exists(),
        },
    )


def chosen_words(query: QueryDict) -> QueryDict:
    """Return what an address chooses: a form sends empty words for what was left alone."""
    plain = QueryDict(mutable=True)
    for name, values in query.lists():
        # The page has its own form and length.
        filled = [one for one in values if one.strip()]
        if filled and name not in {"format", "limit", "cursor"}:
            plain.setlist(name, filled)
    return plain


def _pairs(query: QueryDict) -> Iterator[tuple[str, str]]:
    for name, values in query.lists():
        for value in values:
            yield name, str(value)


@dataclass(frozen=True)
class Choice:
    """A column that rows can be chosen by, with the values there are, and the one that is chosen."""

    name: str
    title: str
    known: list[str]
    value: str


def _choices(found: QC1Table, columns: list[QC1Parameter], asked: QueryDict) -> list[Choice]:
    detectors = QC1Row.objects.filter(table=found, is_current=True).values_list(
        "detector", flat=True
    )
    choices = [("detector", "Detector", sorted({one for one in detectors.distinct() if one}))]
    setups = list(found.setups.values_list("values", flat=True))
    for one in columns:
        if one.role == ColumnRole.FILTER:
            values = sorted({text for values in setups if (text := values.get(one.name))})
            choices.append((one.name, one.description, values))
    choices.append(("score", "Rows by their scores", list(SCORES)))
    return [
        Choice(name, title, values, asked.get(name, ""))
        for name, title, values in choices
        if values
    ]


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
