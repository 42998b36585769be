"""Association blocks: the list with the four axes of each, and one block with all it is made of."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.models import (
    AssociationBlock,
    Attempt,
    BlockFrame,
    CalibrationLink,
    Completeness,
    FailureKind,
    NextStep,
    ProcessStatus,
    Product,
    Waiver,
)
from pipelines.models.blocks import waits_for_people
from pipelines.services.waivers import waivers_of
from qcweb import parameters
from qcweb.api import filters
from qcweb.api.filters import Choice, Nights, OfInstrument, Span, Words, choice, flag
from qcweb.api.house import HouseView
from qcweb.api.listing import Listing, ListView, Order, instant, number
from qcweb.board import latest_entries
from qcweb.certification.models import Certification, Decision
from trending.models import BlockScore

from . import long_columns
from .block_shapes import BlockSerializer, OneBlockSerializer
from .certifications import find_block, told


@dataclass(frozen=True)
class Told:
    """A block with what other rooms say of it."""

    block: AssociationBlock
    score: BlockScore | None
    certification: Certification | None
    waiver: Waiver | None

    @property
    def needs_person(self) -> bool:
        return self.block.needs_person and self.waiver is None


def _score(**fields: int) -> Q:
    """Return blocks with a standing score of such counts."""
    scores = BlockScore.objects.standing().filter(block=OuterRef("pk"))
    return Q(Exists(scores.filter(**fields)))


def _standing(decision: str = "") -> Q:
    """Return blocks with a standing decision: this one, or any."""
    acts = Certification.objects.standing().filter(block=OuterRef("pk"))
    return Q(Exists(acts.filter(decision=decision) if decision else acts))


SCORES = Choice(
    "score", "How its present result was scored",
    {
        "OK": _score(n_nok=0, n_scored__gt=0),
        "NOK": _score(n_nok__gt=0),
        "grey": _score(n_scored=0),
    },
)  # fmt: skip
CERTIFICATIONS = Choice(
    "certification", "The decision that stands; open: none does",
    {
        Decision.AUTO.value: _standing(Decision.AUTO),
        Decision.ACCEPTED.value: _standing(Decision.ACCEPTED),
        Decision.REJECTED.value: _standing(Decision.REJECTED),
        "open": ~_standing(),
    },
)  # fmt: skip


def _known() -> QuerySet[AssociationBlock]:
    return AssociationBlock.objects.select_related(
        "instrument", "current_attempt", "blocked_by"
    ).defer(
        *long_columns.BLOCK,
        *long_columns.of("blocked_by", long_columns.BLOCK),
        *long_columns.of("instrument", long_columns.INSTRUMENT),
        *long_columns.of("current_attempt", (*long_columns.ATTEMPT, "parameters")),
    )


def _tell(blocks: list[AssociationBlock], request: Request) -> Sequence[Told]:
    """Add scores and decisions: two queries, whatever their number."""
    keys = [block.pk for block in blocks]
    scores = {one.block_id: one for one in BlockScore.objects.standing().filter(block__in=keys)}
    entries = latest_entries(keys)
    waivers = waivers_of(blocks)
    return [
        Told(
            block,
            scores.get(block.pk),
            _holding(entries.get(block.pk), block),
            waivers.get(block.pk),
        )
        for block in blocks
    ]


def _holding(entry: Certification | None, block: AssociationBlock) -> Certification | None:
    return entry if entry is not None and entry.holds(block) else None


class BlocksView(ListView):
    """Association blocks, the units of processing, with process, completeness, score, certification."""

    listing = Listing(
        collection="blocks",
        rows=_known,
        serializer=BlockSerializer,
        orders={
            "night": Order("night", dt.date.fromisoformat),
            "mjd_obs": Order("mjd_obs", number),
            "ab_name": Order("ab_name", str),
            "raw_type": Order("raw_type", str),
            "changed_at": Order("changed_at", instant),
        },
        filters=[
            OfInstrument(),
            Nights(),
            Span("mjd_obs", "Start of its first frame, UT"),
            filters.raw_type(),
            Words("setup", "Its set-up: SLOW_1x1", "setup"),
            Words("recipe", "Name of its recipe", "recipe"),
            Words("block", "Name of a block", "ab_name"),
            choice("process_status", "How far its processing is", "process_status",
                   ProcessStatus.values),
            choice("completeness", "Whether all its inputs are there", "completeness",
                   Completeness.values),
            SCORES,
            CERTIFICATIONS,
            flag("needs_person", "Whether it waits for a person", waits_for_people()),
            flag("is_degraded", "Whether it was made, but not as planned", Q(is_degraded=True)),
            choice("failure_kind", "Why it failed", "failure_kind",
                   [kind for kind in FailureKind.values if kind]),
            choice("next_step", "What is to be done with it", "next_step", NextStep.values),
        ],
        tell=_tell,
    )  # fmt: skip


@dataclass(frozen=True)
class Whole(Told):
    """A block with all it is made of, and all that was made of it."""

    frames: QuerySet[BlockFrame]
    calibrations: QuerySet[CalibrationLink]
    used_by: list[str]
    attempts: QuerySet[Attempt]
    products: QuerySet[Product]
    history: list[Certification]


class BlockView(HouseView):
    """One association block: its frames, calibrations, runs, products, score and decisions."""

    @extend_schema(operation_id="blocks_one", responses=OneBlockSerializer)
    def get(self, request: Request, ab_name: str) -> Response:
        parameters.check_known(request.GET, ("format",))
        block = find_block(request, ab_name)
        return Response(OneBlockSerializer(_whole(block)).data)


def _whole(block: AssociationBlock) -> Whole:
    history = list(told().filter(block=block).order_by("-number"))
    used_by = block.used_by.order_by("block__mjd_obs", "block")
    return Whole(
        block=block,
        score=BlockScore.objects.standing().filter(block=block).first(),
        certification=_holding(history[0], block) if history else None,
        waiver=waivers_of([block]).get(block.pk),
        frames=block.block_frames.select_related("raw_file").order_by("raw_file__mjd_obs", "pk"),
        calibrations=block.calibrations.select_related("producer", "file").order_by("pk"),
        used_by=list(dict.fromkeys(used_by.values_list("block__ab_name", flat=True))),
        attempts=block.attempts.defer("log", "inputs"),
        products=Product.objects.filter(attempt=block.current_attempt_id).order_by("name"),
        history=history,
    )
