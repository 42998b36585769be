"""Nights of an instrument: how many blocks stand how, with the numbers of the pages."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.models import AssociationBlock, Instrument, NightEvent, NightEventKind, RawFile
from pipelines.services.nights import NightState, state_of
from qcweb import parameters
from qcweb.api.fields import Address, Instant, Number
from qcweb.api.filters import Choice, Nights, OfInstrument, Span
from qcweb.api.house import HouseView, refuse_foreign, unknown
from qcweb.api.listing import Listing, ListView, Order, Place
from qcweb.board import Board, make_board
from qcweb.nightlines import NightLine, night_lines

IS_CLOSED = "whether somebody has said that the night is done"
DAY_NOK = "day result: values outside their limits, of all blocks"
DAY_SCORED = "day result: values that could be scored, of all blocks"


class NightSerializer(serializers.Serializer[Any]):
    instrument = serializers.CharField(help_text="of which instrument")
    night = serializers.DateField(help_text="date of UT − 21 h")
    n_blocks = serializers.IntegerField(source="n", help_text="its blocks")
    n_at_rest = serializers.IntegerField(source="n_done", help_text="with nothing left to be done")
    n_running = serializers.IntegerField(help_text="at work")
    n_queued = serializers.IntegerField(help_text="that wait for a worker")
    n_blocked = serializers.IntegerField(help_text="that wait for another block")
    n_failed = serializers.IntegerField(help_text="without products")
    n_incomplete = serializers.IntegerField(help_text="that lack an input")
    n_to_review = serializers.IntegerField(source="n_review", help_text="that wait for a person")
    n_nok = serializers.IntegerField(help_text=DAY_NOK)
    n_scored = serializers.IntegerField(help_text=DAY_SCORED)
    is_closed = serializers.BooleanField(help_text=IS_CLOSED)
    address = Address("api:night", "instrument", "night", help_text="address of the night here")
    page = Address("night", "instrument", "night", help_text="address of its page")


def _count(words: str) -> serializers.IntegerField:
    return serializers.IntegerField(help_text=words)


class ProcessingSerializer(serializers.Serializer[Any]):
    """Blocks of a night by how far they are."""

    all = _count("all blocks")
    successful = _count("made their products")
    degraded = _count("of the successful, made but not as planned")
    failed = _count("made no products")
    blocked = _count("wait for another block")
    running = _count("at work")
    queued = _count("wait for a worker")
    created = _count("not queued")


class CompletenessSerializer(serializers.Serializer[Any]):
    """Blocks of a night by whether all their inputs are there."""

    complete = _count("with all inputs")
    incomplete = _count("that lack an input")


class ScoresOfNightSerializer(serializers.Serializer[Any]):
    """Blocks of a night by their scores."""

    green = _count("with all scored values inside: OK")
    red = _count("with a value outside: NOK")
    grey = _count("with no value that could be scored")


class DecisionsOfNightSerializer(serializers.Serializer[Any]):
    """Blocks of a night by the decision that stands."""

    review = _count("wait for a person")
    auto = _count("certified by the system")
    accepted = _count("accepted by a person")
    rejected = _count("rejected by a person")
    waived = _count("known to be incomplete or to fail, and waived")


class FramesOfNightSerializer(serializers.Serializer[Any]):
    """Frames of a night."""

    all = _count("registered")
    science = _count("of science, which is not processed here")
    unclassified = _count("that no rule classifies")
    damaged = _count("that cannot be read in full")
    gone = _count("gone from disk")
    hidden = _count("hidden: used for nothing")


class ClosingSerializer(serializers.Serializer[Any]):
    """The last that was said of a night."""

    kind = serializers.ChoiceField(
        [NightEventKind.CLOSED.value, NightEventKind.REOPENED.value],
        help_text="closed, or opened again",
    )
    by = serializers.CharField(
        source="decided_by.username", allow_null=True, default=None, help_text="null: the system"
    )
    at = Instant(source="decided_at", help_text="UT")
    comment = serializers.CharField(help_text="in words, or empty")
    left = serializers.DictField(
        child=serializers.IntegerField(), help_text="how much of what was left, when it was closed"
    )


class OneNightSerializer(serializers.Serializer[Any]):
    instrument = serializers.CharField(source="of.name", help_text="of which instrument")
    night = serializers.DateField(help_text="date of UT − 21 h")
    n_blocks = serializers.IntegerField(help_text="its blocks")
    is_at_work = serializers.BooleanField(
        source="board.is_open", help_text="something is still to be done with a block"
    )
    processing = ProcessingSerializer(source="counts", help_text="blocks by process status")
    completeness = CompletenessSerializer(source="counts", help_text="blocks by completeness")
    score = ScoresOfNightSerializer(source="counts", help_text="blocks by score")
    certification = DecisionsOfNightSerializer(source="counts", help_text="blocks by decision")
    n_nok = serializers.IntegerField(help_text=DAY_NOK)
    n_scored = serializers.IntegerField(help_text=DAY_SCORED)
    result = serializers.IntegerField(
        allow_null=True, help_text="day result: 0 OK, 1 NOK, null: nothing is scored"
    )
    n_scored_blocks = serializers.IntegerField(
        source="board.n_scored_blocks", help_text="blocks with a scored value"
    )
    is_closed = serializers.BooleanField(source="state.is_closed", help_text=IS_CLOSED)
    closing = ClosingSerializer(
        source="state.entry", allow_null=True, help_text="null: nobody ever closed it"
    )
    frames = FramesOfNightSerializer(help_text="frames of the night")
    duration_s = Number(help_text="time of the recipes of its present results, in s")
    blocks = Address(
        "api:blocks", "of__name", "night", query="instrument={}&night={}&order=mjd_obs",
        help_text="address of its blocks",
    )  # fmt: skip
    page = Address("night", "of__name", "night", help_text="address of its page")


def _nights() -> QuerySet[AssociationBlock, Any]:
    """Return the nights of each instrument that have blocks."""
    last = (
        NightEvent.objects.about_closing()
        .filter(instrument=OuterRef("instrument"), night=OuterRef("night"))
        .order_by("-pk")
    )
    return (
        AssociationBlock.objects.values("night", "instrument_id")
        .annotate(said=Subquery(last.values("kind")[:1]))
        .distinct()
    )


def _tell(nights: list[Place], request: Request) -> Sequence[NightLine]:
    """Sum up the nights of a page: four queries, whatever their number."""
    names = dict(Instrument.objects.values_list("pk", "name"))
    blocks = AssociationBlock.objects.filter(
        instrument__in={one.key for one in nights}, night__in={one.value for one in nights}
    )
    lines = {(line.instrument, line.night): line for line in night_lines(blocks)}
    wanted = [(names[one.key], one.value) for one in nights]
    return [lines[key] for key in wanted if key in lines]


class NightsView(ListView):
    """Nights of each instrument that have blocks: what is done, what is left, the day result."""

    listing = Listing(
        collection="nights",
        rows=_nights,
        serializer=NightSerializer,
        orders={"night": Order("night", dt.date.fromisoformat)},
        key="instrument_id",
        filters=[
            OfInstrument(),
            Nights(),
            Span("night", "The night", "night"),
            Choice("state", "Whether somebody has said that the night is done",
                   {"closed": Q(said=NightEventKind.CLOSED),
                    "open": Q(said=None) | ~Q(said=NightEventKind.CLOSED)}),
        ],
        tell=_tell,
    )  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A night as its page tells it."""

    of: Instrument
    night: dt.date
    board: Board
    state: NightState
    frames: dict[str, int]

    @property
    def counts(self) -> dict[str, int]:
        return {count.key: count.n for _, counts in self.board.axes() for count in counts}

    @property
    def n_blocks(self) -> int:
        return len(self.board.rows)

    @property
    def n_nok(self) -> int:
        return sum(row.n_nok for row in self.board.rows)

    @property
    def n_scored(self) -> int:
        return sum(row.n_scored for row in self.board.rows)

    @property
    def result(self) -> int | None:
        return min(self.n_nok, 1) if self.n_scored else None

    @property
    def duration_s(self) -> float:
        return sum(row.duration_s or 0.0 for row in self.board.rows)


