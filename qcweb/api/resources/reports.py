"""Health Check reports: whether an instrument is steady, as the pages say it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.domain.times import datetime_to_mjd
from qcweb import parameters
from qcweb.api import filters
from qcweb.api.fields import UT, Address, Number
from qcweb.api.filters import OfInstrument, Words
from qcweb.api.house import HouseView, refuse_foreign
from qcweb.api.listing import Listing, ListView, Order
from qcweb.problems import Problem, ProblemError
from trending.models import Dataset, Panel, Report, ReportGroup, Score, ScoreRule, Series
from trending.services.health import (
    CURRENT_DAYS,
    LastValue,
    ReportState,
    current_scores,
    matches,
    report_states,
    with_last_values,
)

# How something stands: the words of the answers, the worst first.
STATES = {
    "NOK": "a newest value is outside its limits",
    "OK": "all newest values that could be scored are inside",
    "grey": "nothing could be scored",
    "no_data": "no value of the last seven days",
}


class ReportSerializer(serializers.Serializer[Any]):
    instrument = serializers.CharField(source="report.instrument.name", help_text="of which")
    name = serializers.CharField(source="report.name", help_text="its name in addresses")
    title = serializers.CharField(source="report.title", help_text="what it shows, in words")
    description = serializers.CharField(source="report.description", help_text="at length")
    group = serializers.CharField(source="report.group.name", help_text="column of the first page")
    cadence_days = Number(source="report.cadence_days", help_text="how often values come, in days")
    state = serializers.ChoiceField(list(STATES.items()), help_text="how it stands now")
    n_nok = serializers.IntegerField(source="now.n_nok", help_text="newest values outside")
    n_scored = serializers.IntegerField(source="now.n_scored", help_text="newest values scored")
    last_mjd = Number(source="now.last_mjd", help_text="newest value, MJD in days, UT; null: none")
    last_date = UT(
        source="now.last_mjd", allow_null=True, help_text="the same as date and time, UT"
    )
    address = Address(
        "api:report", "report__instrument__name", "report__name", help_text="its address here"
    )
    page = Address(
        "report", "report__instrument__name", "report__name", help_text="address of its page"
    )


class DatasetSerializer(serializers.Serializer[Any]):
    """What a plot draws: one parameter, of one choice of set-up and detector."""

    table = serializers.CharField(source="dataset.parameter.table.name", help_text="QC1 table")
    parameter = serializers.CharField(source="dataset.parameter.name", help_text="QC1 parameter")
    unit = serializers.CharField(source="dataset.parameter.unit", help_text="unit, or empty")
    setup = serializers.DictField(
        source="dataset.setup", help_text="values the set-up must have; empty: any"
    )
    detector = serializers.CharField(source="dataset.detector", help_text="empty: any")
    average = serializers.CharField(source="dataset.average", help_text="what the line is")
    remark = serializers.CharField(source="dataset.remark", help_text="in words, or empty")
    state = serializers.ChoiceField(list(STATES.items()), help_text="how it stands now")
    rule = serializers.CharField(
        source="rule.limits", allow_null=True, default=None,
        help_text="limits of the current rule: VAL lo,hi, n%, nSIG, nMAD, OFF d; null: none",
    )  # fmt: skip
    rule_version = serializers.IntegerField(
        source="rule.version", allow_null=True, default=None, help_text="of that rule"
    )
    lower = Number(source="score.lower", default=None, help_text="lower limit now, in the unit")
    upper = Number(source="score.upper", default=None, help_text="upper limit now, in the unit")
    latest = Number(source="last.value", default=None, help_text="newest value, in the unit")
    latest_mjd = Number(
        source="last.mjd_obs", default=None, help_text="of that value, MJD in days, UT"
    )
    rows = Address("api:rows", "dataset__parameter__table__name", help_text="address of the rows")


class PanelSerializer(serializers.Serializer[Any]):
    """One plot of a report."""

    number = serializers.IntegerField(help_text="its place in the report, from 1")
    title = serializers.CharField(source="panel.title", help_text="what it shows, in words")
    state = serializers.ChoiceField(list(STATES.items()), help_text="how it stands now")
    datasets = DatasetSerializer(many=True, help_text="what it draws")


class OneReportSerializer(ReportSerializer):
    tutorial = serializers.CharField(source="report.tutorial", help_text="how to read it")
    panels = PanelSerializer(many=True, help_text="its plots in their order")


@dataclass(frozen=True)
class Told:
    """A report as it stands at a time."""

    report: Report
    now: ReportState
    at: dt.datetime

    @property
    def state(self) -> str:
        if not self.now.is_current(self.at):
            return "no_data"
        if not self.now.n_scored:
            return "grey"
        return "NOK" if self.now.n_nok else "OK"


@dataclass(frozen=True)
class ToldDataset:
    """A data set as it stands: its newest value that is not missing, how that was judged.

    The rule is of the newest that has one: a set-up of its own may have none.
    """

    dataset: Dataset
    state: str
    last: LastValue | None
    score: Score | None
    rule: ScoreRule | None


@dataclass(frozen=True)
class ToldPanel:
    number: int
    panel: Panel
    datasets: list[ToldDataset]

    @property
    def state(self) -> str:
        found = {one.state for one in self.datasets}
        return next((state for state in STATES if state in found), "no_data")


@dataclass(frozen=True)
class ToldWhole(Told):
    panels: list[ToldPanel]


def _known() -> QuerySet[Report]:
    return Report.objects.select_related("instrument", "group").prefetch_related(
        "panels__datasets__parameter__table"
    )


def _drawing(**fields: Any) -> Q:
    return Q(pk__in=Dataset.objects.filter(**fields).values("panel__report"))


def _tell(reports: list[Report], request: Request) -> Sequence[Told]:
    at = timezone.now()
    return [Told(state.report, state, at) for state in report_states(reports)]


class ReportsView(ListView):
    """Health Check reports, each with how it stands: n NOK of N newest values."""

    listing = Listing(
        collection="reports",
        rows=_known,
        serializer=ReportSerializer,
        orders={
            "name": Order("name", str),
            "title": Order("title", str),
            "instrument": Order("instrument__name", str),
        },
        is_newest_first=False,
        filters=[
            OfInstrument(),
            Words("group", "Name of a group, a column of the first page", "group__name",
                  lambda _: ReportGroup.objects.values_list("name", flat=True)),
            Words("report", "Name of a report: bias_level", "name"),
            filters.table(lambda names: _drawing(parameter__table__name__in=names)),
            filters.qc1_parameter(lambda names: _drawing(parameter__name__in=names)),
        ],
        tell=_tell,
    )  # fmt: skip


class ReportView(HouseView):
    """One Health Check report: its plots, what they draw, the limits of each and how it stands."""

    @extend_schema(operation_id="reports_one", responses=OneReportSerializer)
    def get(self, request: Request, instrument: str, name: str) -> Response:
        parameters.check_known(request.GET, ("format",))
        refuse_foreign(request, instrument)
        found = _known().filter(instrument__name=instrument, name=name).first()
        if found is None:
            raise ProblemError(
                Problem(404, "Unknown report", f"{instrument} has no report {name!r}.",
                        where="name", hint="See the list of reports.")
            )  # fmt: skip
        return Response(OneReportSerializer(_whole(found, timezone.now())).data)


def _whole(report: Report, at: dt.datetime) -> ToldWhole:
    (now,) = report_states([report])
    drawn = [one for panel in report.panels.all() for one in panel.datasets.all()]
    series = Series.objects.filter(parameter__in={one.parameter_id for one in drawn})
    last = with_last_values(series, present=True)
    scores = current_scores(last)

    def told(dataset: Dataset) -> ToldDataset:
        mine = sorted((one for one in last if matches(dataset, one.series)), key=_newest_last)
        judged = [scores[one.series.pk] for one in mine if one.series.pk in scores]
        newest = mine[-1] if mine else None
        return ToldDataset(
            dataset=dataset,
            state=_state([one for one in now.values if matches(dataset, one.series)], at),
            last=newest,
            score=scores.get(newest.series.pk) if newest else None,
            rule=next((one.rule for one in reversed(judged) if one.rule), None),
        )

    panels = [
        ToldPanel(n, panel, [told(one) for one in panel.datasets.all()])
        for n, panel in enumerate(report.panels.all(), 1)
    ]
    return ToldWhole(report, now, at, panels)


def _newest_last(value: LastValue) -> float:
    return value.mjd_obs


def _state(newest: Sequence[LastValue], at: dt.datetime) -> str:
    oldest = datetime_to_mjd(at) - CURRENT_DAYS
    results = [one.result for one in newest if one.mjd_obs >= oldest]
    if not results:
        return "no_data"
    worst = max((one for one in results if one is not None), default=None)
    return "grey" if worst is None else "NOK" if worst else "OK"
