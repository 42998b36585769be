"""Certifies blocks: green ones by themselves where that is allowed, all others by people."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from pipelines.models import (
    AssociationBlock,
    CertificationMode,
    Instrument,
    NextStep,
    ProcessStatus,
    RawType,
)
from pipelines.services.hiding import holds_hidden, uses_hidden
from pipelines.services.organise import organise_nights
from pipelines.services.requests import note_decision
from trending.models import BlockScore, Score
from trending.services.corrections import mark_rejected

from .models import Certification, Decision


class CertificationError(Exception):
    """A decision that cannot be written: says why and what to do."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class ConflictError(CertificationError):
    """Somebody else decided meanwhile; `latest` is that decision."""

    def __init__(self, latest: Certification) -> None:
        who = latest.decided_by.get_username() if latest.decided_by else "the system"
        super().__init__(
            f"Not saved: {who} has written “{latest.get_decision_display()}” meanwhile. "
            "Look at it, then decide again."
        )
        self.latest = latest


class OutdatedError(CertificationError):
    """The block has run again since the person looked at it."""

    def __init__(self) -> None:
        super().__init__(
            "Not saved: the block has run again meanwhile. Look at its new result, then decide."
        )


# What is kept of each score with a decision, and where it stands.
_EVIDENCE = {
    "parameter": "series__parameter__name",
    "detector": "row__detector",
    "value": "value",
    "lower": "lower",
    "upper": "upper",
    "result": "result",
    "grey_reason": "grey_reason",
    "rule": "rule__key",
    "rule_version": "rule__version",
}


@dataclass(frozen=True)
class Evidence:
    """A block's score at the time of a decision."""

    n_nok: int | None
    n_scored: int | None
    scores: list[dict[str, object]]

    @property
    def is_green(self) -> bool:
        return self.n_nok == 0 and bool(self.n_scored)


def evidence(block: AssociationBlock) -> Evidence:
    score = (
        BlockScore.objects.standing().filter(block=block, attempt=block.current_attempt_id).first()
    )
    if score is None:
        return Evidence(None, None, [])
    judged = Score.objects.filter(row__attempt=score.attempt_id, is_current=True).order_by("pk")
    found = judged.values_list(*_EVIDENCE.values())
    return Evidence(
        score.n_nok, score.n_scored, [dict(zip(_EVIDENCE, one, strict=True)) for one in found]
    )


def latest(block: AssociationBlock) -> Certification | None:
    return (
        Certification.objects.filter(block=block)
        .select_related("decided_by")
        .order_by("-number")
        .first()
    )


def standing(block: AssociationBlock) -> Certification | None:
    """Return the decision that holds for the block's present result; None when it is open."""
    last = latest(block)
    return last if last is not None and last.holds(block) else None


def settle(block: AssociationBlock, at: dt.datetime) -> bool:
    """Certify a block automatically if its rules allow it; else it waits for a person.

    A rejected block that was run again has a new result: its products stay out of the pool until
    somebody decides on that.
    """
    last = latest(block)
    if last is not None and last.holds(block) and _was_too_quick(block, last):
        last = _reopen(block, last, at)
    if last is not None and last.holds(block):
        # A run was cancelled, or an earlier one made the current one again: it was decided on.
        is_rejected = last.decision == Decision.REJECTED
        note_decision(
            block, at, is_open=False, is_rejected=is_rejected, is_certified=not is_rejected
        )
        _mark(block, last, at)
        return False
    seen = evidence(block)
    is_automatic = may_be_automatic(block, seen)
    if is_automatic:
        _write(block, Decision.AUTO, None, "", at, last, seen)
    note_decision(
        block,
        at,
        is_open=not is_automatic,
        is_rejected=block.is_withdrawn,
        is_certified=is_automatic,
    )
    return is_automatic


def _was_too_quick(block: AssociationBlock, last: Certification) -> bool:
    """Whether the system certified by a score that came out otherwise when it was scored again."""
    return last.decision == Decision.AUTO and (not evidence(block).is_green or _is_corrected(block))


def _reopen(block: AssociationBlock, last: Certification, at: dt.datetime) -> Certification:
    seen = evidence(block)
    said = f"{seen.n_nok}/{seen.n_scored} NOK" if seen.n_scored else "no score"
    said += ", with a person's correction" if _is_corrected(block) else ""
    comment = f"Scored again: {said}. It was certified by its former score."
    return _write(block, Decision.REOPENED, None, comment, at, last, seen)


def may_be_automatic(block: AssociationBlock, seen: Evidence | None = None) -> bool:
    if block.process_status != ProcessStatus.SUCCESSFUL or block.is_degraded or block.is_withdrawn:
        return False
    raw_type = RawType.objects.filter(instrument=block.instrument_id, name=block.raw_type).first()
    if raw_type is None or raw_type.certification == CertificationMode.ALL:
        return False
    if raw_type.certification == CertificationMode.RANDOM and is_sampled(block, raw_type):
        return False
    seen = seen or evidence(block)
    return seen.is_green and not _is_corrected(block) and not uses_hidden(block)


