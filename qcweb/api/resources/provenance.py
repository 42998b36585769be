"""Where a block's values come from, as a graph."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from qcweb import parameters
from qcweb.api.fields import Instant, Number
from qcweb.api.house import HouseView
from qcweb.provenance import find_attempt, provenance_of
from qcweb.provenance_nodes import Kind

from .certifications import find_block


class ProvenanceRunSerializer(serializers.Serializer[Any]):
    """How a run was made; its block and number stand beside it."""

    outcome = serializers.CharField(help_text="what came of it: SUCCESSFUL, FAILED")
    recipe = serializers.CharField(help_text="what was run")
    pipeline_version = serializers.CharField(help_text="of which version")
    parameters = serializers.ListField(
        child=serializers.CharField(), help_text="arguments the recipe was given"
    )
    worker = serializers.CharField(help_text="where it ran: host and process")
    started_at = Instant(help_text="UT")
    finished_at = Instant(allow_null=True, help_text="UT; null: it has not ended")


class ProvenanceNodeSerializer(serializers.Serializer[Any]):
    """One thing a block's values come from; what does not belong to its kind is empty or null."""

    id = serializers.CharField(help_text="its name in this graph: run:12")
    kind = serializers.ChoiceField(
        [kind.value for kind in Kind],
        help_text="value, product, run, frame (a raw frame) or file (a calibration on disk)",
    )
    name = serializers.CharField(help_text="of a file its name, of a value its parameter")
    level = serializers.IntegerField(help_text="steps up the cascade from the run, the longest way")
    category = serializers.CharField(
        help_text="PRO.CATG, tag or raw type; of a value its QC1 table"
    )
    state = serializers.CharField(
        help_text="what is odd about it today: hidden meanwhile; or empty"
    )
    block = serializers.CharField(allow_null=True, help_text="block of a run or product")
    attempt = serializers.IntegerField(allow_null=True, help_text="number of the run in its block")
    run = ProvenanceRunSerializer(allow_null=True, help_text="of a run: how it was made")
    value = Number(help_text="of a value: the number, in its unit")
    unit = serializers.CharField(help_text="of a value: its unit, or empty")
    detector = serializers.CharField(help_text="of a value: its detector, or empty")
    mjd_obs = Number(help_text="its start, MJD in days, UT")
    address = serializers.CharField(
        allow_null=True, help_text="address here; of a run its block's; of a value none"
    )
    page = serializers.CharField(allow_null=True, help_text="address of its page")


class ProvenanceEdgeSerializer(serializers.Serializer[Any]):
    """A line from what was made to what it was made of."""

    to = serializers.CharField(source="end", help_text="id of what it was made of")
    role = serializers.CharField(
        help_text="measured in, made by, raw, taken over from, or the calibration's label"
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a word of the language: it cannot be written as an attribute.
        start = serializers.CharField(source="start", help_text="id of what was made")
        return {"from": start, **super().get_fields()}


class ProvenanceSerializer(serializers.Serializer[Any]):
    """All that one run of a block comes from, up to its raw frames."""

    block = serializers.CharField(help_text="name of the block")
    attempt = serializers.IntegerField(
        allow_null=True, help_text="number of the run; null: none has made products"
    )
    nodes = ProvenanceNodeSerializer(many=True, help_text="level by level, the values first")
    edges = ProvenanceEdgeSerializer(many=True, help_text="from what was made to what of")
    is_cut = serializers.BooleanField(help_text="there is more than is told at once")


class BlockProvenanceView(HouseView):
    """Where a block's values come from: products, runs, raw frames and calibrations, to the first."""

    @extend_schema(
        operation_id="block_provenance",
        parameters=[
            OpenApiParameter(
                "attempt", int, description="number of a run; by default the one that counts"
            )
        ],
        responses=ProvenanceSerializer,
    )
    def get(self, request: Request, ab_name: str) -> Response:
        parameters.check_known(request.GET, ("attempt", "format"))
        block = find_block(request, ab_name)
        attempt = find_attempt(block, request.GET.get("attempt", ""))
        found = provenance_of(attempt)
        told = {
            "block": block.ab_name,
            "attempt": attempt.number if attempt else None,
            "nodes": found.nodes,
            "edges": found.edges,
            "is_cut": found.is_cut,
        }
        return Response(ProvenanceSerializer(told).data)
