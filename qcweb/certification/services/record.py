"""What is written of decisions, and what of them stands."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User

from pipelines.models import (
    AssociationBlock,
)
from qcweb.certification.models import Certification, Claim, Decision
from trending.models import BlockScore, Score
from trending.services.corrections import mark_rejected


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


def write_entry(
    block: AssociationBlock,
    decision: Decision,
    by: User | None,
    comment: str,
    at: dt.datetime,
    last: Certification | None,
    seen: Evidence,
    **more: str | bool,
) -> Certification:
    Claim.objects.filter(block=block).delete()
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
        **more,
    )


def mark_values(block: AssociationBlock, entry: Certification, at: dt.datetime) -> None:
    """Let the values of a block follow the decision on it."""
    mark_rejected(
        block,
        rejected=entry.decision == Decision.REJECTED,
        author=entry.decided_by.get_username() if entry.decided_by else "the system",
        reason=entry.comment,
        at=at,
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
