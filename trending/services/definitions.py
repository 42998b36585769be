"""Writes tables, rules and reports of an instrument's folder; a changed rule is a new version."""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction

from pipelines.models import Instrument
from trending.domain.definitions import (
    ReportDefinition,
    RuleDefinition,
    TableDefinition,
)
from trending.models import (
    Dataset,
    Panel,
    QC1Parameter,
    QC1Table,
    Report,
    ReportGroup,
)

from .clock import take_tables
from .rules import load_rules

# The first page's columns, in this order; a folder may bring further groups.
GROUP_TITLES = {
    "bias_dark": "Bias and dark",
    "read_noise": "Read-out noise",
    "flat_lamp": "Flat and lamp",
}


def load_definitions(
    instrument: Instrument,
    tables: Sequence[TableDefinition],
    rules: Sequence[RuleDefinition],
    reports: Sequence[ReportDefinition],
    at: dt.datetime,
) -> None:
    with transaction.atomic():
        # Before any of them is written: everybody takes tables in the same order.
        known = list(QC1Table.objects.filter(instrument=instrument))
        at = take_tables(known, at)
        for table in tables:
            _load_table(instrument, table)
        parameters = {
            (parameter.table.name, parameter.name): parameter
            for parameter in QC1Parameter.objects.filter(
                table__instrument=instrument
            ).select_related("table")
        }
        take_tables(
            QC1Table.objects.filter(instrument=instrument).exclude(
                pk__in=[one.pk for one in known]
            ),
            at,
        )
        load_rules(instrument, rules, parameters, at)
        _load_reports(instrument, reports, parameters)


def _load_table(instrument: Instrument, definition: TableDefinition) -> None:
    table, _ = QC1Table.objects.update_or_create(
        name=definition.name,
        defaults={
            "instrument": instrument,
            "title": definition.title,
            "description": definition.description,
            "raw_types": definition.raw_types,
            "products": [
                {
                    "pro_catg": product.pro_catg,
                    "extensions": product.extensions,
                    "detector": product.detector,
                }
                for product in definition.products
            ],
        },
    )
    for order, column in enumerate(definition.columns):
        QC1Parameter.objects.update_or_create(
            table=table,
            name=column.name,
            defaults={
                "keywords": column.keywords,
                "unit": column.unit,
                "type": column.type,
                "role": column.role,
                "parameter_class": column.parameter_class,
                "description": column.description,
                "ucd": column.ucd,
                "missing_values": column.missing,
                "order": order,
                "is_default_x": column.is_default_x,
                "is_default_y": column.is_default_y,
                "is_active": True,
            },
        )
    kept = [column.name for column in definition.columns]
    table.parameters.exclude(name__in=kept).update(is_active=False)


def _load_reports(
    instrument: Instrument,
    reports: Sequence[ReportDefinition],
    parameters: dict[tuple[str, str], QC1Parameter],
) -> None:
    instrument.reports.exclude(name__in=[report.name for report in reports]).delete()
    for order, definition in enumerate(reports):
        report, _ = Report.objects.update_or_create(
            instrument=instrument,
            name=definition.name,
            defaults={
                "group": _group(definition.group),
                "title": definition.title,
                "description": definition.description,
                "tutorial": definition.tutorial,
                "cadence_days": definition.cadence_days,
                "order": order,
            },
        )
        report.panels.all().delete()
        for n, panel_definition in enumerate(definition.panels):
            panel = Panel.objects.create(report=report, title=panel_definition.title, order=n)
            Dataset.objects.bulk_create(
                Dataset(
                    panel=panel,
                    parameter=parameters[dataset.table, dataset.parameter],
                    setup=dataset.setup,
                    detector=dataset.detector,
                    average=dataset.average,
                    remark=dataset.remark,
                    order=m,
                )
                for m, dataset in enumerate(panel_definition.datasets)
            )


def _group(name: str) -> ReportGroup:
    order = list(GROUP_TITLES).index(name) if name in GROUP_TITLES else len(GROUP_TITLES)
    title = GROUP_TITLES.get(name, name.replace("_", " ").capitalize())
    group, _ = ReportGroup.objects.get_or_create(
        name=name, defaults={"title": title, "order": order}
    )
    return group