class NightView(HouseView):
    """One night of one instrument: its blocks on the four axes, the day result, open or closed."""

    @extend_schema(operation_id="nights_one", responses=OneNightSerializer)
    def get(self, request: Request, instrument: str, night: str) -> Response:
        parameters.check_known(request.GET, ("format",))
        refuse_foreign(request, instrument)
        found = Instrument.objects.filter(name=instrument).first()
        if found is None:
            known = ", ".join(Instrument.objects.observing().values_list("name", flat=True))
            raise unknown("instrument", instrument, "instrument", f"Known are {known or 'none'}.")
        return Response(OneNightSerializer(_told(found, _day(night))).data)


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise unknown("night", text, "night", "Nights are dates: 2015-02-26.") from error


def _told(instrument: Instrument, night: dt.date) -> Told:
    blocks = list(
        AssociationBlock.objects.of_night(instrument.name, night)
        .in_cascade_order()
        .select_related("blocked_by", "current_attempt")
    )
    return Told(
        of=instrument,
        night=night,
        board=make_board(blocks, timezone.now()),
        state=state_of(instrument, night),
        frames=RawFile.objects.of_night(instrument, night).aggregate(
            all=Count("pk"),
            science=Count("pk", filter=Q(is_science=True)),
            unclassified=Count("pk", filter=Q(raw_type="", pro_catg="")),
            damaged=Count("pk", filter=~Q(problem="")),
            gone=Count("pk", filter=Q(gone_at__isnull=False)),
            hidden=Count("pk", filter=Q(hidden_at__isnull=False)),
        ),
    )