def _is_corrected(block: AssociationBlock) -> bool:
    """Whether a person stands above the rules for a value: then a person decides, by name."""
    return Score.objects.filter(
        row__attempt=block.current_attempt_id, is_current=True, act__isnull=False
    ).exists()


def is_sampled(block: AssociationBlock, raw_type: RawType) -> bool:
    """Whether a green block is one of the sample for people: the same answer every time."""
    digest = hashlib.sha256(block.ab_name.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 * 100 < raw_type.sample_percent


def decide(
    block: AssociationBlock,
    decision: Decision,
    by: User,
    comment: str,
    *,
    seen: int,
    seen_attempt: int | None = None,
    seen_result: int | None = None,
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
        The block has nothing to decide on yet, or a comment is missing.
    ConflictError
        Somebody else decided meanwhile.
    OutdatedError
        The block has run again meanwhile.
    """
    comment = comment.strip()
    if decision not in {Decision.ACCEPTED, Decision.REJECTED}:
        raise CertificationError("Choose to accept or to reject.", field="decision")
    with transaction.atomic():
        block = _locked(block, seen_attempt, seen_result)
        _check_ready(block, decision, comment)
        entry = _decide(block, decision, by, comment, seen, at)
        _mark(block, entry, at)
        return entry


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


def _check_ready(block: AssociationBlock, decision: Decision, comment: str) -> None:
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
    if not comment and (decision == Decision.REJECTED or not _is_plain(block)):
        raise CertificationError(
            "A comment is needed: say what you saw. The mountain reads it.", field="comment"
        )


def _is_plain(block: AssociationBlock) -> bool:
    return evidence(block).is_green and not block.is_degraded


def take_back(
    block: AssociationBlock,
    by: User,
    comment: str,
    *,
    seen: int,
    seen_attempt: int | None = None,
    seen_result: int | None = None,
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
        if standing(block) is None:
            raise CertificationError("There is no decision to take back.")
        was_rejected = block.is_withdrawn
        entry = _decide(block, Decision.REOPENED, by, comment.strip(), seen, at)
        if was_rejected:
            organise_nights([(block.instrument_id, block.night)], at)
        # Tables come last, for everybody: after instruments and blocks.
        _mark(block, entry, at)
        return entry


def _mark(block: AssociationBlock, entry: Certification, at: dt.datetime) -> None:
    """Let the values of a block follow the decision on it."""
    mark_rejected(
        block,
        rejected=entry.decision == Decision.REJECTED,
        author=entry.decided_by.get_username() if entry.decided_by else "the system",
        reason=entry.comment,
        at=at,
    )


def _decide(
    block: AssociationBlock,
    decision: Decision,
    by: User,
    comment: str,
    seen: int,
    at: dt.datetime,
) -> Certification:
    last = latest(block)
    if last is not None and last.number != seen:
        raise ConflictError(last)
    try:
        with transaction.atomic():
            entry = _write(block, decision, by, comment, at, last, evidence(block))
            rejected = decision == Decision.REJECTED
            note_decision(
                block,
                at,
                is_open=decision == Decision.REOPENED,
                is_rejected=rejected,
                is_certified=decision == Decision.ACCEPTED,
            )
    except IntegrityError as error:
        # Both read the same last number; the database took the faster one.
        now = latest(block)
        if now is None or now.number == seen:
            raise
        raise ConflictError(now) from error
    return entry


def _write(
    block: AssociationBlock,
    decision: Decision,
    by: User | None,
    comment: str,
    at: dt.datetime,
    last: Certification | None,
    seen: Evidence,
) -> Certification:
    return Certification.objects.create(
        block=block,
        attempt_id=block.current_attempt_id,
        number=(last.number if last else 0) + 1,
        decision=decision,
        comment=comment,
        decided_by=by,
        decided_at=at,
        n_nok=seen.n_nok,
        n_scored=seen.n_scored,
        scores=seen.scores,
    )


def decisions_on_runs(attempt_ids: Sequence[int]) -> dict[int, str]:
    """Return the decision that stands on each run: AUTO, ACCEPTED, REJECTED, or open."""
    found = dict.fromkeys(attempt_ids, "open")
    for n in range(0, len(attempt_ids), 1000):
        entries = (
            Certification.objects.filter(attempt__in=attempt_ids[n : n + 1000])
            .select_related("block")
            .order_by("number")
            .defer("scores")
        )
        for entry in entries:
            # Of a former run it says what was decided then.
            is_former = entry.block.current_attempt_id != entry.attempt_id
            stands = entry.decision != Decision.REOPENED if is_former else entry.holds(entry.block)
            found[entry.attempt_id or 0] = entry.decision if stands else "open"
    return found
