"""The rows and counters of the AB monitor: four axes, never merged."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipelines.models import AssociationBlock, Completeness, NextStep, ProcessStatus, Waiver
from pipelines.services.waivers import waivers_of
from qcweb.certification.models import Certification
from trending.models import BlockScore

from . import looks
from .looks import Look


@dataclass
class BoardRow:
    """One block on the board."""

    index: str
    block: AssociationBlock
    process: Look
    completeness: Look
    score: Look | None
    certification: Look
    queue: str
    comment: str
    kind: str
    needs_person: bool
    n_nok: int
    n_scored: int
    duration_s: float | None
    qc_duration_s: float | None
    filters: set[str] = field(default_factory=set)
    # The index of the failed block this one waits for; rows of a cause that others wait for.
    culprit: str = ""
    n_waiting: int = 0

    @property
    def search_text(self) -> str:
        block = self.block
        words = [self.index, block.ab_name, block.raw_type, block.setup, block.recipe,
                 self.kind, self.comment]  # fmt: skip
        return " ".join(words).lower()

    @property
    def t_exec(self) -> str:
        """Return the seconds of the recipe and of the QC1 step, as the field writes it: 3.3+0.1."""
        if self.duration_s is None:
            return ""
        qc = "" if self.qc_duration_s is None else f"+{_seconds(self.qc_duration_s)}"
        return f"{_seconds(self.duration_s)}{qc}"

    @property
    def short_name(self) -> tuple[str, str, str]:
        """Return the name in its parts: date, time of day, tag."""
        stem = self.block.ab_name.removesuffix(".ab")
        head, mark, rest = stem.partition("T")
        if not mark or len(rest) < 8:
            return "", stem, ""
        time, _, tag = rest.partition("_")
        return f"{head}T", time, f"_{tag}" if tag else ""


def _seconds(duration: float) -> str:
    return f"{duration:.2f}" if duration < 0.095 else f"{duration:.1f}"


@dataclass(frozen=True)
class Count:
    """A counter that is also a filter."""

    key: str
    n: int
    css: str
    glyph: str
    word: str


@dataclass(frozen=True)
class Board:
    rows: list[BoardRow]
    counts: Counter[str]

    @property
    def result(self) -> Look:
        """Return the day's result: sums over the scored blocks; nothing scored is grey."""
        return looks.tally(
            sum(row.n_nok for row in self.rows), sum(row.n_scored for row in self.rows)
        )

    @property
    def n_scored_blocks(self) -> int:
        return sum(1 for row in self.rows if row.n_scored)

    @property
    def is_open(self) -> bool:
        return any(row.block.next_step != NextStep.REST for row in self.rows)

    def axes(self) -> list[tuple[str, list[Count]]]:
        """Return the counters, axis by axis, in the order of every page."""
        return [
            (
                name,
                [Count(key, self.counts[key], css, glyph, word) for key, css, glyph, word in axis],
            )
            for name, axis in _AXES
        ]


_AXES: list[tuple[str, list[tuple[str, str, str, str]]]] = [
    (
        "Processing",
        [
            ("all", "", "", "all"),
            ("successful", "is-ok", "ok", "successful"),
            ("degraded", "is-warn", "warn", "degraded"),
            ("failed", "is-nok", "failed", "failed"),
            ("blocked", "", "blocked", "blocked"),
            ("running", "is-act", "running", "running"),
            ("queued", "", "queued", "queued"),
            ("created", "", "created", "created"),
        ],
    ),
    (
        "Completeness",
        [
            ("complete", "is-ok", "ok", "compl."),
            ("incomplete", "is-warn", "warn", "incompl."),
        ],
    ),
    (
        "Score",
        [
            ("green", "is-ok", "ok", "OK"),
            ("red", "is-nok", "nok", "NOK"),
            ("grey", "", "grey", "not scored"),
        ],
    ),
    (
        "Certification",
        [
            ("review", "is-act", "open", "to review"),
            ("auto", "", "auto", "auto"),
            ("accepted", "is-human", "accepted", "accepted"),
            ("rejected", "is-human", "rejected", "rejected"),
            ("waived", "", "waived", "waived"),
        ],
    ),
]
FILTERS = tuple(key for _, axis in _AXES for key, *_ in axis)


