"""Certifications: every decision on a block; and how a program writes one."""

import datetime as dt
import json
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.models import AssociationBlock
from qcweb import parameters
from qcweb.api import filters
from qcweb.api.bodies import PARSERS, read_body
from qcweb.api.fields import Address, Instant, Number
from qcweb.api.filters import Nights, OfInstrument, Span, Words, choice, flag
from qcweb.api.house import HouseView, refuse_foreign, unknown
from qcweb.api.listing import Listing, ListView, Order, instant
from qcweb.certification.models import Certification, Decision
from qcweb.certification.services.decisions import FollowUps, decide, take_back
from qcweb.certification.services.record import CertificationError, ConflictError, OutdatedError
from qcweb.problems import Problem, ProblemError

from . import long_columns

# As long as the comment that a page takes.
MAX_COMMENT = 5000
MAX_NUMBER = 2**31 - 1


class EvidenceSerializer(serializers.Serializer[Any]):
    """A value of the block, as it was judged when the decision was written."""

    parameter = serializers.CharField(help_text="name of the QC1 parameter")
    detector = serializers.CharField(help_text="name of the detector, or empty")
    value = Number(help_text="the value, in the parameter's unit")
    lower = Number(help_text="lower limit, in the parameter's unit; null: none")
    upper = Number(help_text="upper limit, in the parameter's unit; null: none")
    result = serializers.IntegerField(allow_null=True, help_text="0 OK, 1 NOK, null: not scored")
    grey_reason = serializers.CharField(help_text="why it was not scored, or empty")
    rule = serializers.CharField(allow_null=True, help_text="key of the rule")
    rule_version = serializers.IntegerField(allow_null=True, help_text="version of the rule")


class CertificationSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="its number among all")
    block = serializers.CharField(source="block.ab_name", help_text="name of the block")
    instrument = serializers.CharField(source="block.instrument.name", help_text="of the block")
    night = serializers.DateField(source="block.night", help_text="of the block")
    raw_type = serializers.CharField(source="block.raw_type", help_text="of the block")
    number = serializers.IntegerField(help_text="its number in the history of the block, from 1")
    attempt = serializers.IntegerField(
        source="attempt.number", allow_null=True, default=None, help_text="the run it is about"
    )
    decision = serializers.ChoiceField(Decision.choices, help_text="what was decided")
    is_standing = serializers.BooleanField(
        help_text="it is the last of its block and about its present result"
    )
    reason = serializers.CharField(help_text="a word of the instrument's reasons, or empty")
    comment = serializers.CharField(help_text="what was seen, in words")
    is_hiding = serializers.BooleanField(help_text="the raw frames were hidden with the rejection")
    is_badqual = serializers.BooleanField(
        help_text="the calibration plan counts it no more and asks for another one"
    )
    decided_by = serializers.CharField(
        source="decided_by.username", allow_null=True, default=None, help_text="null: the system"
    )
    decided_at = Instant(help_text="UT")
    n_nok = serializers.IntegerField(allow_null=True, help_text="values outside at that time")
    n_scored = serializers.IntegerField(allow_null=True, help_text="values scored at that time")
    address = Address("api:block", "block__ab_name", help_text="address of the block here")
    page = Address("block", "block__ab_name", help_text="address of the block's page")


class EntrySerializer(CertificationSerializer):
    """An entry of a block's history, with the scores at that time."""

    scores = EvidenceSerializer(many=True, help_text="values and limits at that time")


class HistorySerializer(serializers.Serializer[Any]):
    """The history of a block, and what somebody who has read it has seen."""

    block = serializers.CharField(help_text="name of the block")
    seen = serializers.IntegerField(help_text="number of the last entry, 0 without one")
    seen_attempt = serializers.IntegerField(help_text="number of the latest run, 0 without one")
    seen_result = serializers.IntegerField(help_text="the run whose result counts, 0 without one")
    certifications = EntrySerializer(many=True, help_text="the newest first")


class DecisionSerializer(serializers.Serializer[Any]):
    """A decision, and what the one who decides has looked at."""

    decision = serializers.ChoiceField(
        [one.value for one in (Decision.ACCEPTED, Decision.REJECTED, Decision.REOPENED)],
        help_text="REOPENED takes the standing decision back",
    )
    comment = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=MAX_COMMENT,
        help_text="what was seen; needed unless a green block is accepted",
    )  # fmt: skip
    reason = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=64,
        help_text="a word of the instrument's reasons",
    )  # fmt: skip
    hide = serializers.BooleanField(
        required=False, default=False,
        help_text="of a rejection: hide the raw frames, so that nobody picks them up",
    )  # fmt: skip
    badqual = serializers.BooleanField(
        required=False, default=True,
        help_text="of a rejection: the calibration plan asks for another one",
    )  # fmt: skip
    seen = serializers.IntegerField(
        min_value=0, max_value=MAX_NUMBER,
        help_text="number of the last entry that was seen, 0 for none; a later one is a conflict",
    )  # fmt: skip
    seen_attempt = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=MAX_NUMBER,
        help_text="number of the latest run that was looked at; a later one is a conflict",
    )  # fmt: skip
    seen_result = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=MAX_NUMBER,
        help_text="number of the run whose result was looked at; another one is a conflict",
    )  # fmt: skip


