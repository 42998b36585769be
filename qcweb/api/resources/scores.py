"""Scores: how each value that counts was judged, and by what."""

from typing import Any

from django.db.models import Q, QuerySet
from rest_framework import serializers

from qcweb.api import filters
from qcweb.api.fields import UT, Address, Instant, Number
from qcweb.api.filters import Choice, Nights, OfInstrument, Span, Words, choice, flag
from qcweb.api.listing import Listing, ListView, Order, number
from trending.domain.scoring import GreyReason
from trending.models import ActKind, ParameterClass, Score, ValueState

from . import long_columns

# The state of a score's row, by the word of the API.
STATES = {state.name.lower(): state for state in ValueState if state != ValueState.SUPERSEDED}


class RuleSerializer(serializers.Serializer[Any]):
    """The version of the rule by which a value was judged."""

    key = serializers.CharField(help_text="parameter, set-up and detector it is for")
    version = serializers.IntegerField(help_text="number of the version")
    limits = serializers.CharField(help_text="what it says: VAL lo,hi, n%, nSIG, nMAD, OFF d, none")
    page = Address("rule", "pk", help_text="address of its page")


class ScoreSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="its number among all")
    table = serializers.CharField(source="series.parameter.table.name", help_text="QC1 table")
    parameter = serializers.CharField(source="series.parameter.name", help_text="QC1 parameter")
    unit = serializers.CharField(source="series.parameter.unit", help_text="unit, or empty")
    parameter_class = serializers.ChoiceField(
        ParameterClass.choices, source="series.parameter.parameter_class", help_text="what it tells"
    )
    instrument = serializers.CharField(
        source="series.parameter.table.instrument.name", help_text="of the table"
    )
    setup = serializers.CharField(source="series.setup.text", help_text="set-up of the row")
    detector = serializers.CharField(source="row.detector", help_text="detector, or empty")
    mjd_obs = Number(source="row.mjd_obs", help_text="of the row, MJD in days, UT")
    date_obs = UT(source="row.mjd_obs", help_text="the same as date and time, UT")
    night = serializers.DateField(source="row.night", help_text="date of UT − 21 h")
    value = Number(help_text="the value, in the unit; null: missing")
    lower = Number(help_text="lower limit, in the unit; null: none")
    upper = Number(help_text="upper limit, in the unit; null: none")
    average = Number(help_text="what the limits lie around, in the unit; null: nothing")
    sigma = Number(help_text="scatter of the points they are from, in the unit")
    n = serializers.IntegerField(help_text="number of these points")
    result = serializers.IntegerField(allow_null=True, help_text="0 OK, 1 NOK, null: not scored")
    grey_reason = serializers.CharField(help_text="why it is not scored, or empty")
    is_warning = serializers.BooleanField(help_text="inside the limits, beyond the tighter ones")
    used_fallback = serializers.BooleanField(help_text="too few points: by the rule's fallback")
    since_mjd = Number(help_text="start of an undeclared level that is followed, MJD in days, UT")
    is_repeat = serializers.BooleanField(help_text="equal to the value before it")
    act = serializers.CharField(
        source="act.kind", allow_null=True, default=None,
        help_text="a person's decision above the rule: override or remove",
    )  # fmt: skip
    rule = RuleSerializer(allow_null=True, help_text="null: there is none for it")
    block = serializers.CharField(
        source="row.attempt.block.ab_name", allow_null=True, default=None,
        help_text="block whose product it was measured in; null: imported",
    )  # fmt: skip
    state = serializers.SerializerMethodField(
        help_text="of the row: current, hidden, rejected with its block, excluded from statistics"
    )
    recorded_at = Instant(help_text="when it was scored, UT")
    page = Address(
        "value", "series__parameter__table__name", "series__parameter__name", "row_id",
        help_text="address of the value's page",
    )  # fmt: skip

    def get_state(self, score: Score) -> str:
        return ValueState(score.row.state).name.lower()


def _current() -> QuerySet[Score]:
    scores: QuerySet[Score] = Score.objects.filter(is_current=True, row__is_current=True)
    return scores.select_related(
        "series__parameter__table__instrument",
        "series__setup",
        "row__attempt__block",
        "rule",
        "act",
    ).defer(
        *long_columns.of("series__parameter__table__instrument", long_columns.INSTRUMENT),
        *long_columns.of("row__attempt", (*long_columns.ATTEMPT, "parameters")),
        *long_columns.of("row__attempt__block", long_columns.BLOCK),
    )


class ScoresView(ListView):
    """Current scores of values, each with the limits and the rule it was judged by."""

    listing = Listing(
        collection="scores",
        rows=_current,
        serializer=ScoreSerializer,
        orders={"id": Order("pk", int), "mjd_obs": Order("row__mjd_obs", number)},
        instrument="series__parameter__table__instrument__name",
        filters=[
            OfInstrument(column="series__parameter__table__instrument__name"),
            Nights("row__night"),
            Span("row__mjd_obs", "Time of the row, UT"),
            filters.table("series__parameter__table__name"),
            filters.qc1_parameter("series__parameter__name"),
            Words("setup", "Set-up of the row", "series__setup__text"),
            Words("detector", "Name of a detector: CHIP1", "row__detector"),
            Words("block", "Name of a block", "row__attempt__block__ab_name"),
            Choice("score", "How it was scored",
                   {"OK": Q(result=0), "NOK": Q(result=1), "grey": Q(result=None)}),
            choice("grey_reason", "Why it is not scored", "grey_reason",
                   [reason.value for reason in GreyReason]),
            choice("parameter_class", "Class of the parameter",
                   "series__parameter__parameter_class", ParameterClass.values),
            flag("is_warning", "Whether it is beyond the tighter limits", Q(is_warning=True)),
            choice("act", "A person's decision above the rule", "act__kind",
                   [ActKind.OVERRIDE.value, ActKind.REMOVE.value]),
            Choice("state", "State of the row",
                   {word: Q(row__state=state) for word, state in STATES.items()}),
        ],
    )  # fmt: skip
