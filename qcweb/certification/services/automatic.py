"""Certifies green blocks by themselves where their raw type allows it; all others wait for people."""

import datetime as dt
import hashlib

from pipelines.models import (
    AssociationBlock,
    CertificationMode,
    ProcessStatus,
    RawType,
)
from pipelines.services.hiding import uses_hidden
from pipelines.services.requests import note_decision
from qcweb.certification.models import Certification, Decision
from trending.models import Score

from .record import (
    Evidence,
    evidence,
    latest,
    mark_values,
    write_entry,
)


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
            block, at, is_open=False, is_rejected=is_rejected, is_certified=not is_rejected,
            is_badqual=last.is_badqual,
        )  # fmt: skip
        mark_values(block, last, at)
        return False
    seen = evidence(block)
    is_automatic = may_be_automatic(block, seen)
    if is_automatic:
        write_entry(block, Decision.AUTO, None, "", at, last, seen)
    note_decision(
        block,
        at,
        is_open=not is_automatic,
        is_rejected=block.is_withdrawn,
        is_certified=is_automatic,
        is_badqual=block.is_badqual,
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
    return write_entry(block, Decision.REOPENED, None, comment, at, last, seen)


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
