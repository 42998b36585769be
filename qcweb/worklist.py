"""What waits for a person, across instruments and nights: the reddest first, and who works on it."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.models import AssociationBlock, NextStep
from qcweb.certification.models import Claim
from qcweb.certification.services.claims import claims_on
from trending.models import BlockScore

from .board import BoardRow, kind_of, make_board
from .nightlines import NightLine, night_lines

# Why a block waits, the most urgent first.
KINDS = ("red", "failed", "degraded", "incomplete", "not scored", "green")
# Rows that a person can oversee; the rest comes up as these are decided.
MOST_ROWS = 500
# Nights whose next step is told, the newest first.
MOST_NIGHTS = 40
RECENT_NIGHTS = 7


@dataclass(frozen=True)
class Waiting:
    """A block that waits, as light as the order of all of them needs it."""

    pk: int
    ab_name: str
    instrument: str
    night: dt.date
    kind: str


@dataclass(frozen=True)
class WorkRow:
    """A row of the worklist: the block as on its night's page, and who works on it."""

    row: BoardRow
    claim: Claim | None


def waiting(instrument: str = "") -> list[Waiting]:
    """Return all blocks that wait for a person in the order of the worklist: two queries."""
    blocks = (
        AssociationBlock.objects.for_people()
        .select_related("instrument")
        .only("ab_name", "instrument__name", "night", "process_status", "completeness", "is_degraded")
        .order_by("-night", "cascade_level", "mjd_obs", "pk")
    )  # fmt: skip
    if instrument:
        blocks = blocks.filter(instrument__name=instrument)
    found = list(blocks)
    scores = {
        score.block_id: score
        for score in BlockScore.objects.standing().filter(block__needs_person=True)
    }
    ordered = [
        Waiting(one.pk, one.ab_name, one.instrument.name, one.night,
                kind_of(one, scores.get(one.pk)))
        for one in found
    ]  # fmt: skip
    return sorted(ordered, key=lambda one: _urgency(one.kind))


def _urgency(kind: str) -> int:
    return KINDS.index(kind) if kind in KINDS else len(KINDS)


def rows_of(found: Sequence[Waiting], at: dt.datetime) -> list[WorkRow]:
    """Return the rows of some waiting blocks, in their order; four queries whatever their number."""
    order = {one.pk: n for n, one in enumerate(found)}
    blocks = AssociationBlock.objects.filter(pk__in=order).select_related(
        "instrument", "blocked_by", "current_attempt"
    )
    board = make_board(list(blocks), at, is_night=False)
    claims = claims_on([row.block for row in board.rows], at)
    # Decided since they were found: they wait no more.
    rows = [row for row in board.rows if row.needs_person]
    rows.sort(key=lambda row: order[row.block.pk])
    return [WorkRow(row, claims.get(row.block.pk)) for row in rows]


def counts(found: Sequence[Waiting]) -> list[tuple[str, int]]:
    """Return how many blocks wait for which reason, the most urgent first; only what there is."""
    n = Counter(one.kind for one in found)
    return sorted(n.items(), key=lambda one: _urgency(one[0]))


def next_to(ab_name: str) -> tuple[str, str, int]:
    """Return the blocks to review before and after one, or empty, and how many wait."""
    names = [one.ab_name for one in waiting()]
    if ab_name not in names:
        return "", names[0] if names else "", len(names)
    at = names.index(ab_name)
    after = names[at + 1] if at + 1 < len(names) else ""
    return names[at - 1] if at else "", after, len(names)


@dataclass(frozen=True)
class OpenNight:
    """A night that is not closed, and the step that leads there."""

    line: NightLine
    step: str
    """``process``, ``review`` or ``close``."""


def open_nights() -> list[OpenNight]:
    """Return the nights that are not closed, the newest first, each with its next step."""
    blocks = AssociationBlock.objects.all()
    newest = blocks.order_by("-night").values_list("night", flat=True).distinct()[:RECENT_NIGHTS]
    unfinished = blocks.for_people() | blocks.exclude(next_step=NextStep.REST)
    nights = {*newest, *unfinished.values_list("night", flat=True).distinct()}
    lines = night_lines(blocks.filter(night__in=sorted(nights, reverse=True)[:MOST_NIGHTS]))
    return [OpenNight(line, _step(line)) for line in lines if not line.is_closed][:MOST_NIGHTS]


def _step(line: NightLine) -> str:
    if line.n_done < line.n:
        return "process"
    return "review" if line.n_review else "close"
