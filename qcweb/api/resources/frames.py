"""Raw frames, and calibrations on disk: what anybody may see of each.

Whose programme a frame is of, and its header, are for those who log in while data are proprietary.
"""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.models import RawFile
from qcweb import parameters
from qcweb.api import filters
from qcweb.api.fields import UT, Address, Instant, Number
from qcweb.api.filters import Choice, Nights, OfInstrument, Span, Words
from qcweb.api.house import HouseView, refuse_foreign, unknown
from qcweb.api.listing import Listing, ListView, Order, instant, number
from qcweb.private import may_see_header, visible_purpose

from . import long_columns

STATES = {
    "calibration": Q(is_science=False, pro_catg="") & ~Q(raw_type=""),
    "science": Q(is_science=True),
    "master": ~Q(pro_catg=""),
    "unclassified": Q(raw_type="", pro_catg=""),
    "damaged": ~Q(problem=""),
    "gone": Q(gone_at__isnull=False),
    "hidden": Q(hidden_at__isnull=False),
}


# What a frame says of somebody's programme: null to whom it is not open.
PRIVATE = ("program_id", "ob_id", "target", "keywords", "assigned")


class FrameSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="number of the frame")
    name = serializers.CharField(help_text="ARCFILE, or the file's own name")
    instrument = serializers.CharField(source="instrument.name", help_text="its instrument")
    night = serializers.DateField(help_text="date of UT − 21 h")
    mjd_obs = Number(help_text="start of its exposure, MJD in days, UT")
    date_obs = UT(source="mjd_obs", help_text="the same as date and time, UT")
    exptime_s = Number(help_text="its exposure, in s")
    raw_type = serializers.CharField(help_text="data type by the rules; empty: none holds")
    do_catg = serializers.CharField(help_text="its tag for the recipe, or empty")
    dpr_catg = serializers.CharField(help_text="DPR.CATG: CALIB, SCIENCE, ACQUISITION")
    dpr_type = serializers.CharField(help_text="DPR.TYPE: BIAS")
    dpr_tech = serializers.CharField(help_text="DPR.TECH: IMAGE")
    pro_catg = serializers.CharField(help_text="PRO.CATG: set of a calibration on disk")
    setup = serializers.CharField(help_text="its set-up: SLOW_1x1")
    is_science = serializers.BooleanField(help_text="by the rules")
    is_undated = serializers.BooleanField(help_text="mjd_obs is when it was registered")
    is_open = serializers.BooleanField(
        default=False, help_text="its header and programme may be seen by whoever asks"
    )
    program_id = serializers.CharField(
        allow_null=True, help_text="its programme; null: needs a login while it is proprietary"
    )
    ob_id = serializers.CharField(allow_null=True, help_text="its observation block; null as above")
    target = serializers.CharField(allow_null=True, help_text="its target; null as above")
    root = serializers.CharField(  # type: ignore[assignment]
        source="root.name", help_text="name of the directory it lies in"
    )
    path = serializers.CharField(help_text="where it lies below that")
    size = serializers.IntegerField(help_text="in bytes, uncompressed")
    compression = serializers.CharField(help_text="gz, Z or fz; empty: plain")
    problem = serializers.CharField(help_text="what is damaged, or empty")
    gone_at = Instant(allow_null=True, help_text="when it was first missed on disk, UT")
    hidden_at = Instant(allow_null=True, help_text="since when it is used for nothing, UT")
    hidden_reason = serializers.CharField(help_text="why")
    recorded_at = Instant(help_text="when it was registered, UT")
    address = Address("api:frame", "pk", help_text="address of this frame here")
    page = Address("frame", "pk", help_text="address of its page")

    def to_representation(self, frame: RawFile) -> dict[str, Any]:
        found = dict(super().to_representation(frame))
        user, at = self.context["request"].user, self.context["at"]
        found["is_open"] = may_see_header(user, frame, at)
        if not found["is_open"]:
            found.update((name, None) for name in PRIVATE if name in found)
        return found


class OneFrameSerializer(FrameSerializer):
    hidden_by = serializers.CharField(
        source="hidden_by.username", allow_null=True, default=None, help_text="who hid it"
    )
    rules_version = serializers.IntegerField(
        source="rule_set.version", allow_null=True, default=None,
        help_text="version of the rules that classified it",
    )  # fmt: skip
    fired = serializers.ListField(
        child=serializers.IntegerField(), source="trace.fired", default=list,
        help_text="lines of the rules that hold for it",
    )  # fmt: skip
    assigned = serializers.DictField(
        source="trace.assigned", default=dict, allow_null=True,
        help_text="keywords that they assigned; null: needs a login while it is proprietary",
    )  # fmt: skip
    keywords = serializers.DictField(
        allow_null=True, help_text="keywords that the rules read; null as above"
    )
    blocks = serializers.SerializerMethodField(help_text="names of the blocks it is a frame of")
    used_by = serializers.SerializerMethodField(help_text="names of the blocks it calibrates")

    def get_blocks(self, frame: RawFile) -> list[str]:
        return [link.block.ab_name for link in frame.block_frames.all()]

    def get_used_by(self, frame: RawFile) -> list[str]:
        return [link.block.ab_name for link in frame.used_by.all()]


class Purpose(Words):
    """Frames by what is somebody's own: found among those only that are open to whoever asks."""

    def condition(self, request: Request) -> Q:
        found = super().condition(request)
        return found and found & visible_purpose(request.user, timezone.now())


def _known() -> QuerySet[RawFile]:
    return RawFile.objects.select_related("instrument", "root").defer(
        "trace", *long_columns.of("instrument", long_columns.INSTRUMENT)
    )


class FramesView(ListView):
    """Raw frames and calibrations on disk, as they were registered and classified."""

    listing = Listing(
        collection="frames",
        rows=_known,
        serializer=FrameSerializer,
        orders={
            "mjd_obs": Order("mjd_obs", number),
            "name": Order("name", str),
            "recorded_at": Order("recorded_at", instant),
        },
        filters=[
            OfInstrument(),
            Nights(),
            Span("mjd_obs", "Start of its exposure, UT"),
            filters.raw_type(),
            Words("setup", "Its set-up: SLOW_1x1", "setup"),
            Words("name", "Its name", "name"),
            Words("do_catg", "Its tag for the recipe", "do_catg"),
            Words("dpr_catg", "DPR.CATG: CALIB, SCIENCE", "dpr_catg"),
            Words("dpr_type", "DPR.TYPE: BIAS", "dpr_type"),
            Words("dpr_tech", "DPR.TECH: IMAGE", "dpr_tech"),
            Words("pro_catg", "PRO.CATG, of calibrations on disk", "pro_catg"),
            Purpose("program_id", "Its programme, where that may be seen", "program_id"),
            Purpose("target", "Its target, where that may be seen", "target"),
            Choice("state", "What it is, or what is with it", STATES),
        ],
    )


class FrameView(HouseView):
    """One frame, with the rules that hold for it and the blocks it serves."""

    @extend_schema(operation_id="frames_one", responses=OneFrameSerializer)
    def get(self, request: Request, id: int) -> Response:
        parameters.check_known(request.GET, ("format",))
        found = (
            RawFile.objects.select_related("instrument", "root", "rule_set", "hidden_by")
            .prefetch_related("block_frames__block", "used_by__block")
            .filter(pk=id)
            .first()
        )
        if found is None:
            raise unknown("frame", id, "id", "Find it among the frames.")
        refuse_foreign(request, found.instrument.name)
        context = {"request": request, "at": timezone.now()}
        return Response(OneFrameSerializer(found, context=context).data)
