"""One act on several blocks: what it would change and what not, the act itself, and taking it back."""

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User

from pipelines.models import AssociationBlock
from qcweb.certification.models import Certification, Decision

from .decisions import FollowUps, check, decide, is_plain, take_back
from .record import CertificationError, latest

# What a person can oversee, and the database does within one request.
MOST_BLOCKS = 200


@dataclass(frozen=True)
class Seen:
    """What somebody has seen of a block: its last entry, its latest run, and the run that counts."""

    entry: int
    attempt: int
    result: int

    @classmethod
    def of(cls, block: AssociationBlock, last: Certification | None) -> "Seen":
        result = block.current_attempt.number if block.current_attempt else 0
        return cls(last.number if last else 0, block.attempt, result)

    @classmethod
    def read(cls, text: str) -> "Seen":
        """Read what `__str__` wrote.

        Raises
        ------
        ValueError
        """
        entry, attempt, result = (int(part) for part in text[:40].split("."))
        return cls(entry, attempt, result)

    def __str__(self) -> str:
        return f"{self.entry}.{self.attempt}.{self.result}"


@dataclass(frozen=True)
class Line:
    """One block of a bulk act: how it stands, and why it would be left as it is."""

    block: AssociationBlock
    seen: Seen
    standing: Certification | None
    why_not: str = ""
    needs_comment: bool = False

    @property
    def changes(self) -> bool:
        return not self.why_not


@dataclass(frozen=True)
class Done:
    """What a bulk act has done: blocks with their entries, and those left, each with the reason."""

    bulk: str
    entries: list[Certification]
    left: list[tuple[AssociationBlock, str]]


# Says why a person may not decide on a block; empty where they may.
Refusal = Callable[[AssociationBlock], str]


def preview(
    blocks: Sequence[AssociationBlock], decision: Decision, comment: str, refuses: Refusal
) -> list[Line]:
    """Return what a decision on several blocks would change and what not, without doing it."""
    return [_line(block, decision, comment, refuses) for block in blocks]


def _line(block: AssociationBlock, decision: Decision, comment: str, refuses: Refusal) -> Line:
    last = latest(block)
    standing = last if last is not None and last.holds(block) else None
    why = refuses(block)
    if not why and standing is not None and standing.decision == decision:
        why = f"It is {standing.get_decision_display()} already."
    if not why:
        try:
            check(block, decision, comment)
        except CertificationError as error:
            why = error.message
    needs_comment = decision == Decision.REJECTED or not is_plain(block)
    return Line(block, Seen.of(block, last), standing, why, needs_comment)


def decide_all(
    lines: Sequence[tuple[AssociationBlock, Seen]],
    decision: Decision,
    by: User,
    comment: str,
    follow_ups: FollowUps,
    refuses: Refusal,
    at: dt.datetime,
) -> Done:
    """Decide on each block as it was seen; what has changed meanwhile is left, and said."""
    bulk = uuid.uuid4().hex
    more = FollowUps(follow_ups.reason, follow_ups.hides, follow_ups.is_badqual, bulk)
    done = Done(bulk, [], [])
    for block, seen in lines:
        why = _line(block, decision, comment, refuses).why_not
        if why:
            done.left.append((block, why))
            continue
        try:
            entry = decide(
                block, decision, by, comment, seen=seen.entry, seen_attempt=seen.attempt,
                seen_result=seen.result, follow_ups=more, at=at,
            )  # fmt: skip
        except CertificationError as error:
            done.left.append((block, error.message))
        else:
            done.entries.append(entry)
    return done


def take_all_back(bulk: str, by: User, refuses: Refusal, at: dt.datetime) -> Done:
    """Take a bulk act back where its decisions still stand; what came later is left."""
    done = Done(bulk, [], [])
    entries = Certification.objects.filter(bulk=bulk).exclude(decision=Decision.REOPENED)
    for entry in entries.select_related("block__instrument", "block__current_attempt"):
        block = entry.block
        last = latest(block)
        why = refuses(block)
        if not why and (last is None or last.pk != entry.pk):
            why = "Somebody has decided on it since."
        if why:
            done.left.append((block, why))
            continue
        try:
            comment = "A decision on several blocks was taken back."
            done.entries.append(take_back(block, by, comment, seen=entry.number, bulk=bulk, at=at))
        except CertificationError as error:
            done.left.append((block, error.message))
    return done