def told() -> QuerySet[Certification]:
    """Return certifications with all that an answer says of them."""
    standing = Certification.objects.standing().filter(pk=OuterRef("pk"))
    return (
        Certification.objects.select_related("block__instrument", "attempt", "decided_by")
        .annotate(is_standing=Exists(standing))
        .defer(
            *long_columns.of("block", long_columns.BLOCK),
            *long_columns.of("block__instrument", long_columns.INSTRUMENT),
            *long_columns.of("attempt", (*long_columns.ATTEMPT, "parameters")),
        )
    )


class CertificationsView(ListView):
    """Decisions on blocks, by the system and by people; each is added, never edited."""

    listing = Listing(
        collection="certifications",
        rows=lambda: told().defer("scores"),
        serializer=CertificationSerializer,
        orders={
            "id": Order("pk", int),
            "decided_at": Order("decided_at", instant),
            "night": Order("block__night", dt.date.fromisoformat),
        },
        instrument="block__instrument__name",
        filters=[
            OfInstrument(column="block__instrument__name"),
            Nights("block__night"),
            Span("decided_at", "When it was decided", "instant"),
            filters.raw_type("block__raw_type"),
            Words("block", "Name of a block", "block__ab_name"),
            choice("decision", "What was decided", "decision", Decision.values),
            flag("standing", "Whether it is the block's last and about its present result",
                 Q(is_standing=True)),
            Words("decided_by", "Name of the account that decided", "decided_by__username"),
        ],
    )  # fmt: skip


def find_block(request: Request, ab_name: str) -> AssociationBlock:
    """Return a block that the request may see."""
    found = (
        AssociationBlock.objects.select_related(
            "instrument", "current_attempt", "rule_set", "blocked_by"
        )
        .filter(ab_name=ab_name)
        .first()
    )
    if found is None:
        raise unknown("block", ab_name, "ab_name", "Find it among the blocks.")
    refuse_foreign(request, found.instrument.name)
    return found


class BlockCertificationsView(HouseView):
    """The history of decisions on one block, and where the next one is written."""

    parser_classes = PARSERS

    @extend_schema(operation_id="block_certifications_list", responses=HistorySerializer)
    def get(self, request: Request, ab_name: str) -> Response:
        """Return the decisions on one block, with the scores each was made by."""
        parameters.check_known(request.GET, ("format",))
        block = find_block(request, ab_name)
        return Response(HistorySerializer(history(block)).data)

    @extend_schema(
        operation_id="block_certifications_add",
        request={"application/json": DecisionSerializer},
        responses={201: EntrySerializer},
    )
    def post(self, request: Request, ab_name: str) -> Response:
        """Write a decision on one block: for QC scientists.

        Say what you have looked at, as the history gives it: if anything is newer, nothing is
        written and the answer is 409.
        """
        parameters.check_known(request.GET, ("format",))
        block = find_block(request, ab_name)
        entry = _write(block, request, read_body(request, DecisionSerializer))
        return Response(EntrySerializer(told().get(pk=entry.pk)).data, status=201)

    def example(self, answer: Any) -> str:
        """Return a decision on what the answer shows."""
        seen = {name: answer[name] for name in ("seen", "seen_attempt", "seen_result")}
        return json.dumps({"decision": Decision.ACCEPTED, "comment": "", **seen}, indent=2)


def history(block: AssociationBlock) -> dict[str, Any]:
    entries = list(told().filter(block=block).order_by("-number"))
    return {
        "block": block.ab_name,
        "seen": entries[0].number if entries else 0,
        "seen_attempt": block.attempt,
        "seen_result": block.current_attempt.number if block.current_attempt else 0,
        "certifications": entries,
    }


def _write(block: AssociationBlock, request: Request, asked: dict[str, Any]) -> Certification:
    if not isinstance(request.user, User):
        raise ProblemError(Problem(401, "Log in first", "This needs a name."))
    seen_attempt, seen_result = asked.get("seen_attempt"), asked.get("seen_result")
    more = FollowUps(asked["reason"], hides=asked["hide"], is_badqual=asked["badqual"])
    decision, comment = Decision(asked["decision"]), asked["comment"]
    at = timezone.now()
    try:
        if decision == Decision.REOPENED:
            return take_back(
                block, request.user, comment, seen=asked["seen"], seen_attempt=seen_attempt,
                seen_result=seen_result, at=at,
            )  # fmt: skip
        return decide(
            block, decision, request.user, comment, seen=asked["seen"], seen_attempt=seen_attempt,
            seen_result=seen_result, follow_ups=more, at=at,
        )  # fmt: skip
    except (ConflictError, OutdatedError) as error:
        hint = "GET the history again: it says what there is to be seen now."
        raise ProblemError(
            Problem(409, "Conflict", error.message, where="seen", hint=hint)
        ) from error
    except CertificationError as error:
        raise ProblemError(
            Problem(422, "Not possible", error.message, where=error.field)
        ) from error