def make_board(
    blocks: Sequence[AssociationBlock],
    at: dt.datetime,
    *,
    is_night: bool = True,
    may_be_waived: bool = True,
) -> Board:
    """Build the rows of blocks, in the order given; two queries whatever their number.

    Only the blocks of one whole night have an index, CAL001 and so on.
    """
    scores = {
        score.block_id: score
        for score in BlockScore.objects.standing().filter(block__in=[block.pk for block in blocks])
    }
    entries = latest_entries(block.pk for block in blocks)
    waivers = waivers_of(blocks) if may_be_waived else {}
    indexes = {block.pk: f"CAL{n:03d}" if is_night else "" for n, block in enumerate(blocks, 1)}
    rows = [
        make_row(
            indexes[block.pk],
            block,
            scores.get(block.pk),
            entries.get(block.pk),
            at,
            waivers.get(block.pk),
        )
        for block in blocks
    ]
    _mark_held(rows)
    _fold(rows, indexes)
    counts = Counter(key for row in rows for key in row.filters)
    return Board(rows, counts)


def _mark_held(rows: Sequence[BoardRow]) -> None:
    """Say of waiting blocks that they are held; asked only where some wait and are not marked."""
    waiting = {
        row.block.pk: row
        for row in rows
        if row.block.next_step == NextStep.PROCESS
        and row.block.process_status != ProcessStatus.RUNNING
    }
    if all(hasattr(row.block, "is_held") for row in waiting.values()):
        for row in waiting.values():
            row.queue = "held" if row.block.is_held else row.queue  # type: ignore[attr-defined]
        return
    if waiting:
        held = AssociationBlock.objects.filter(pk__in=waiting).held()
        for pk in held.values_list("pk", flat=True):
            waiting[pk].queue = "held"


def latest_entries(block_ids: Iterable[int]) -> dict[int, Certification]:
    entries: dict[int, Certification] = {}
    found = Certification.objects.filter(block__in=list(block_ids)).select_related("decided_by")
    for entry in found.order_by("number"):
        entries[entry.block_id] = entry
    return entries


def make_row(
    index: str,
    block: AssociationBlock,
    score: BlockScore | None,
    entry: Certification | None,
    at: dt.datetime,
    waiver: Waiver | None = None,
) -> BoardRow:
    entry = entry if entry is not None and entry.holds(block) else None
    needs_person = entry is None and block.needs_person and waiver is None
    row = BoardRow(
        index=index,
        block=block,
        process=looks.process(block),
        completeness=looks.COMPLETENESS[block.completeness],
        score=looks.score(score),
        certification=looks.certification(entry, needs_person=needs_person, waiver=waiver),
        queue=looks.queue_word(block, at),
        comment=_comment(block, score, entry, needs_person=needs_person),
        kind=kind_of(block, score),
        needs_person=needs_person,
        n_nok=score.n_nok if score else 0,
        n_scored=score.n_scored if score else 0,
        duration_s=block.current_attempt.duration_s if block.current_attempt else None,
        qc_duration_s=block.current_attempt.qc_duration_s if block.current_attempt else None,
    )
    row.filters = _filters(block, score, entry, needs_person=needs_person)
    if waiver is not None and entry is None:
        row.filters.add("waived")
    return row


def _comment(
    block: AssociationBlock,
    score: BlockScore | None,
    entry: Certification | None,
    *,
    needs_person: bool,
) -> str:
    if entry is not None and entry.comment:
        return entry.comment
    if block.completeness == Completeness.INCOMPLETE:
        return block.incomplete_reason
    if block.reason:
        return block.reason
    if needs_person and score is not None:
        return score.summary or score.get_grey_reason_text()
    return ""


def kind_of(block: AssociationBlock, score: BlockScore | None) -> str:
    if block.completeness == Completeness.INCOMPLETE:
        return "incomplete"
    if block.process_status != ProcessStatus.SUCCESSFUL:
        return block.get_process_status_display()
    if score is None or not score.n_scored:
        return "not scored"
    if score.n_nok:
        return "red"
    return "degraded" if block.is_degraded else "green"


def _filters(
    block: AssociationBlock,
    score: BlockScore | None,
    entry: Certification | None,
    *,
    needs_person: bool,
) -> set[str]:
    keys = {"all", block.process_status.lower(), block.completeness.lower()}
    if block.is_degraded:
        keys.add("degraded")
    if score is not None:
        keys.add("red" if score.n_nok else "green" if score.n_scored else "grey")
    if entry is not None:
        keys.add(entry.decision.lower())
    elif needs_person:
        keys.add("review")
    return keys


def _fold(rows: list[BoardRow], indexes: dict[int, str]) -> None:
    """Say of each blocked block who is to blame: the end of its chain of waiting."""
    by_pk = {row.block.pk: row for row in rows}
    for row in rows:
        culprit = row.block.blocked_by_id
        seen = {row.block.pk}
        while culprit in by_pk and by_pk[culprit].block.blocked_by_id and culprit not in seen:
            seen.add(culprit)
            culprit = by_pk[culprit].block.blocked_by_id
        if culprit in by_pk and by_pk[culprit].block.process_status == ProcessStatus.FAILED:
            row.culprit = indexes[culprit]
            by_pk[culprit].n_waiting += 1
