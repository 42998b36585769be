"""Quality events: what happened to an instrument, and the references that hold since then."""

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from qcweb import parameters
from qcweb.api import filters
from qcweb.api.fields import UT, Address, Instant, Number
from qcweb.api.filters import Choice, OfInstrument, Span, Words, choice, flag
from qcweb.api.house import HouseView, refuse_foreign, unknown
from qcweb.api.listing import Listing, ListView, Order, instant, number
from trending.models import EventKind, QualityEvent


class EventSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="number of the event")
    instrument = serializers.CharField(source="instrument.name", help_text="where it happened")
    table = serializers.CharField(
        source="table.name", allow_null=True, default=None, help_text="QC1 table; null: all"
    )
    parameter = serializers.CharField(
        source="parameter.name", allow_null=True, default=None, help_text="null: all"
    )
    kind = serializers.ChoiceField(EventKind.choices, help_text="what kind of event")
    mjd = Number(help_text="from when on, MJD in days, UT")
    date = UT(source="mjd", help_text="the same as date and time, UT")
    begins_epoch = serializers.BooleanField(help_text="statistics never reach over it")
    title = serializers.CharField(help_text="a few words")
    description = serializers.CharField(help_text="what happened, or empty")
    author = serializers.CharField(help_text="who wrote it down")
    recorded_at = Instant(help_text="when it was written down, UT")
    taken_back_at = Instant(
        source="superseded_at", allow_null=True, help_text="UT; null: it stands"
    )
    taken_back_by = serializers.CharField(source="ended_by", help_text="who took it back")
    end_reason = serializers.CharField(help_text="why it was taken back")
    address = Address("api:event", "pk", help_text="address of this event here")
    page = Address("event", "pk", help_text="address of its page")


class ReferenceSerializer(serializers.Serializer[Any]):
    """What a parameter is expected to be from an event on."""

    table = serializers.CharField(source="parameter.table.name", help_text="QC1 table")
    parameter = serializers.CharField(source="parameter.name", help_text="QC1 parameter")
    unit = serializers.CharField(source="parameter.unit", help_text="unit, or empty")
    setup = serializers.DictField(help_text="values the set-up must have; empty: any")
    detector = serializers.CharField(help_text="empty: any")
    value = Number(help_text="the reference, in the unit")
    sigma = Number(help_text="scatter of the points it is from, in the unit")
    n = serializers.IntegerField(help_text="number of these points")
    valid_from_mjd = Number(help_text="MJD in days, UT")
    valid_until_mjd = Number(help_text="MJD in days, UT; null: until the next")
    author = serializers.CharField(help_text="who adopted it")
    reason = serializers.CharField(help_text="why")
    recorded_at = Instant(help_text="when it was adopted, UT")
    superseded_at = Instant(allow_null=True, help_text="when it ended, UT; null: it stands")


class OneEventSerializer(EventSerializer):
    references = ReferenceSerializer(many=True, help_text="adopted at this event")


def _known() -> QuerySet[QualityEvent]:
    found: QuerySet[QualityEvent] = QualityEvent.objects.select_related(
        "instrument", "table", "parameter"
    )
    return found


class EventsView(ListView):
    """Quality events: interventions, changes, earthquakes; those taken back are still listed."""

    listing = Listing(
        collection="events",
        rows=_known,
        serializer=EventSerializer,
        orders={"mjd": Order("mjd", number), "recorded_at": Order("recorded_at", instant)},
        filters=[
            OfInstrument(),
            Span("mjd", "When it happened, UT"),
            filters.table("table__name"),
            filters.qc1_parameter("parameter__name"),
            choice("kind", "What kind of event", "kind", EventKind.values),
            Choice("state", "Whether it stands",
                   {"standing": Q(superseded_at=None), "taken_back": ~Q(superseded_at=None)}),
            flag("begins_epoch", "Whether statistics begin anew with it", Q(begins_epoch=True)),
            Words("author", "Who wrote it down", "author"),
        ],
    )  # fmt: skip


class EventView(HouseView):
    """One quality event with the references adopted at it."""

    @extend_schema(operation_id="events_one", responses=OneEventSerializer)
    def get(self, request: Request, id: int) -> Response:
        parameters.check_known(request.GET, ("format",))
        found = _known().prefetch_related("references__parameter__table").filter(pk=id).first()
        if found is None:
            raise unknown("event", id, "id", "See the list of events.")
        refuse_foreign(request, found.instrument.name)
        return Response(OneEventSerializer(found).data)
