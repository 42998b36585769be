"""What happened in some nights, in numbers and words: for the report of a night or of a month."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Avg, Count, Q, Sum
from django.utils import timezone

from pipelines.models import (
    AssociationBlock,
    Attempt,
    Instrument,
    NightEvent,
    Outcome,
)
from qcweb import looks
from qcweb.board import Board, BoardRow, make_board
from qcweb.certification.models import Certification, Decision
from qcweb.looks import Look
from qcweb.nightlines import NightLine, night_lines
from qcweb.notes.models import Comment, Subject

# What a report tells block by block: kind, heading.
PARTS = {
    "red": "Outside their limits",
    "failed": "Failed",
    "degraded": "Degraded",
    "incomplete": "Incomplete",
    "not scored": "Not scored",
}


@dataclass(frozen=True)
class Said:
    """A block, and the last that somebody or the system decided on it."""

    row: BoardRow
    entry: Certification | None

    @property
    def look(self) -> Look | None:
        return looks.DECISIONS[self.entry.decision] if self.entry else None


@dataclass(frozen=True)
class Runs:
    """The runs of recipes."""

    n: int
    n_successful: int
    n_failed: int
    n_running: int
    time_s: float
    mean_s: float | None

    @property
    def success_percent(self) -> float | None:
        ended = self.n_successful + self.n_failed
        return 100 * self.n_successful / ended if ended else None


@dataclass(frozen=True)
class Summary:
    """Some nights of one instrument."""

    instrument: Instrument
    since: dt.date
    until: dt.date
    board: Board
    parts: list[tuple[str, list[Said]]]
    still_open: list[BoardRow]
    commented: list[Said]
    runs: Runs
    events: list[NightEvent]
    comments: list[Comment]
    lines: list[NightLine] = field(default_factory=list)

    @property
    def n_decided(self) -> int:
        return sum(self.board.counts[key] for key in ("auto", "accepted", "rejected"))

    @property
    def duration_s(self) -> float:
        """Return the time of the recipes of the present results, as the API tells it."""
        return sum(row.duration_s or 0.0 for row in self.board.rows)

    @property
    def certification(self) -> list[tuple[Look, int, float]]:
        """Return how many blocks have each decision, and the share (%) of all blocks."""
        n = len(self.board.rows) or 1
        known = [
            (looks.DECISIONS[Decision.AUTO], self.board.counts["auto"]),
            (looks.DECISIONS[Decision.ACCEPTED], self.board.counts["accepted"]),
            (looks.DECISIONS[Decision.REJECTED], self.board.counts["rejected"]),
            (looks.REVIEW, self.board.counts["review"]),
            (looks.WAIVED, self.board.counts["waived"]),
        ]
        return [(look, count, 100 * count / n) for look, count in known]


def summarise(instrument: Instrument, since: dt.date, until: dt.date) -> Summary:
    """Sum up the nights of a span: as many queries for a month as for a night."""
    own = AssociationBlock.objects.filter(instrument=instrument, night__gte=since, night__lte=until)
    blocks = list(
        own.order_by("night", "cascade_level", "mjd_obs", "pk")
        .marked_held()
        .select_related("blocked_by", "current_attempt")
    )
    board = make_board(blocks, timezone.now(), is_night=False)
    _number(board.rows)
    said = _decisions(board.rows)
    events = NightEvent.objects.filter(
        instrument=instrument, night__gte=since, night__lte=until
    ).select_related("decided_by", "raw_file")
    return Summary(
        instrument,
        since,
        until,
        board,
        [(word, [one for one in said if one.row.kind == kind]) for kind, word in PARTS.items()],
        [one for one in board.rows if one.needs_person or one.block.next_step != "REST"],
        [one for one in said if one.entry and one.entry.comment],
        _runs(instrument, since, until),
        list(events),
        _comments(instrument, since, until),
        sorted(night_lines(own), key=lambda line: line.night),
    )


def _number(rows: Sequence[BoardRow]) -> None:
    """Give each block its index in its own night."""
    night, n = None, 0
    for row in rows:
        n = n + 1 if row.block.night == night else 1
        night, row.index = row.block.night, f"CAL{n:03d}"


def _decisions(rows: Sequence[BoardRow]) -> list[Said]:
    entries: dict[int, Certification] = {}
    found = Certification.objects.filter(block__in=[row.block.pk for row in rows])
    for entry in found.select_related("decided_by").order_by("number"):
        entries[entry.block_id] = entry
    return [Said(row, entries.get(row.block.pk)) for row in rows]


def _comments(instrument: Instrument, since: dt.date, until: dt.date) -> list[Comment]:
    """Return what people wrote on the nights and on their blocks."""
    of_nights = Q(subject=Subject.NIGHT, night__gte=since, night__lte=until)
    of_blocks = Q(subject=Subject.BLOCK, block__night__gte=since, block__night__lte=until)
    found = Comment.objects.standing().filter(of_nights | of_blocks, instrument=instrument)
    return list(found.select_related("block", "author"))


def _runs(instrument: Instrument, since: dt.date, until: dt.date) -> Runs:
    good = Q(outcome__in=[Outcome.SUCCESSFUL, Outcome.DEGRADED])
    is_running = Q(outcome=Outcome.RUNNING)
    found = Attempt.objects.filter(
        block__instrument=instrument, block__night__gte=since, block__night__lte=until
    ).aggregate(
        n=Count("pk"),
        good=Count("pk", filter=good),
        running=Count("pk", filter=is_running),
        time_s=Sum("duration_s"),
        mean_s=Avg("duration_s"),
    )
    n_failed = found["n"] - found["good"] - found["running"]
    return Runs(
        found["n"], found["good"], n_failed, found["running"], found["time_s"] or 0.0,
        found["mean_s"],
    )  # fmt: skip
