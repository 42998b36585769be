"""People's decisions on blocks: accepted, rejected, taken back."""

import datetime as dt
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from pipelines.domain.instrument_file import REASONS
from pipelines.models import AssociationBlock, Instrument, NextStep, ProcessStatus, RawFile
from pipelines.services.hiding import hide_frames, holds_hidden, show_frames
from pipelines.services.organise import organise_nights
from pipelines.services.requests import note_decision
from qcweb.certification.models import Certification, Decision

from .record import (
    CertificationError,
    ConflictError,
    OutdatedError,
    evidence,
    latest,
    mark_values,
    standing,
    write_entry,
)


@dataclass(frozen=True)
class FollowUps:
    """What a decision says and does beside accepting or rejecting.

    Attributes
    ----------
    reason
        A word of the instrument's vocabulary, or empty.
    hides
        Of a rejection: its raw frames are hidden, nobody picks them up any more.
    is_badqual
        Of a rejection: the calibration plan counts it no more, and asks for another one.
    bulk
        The acts that are taken back as one have the same.
    """

    reason: str = ""
    hides: bool = False
    is_badqual: bool = True
    bulk: str = ""


def reasons_of(instrument: Instrument) -> dict[str, list[str]]:
    """Return what decisions may be for: ``{"accept": [...], "reject": [...]}``."""
    own: dict[str, list[str]] = instrument.reasons
    return REASONS | own


def decide(
    block: AssociationBlock,
    decision: Decision,
    by: User,
    comment: str,
    *,
    seen: int,
    seen_attempt: int | None = None,
    seen_result: int | None = None,
    follow_ups: FollowUps = FollowUps(),
    at: dt.datetime,
) -> Certification:
    """Write a person's decision.

    Parameters
    ----------
    seen : int
        Number of the last entry the person has seen; 0 for none. A later entry is a conflict.
    seen_attempt : int, optional
        Number of the run the person has looked at. A later run is another result.
    seen_result : int, optional
        Number of the run that was the block's result. An earlier one may have been made that.

    Raises
    ------
    CertificationError
        The block has nothing to decide on yet, a comment is missing, or the reason is not known.
    ConflictError
        Somebody else decided meanwhile.
    OutdatedError
        The block has run again meanwhile.
    """
    comment = comment.strip()
    _check_reason(block.instrument, decision, follow_ups.reason)
    hides = decision == Decision.REJECTED and follow_ups.hides
    with transaction.atomic():
        if hides:
            # First the instrument, then blocks: the order in which a night is organised.
            Instrument.objects.select_for_update(no_key=True).get(pk=block.instrument_id)
        block = _locked(block, seen_attempt, seen_result)
        check(block, decision, comment)
        entry = _decide(block, decision, by, comment, seen, at, follow_ups)
        if hides:
            frames = RawFile.objects.filter(block_frames__block=block, hidden_at=None)
            hide_frames(list(frames), by, comment, at)
        # Tables come last, for everybody: after instruments and blocks.
        mark_values(block, entry, at)
        return entry


def _check_reason(instrument: Instrument, decision: Decision, reason: str) -> None:
    known = reasons_of(instrument)["accept" if decision == Decision.ACCEPTED else "reject"]
    if reason and reason not in known:
        raise CertificationError(
            f"{reason!r} is no reason that {instrument} knows: {', '.join(known)}.", field="reason"
        )


def _locked(
    block: AssociationBlock, seen_attempt: int | None, seen_result: int | None = None
) -> AssociationBlock:
    """Return the block as it is now, and keep it so until the decision is written."""
    now = (
        AssociationBlock.objects.select_for_update(of=("self",), no_key=True)
        .select_related("instrument", "current_attempt")
        .get(pk=block.pk)
    )
    if seen_attempt is not None and now.attempt != seen_attempt:
        raise OutdatedError
    result = now.current_attempt.number if now.current_attempt else 0
    if seen_result is not None and result != seen_result:
        raise OutdatedError
    return now


def check(block: AssociationBlock, decision: Decision, comment: str) -> None:
    """Check that a decision can be written on a block as it is now.

    Raises
    ------
    CertificationError
        Why not, and what to do.
    """
    if decision not in {Decision.ACCEPTED, Decision.REJECTED}:
        raise CertificationError("Choose to accept or to reject.", field="decision")
    if decision == Decision.ACCEPTED and block.process_status != ProcessStatus.SUCCESSFUL:
        raise CertificationError(
            f"This block is {block.get_process_status_display()}: there is no product to accept.",
            field="decision",
        )
    if decision == Decision.ACCEPTED and holds_hidden(block):
        raise CertificationError(
            "A frame of this block is hidden. Take the rejection back: it runs again without it.",
            field="decision",
        )
    if block.next_step != NextStep.REST:
        raise CertificationError("This block is still being worked on. Decide when it is done.")
    if not comment and (decision == Decision.REJECTED or not is_plain(block)):
        raise CertificationError(
            "A comment is needed: say what you saw. The mountain reads it.", field="comment"
        )


def is_plain(block: AssociationBlock) -> bool:
    """Whether accepting a block needs no words: it is green, and nothing was amiss."""
    return evidence(block).is_green and not block.is_degraded


def take_back(
    block: AssociationBlock,
    by: User,
    comment: str,
    *,
    seen: int,
    seen_attempt: int | None = None,
    seen_result: int | None = None,
    bulk: str = "",
    at: dt.datetime,
) -> Certification:
    """Take the standing decision back: the block is open again, the history keeps both.

    A block that was rejected gets the frames that have come, or were hidden or shown, meanwhile.
    What was seen is as in `decide`.
    """
    with transaction.atomic():
        # First the instrument, then blocks: the order in which a night is organised.
        Instrument.objects.select_for_update(no_key=True).get(pk=block.instrument_id)
        block = _locked(block, seen_attempt, seen_result)
        last = standing(block)
        if last is None:
            raise CertificationError("There is no decision to take back.")
        was_rejected = block.is_withdrawn
        more = FollowUps(bulk=bulk)
        entry = _decide(block, Decision.REOPENED, by, comment.strip(), seen, at, more)
        if last.is_hiding:
            hidden = RawFile.objects.filter(
                block_frames__block=block, hidden_at=last.decided_at, hidden_by=last.decided_by
            )
            show_frames(list(hidden), by, at)
        elif was_rejected:
            organise_nights([(block.instrument_id, block.night)], at)
        # Tables come last, for everybody: after instruments and blocks.
        mark_values(block, entry, at)
        return entry


def _decide(
    block: AssociationBlock,
    decision: Decision,
    by: User,
    comment: str,
    seen: int,
    at: dt.datetime,
    more: FollowUps,
) -> Certification:
    last = latest(block)
    if last is not None and last.number != seen:
        raise ConflictError(last)
    try:
        with transaction.atomic():
            rejected = decision == Decision.REJECTED
            entry = write_entry(
                block, decision, by, comment, at, last, evidence(block),
                reason=more.reason, bulk=more.bulk, is_hiding=rejected and more.hides,
                is_badqual=rejected and more.is_badqual,
            )  # fmt: skip
            note_decision(
                block,
                at,
                is_open=decision == Decision.REOPENED,
                is_rejected=rejected,
                is_certified=decision == Decision.ACCEPTED,
                is_badqual=entry.is_badqual,
            )
    except IntegrityError as error:
        # Both read the same last number; the database took the faster one.
        now = latest(block)
        if now is None or now.number == seen:
            raise
        raise ConflictError(now) from error
    return entry
