"""Instruments: what they are, their raw types, and the rules in force."""

from typing import Any

from django.db.models import Prefetch, Q
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.models import CertificationMode, Flavour, Instrument, RawType, RuleSet, Runner
from pipelines.models.instruments import SYSTEM
from qcweb import parameters
from qcweb.api.fields import Address, Instant, Number
from qcweb.api.filters import OfInstrument, choice, flag
from qcweb.api.house import HouseView, refuse_foreign, unknown
from qcweb.api.listing import Listing, ListView, Order


class InstrumentSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="the name that every address and filter uses")
    title = serializers.CharField(help_text="what it is, in words")
    header_names = serializers.ListField(
        child=serializers.CharField(), help_text="values of INSTRUME in its frames"
    )
    runner = serializers.ChoiceField(Runner.choices, help_text="who runs its recipes")
    pipeline = serializers.CharField(help_text="prefix of its EsoRex plug-ins, or empty")
    is_simulated = serializers.BooleanField(help_text="its frames come from the simulator")
    is_system = serializers.SerializerMethodField(
        help_text="this system itself, which has QC1 values and no frames"
    )
    night_rollover_hour = serializers.IntegerField(help_text="hour UT at which a night begins")
    loaded_at = Instant(help_text="when its folder was read last, UT")
    address = Address("api:instrument", "name", help_text="address of this instrument here")

    def get_is_system(self, instrument: Instrument) -> bool:
        return instrument.name == SYSTEM


class RawTypeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="data type by the rules: BIAS")
    title = serializers.CharField(help_text="what it is, in words")
    is_science = serializers.BooleanField(help_text="science, which is not processed here")
    setup_keywords = serializers.ListField(
        child=serializers.CharField(), help_text="keywords whose values make the set-up"
    )
    certification = serializers.ChoiceField(
        CertificationMode.choices, help_text="which successful blocks people are offered"
    )
    sample_percent = Number(help_text="with RANDOM, percent of the green ones that people look at")


class RuleSetSerializer(serializers.Serializer[Any]):
    flavour = serializers.ChoiceField(
        Flavour.choices, help_text="whether they make masters, or the raw frames of masters"
    )
    version = serializers.IntegerField(help_text="number of the version")
    valid_from = serializers.DateField(help_text="first night; null: all", allow_null=True)
    recorded_at = Instant(help_text="when it was read, UT")


class OneInstrumentSerializer(InstrumentSerializer):
    recipes = serializers.SerializerMethodField(help_text="names of its recipes")
    raw_types = RawTypeSerializer(many=True, help_text="its data types")
    rule_sets = RuleSetSerializer(many=True, source="rules_in_force", help_text="rules in force")
    blocks = Address("api:blocks", "name", query="instrument={}", help_text="its blocks")
    nights = Address("api:nights", "name", query="instrument={}", help_text="its nights")
    reports = Address("api:reports", "name", query="instrument={}", help_text="its reports")
    tables = Address("api:tables", "name", query="instrument={}", help_text="its QC1 tables")

    def get_recipes(self, instrument: Instrument) -> list[str]:
        return sorted(instrument.recipes)


class InstrumentsView(ListView):
    """Instruments that are known here."""

    listing = Listing(
        collection="instruments",
        rows=Instrument.objects.all,
        serializer=InstrumentSerializer,
        orders={"name": Order("name", str)},
        is_newest_first=False,
        instrument="name",
        filters=[
            OfInstrument(column="name"),
            choice("runner", "Who runs its recipes", "runner", Runner.values),
            flag("is_simulated", "Whether its frames are simulated", Q(is_simulated=True)),
        ],
    )


class InstrumentView(HouseView):
    """One instrument with its data types, its recipes and the rules in force."""

    @extend_schema(operation_id="instruments_one", responses=OneInstrumentSerializer)
    def get(self, request: Request, name: str) -> Response:
        parameters.check_known(request.GET, ("format",))
        refuse_foreign(request, name)
        rules = RuleSet.objects.filter(superseded_at=None).order_by("flavour", "valid_from")
        found = (
            Instrument.objects.filter(name=name)
            .prefetch_related(
                Prefetch("raw_types", RawType.objects.order_by("name")),
                Prefetch("rule_sets", rules, to_attr="rules_in_force"),
            )
            .first()
        )
        if found is None:
            known = ", ".join(Instrument.objects.values_list("name", flat=True)) or "none"
            raise unknown("instrument", name, "name", f"Known are {known}.")
        return Response(OneInstrumentSerializer(found).data)
