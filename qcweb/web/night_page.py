"""A night's page: what it rests on, its stamp, and the part that is drawn once for all readers."""

import datetime as dt
import hashlib
import zlib
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from pipelines.models import (
    AssociationBlock,
    Chore,
    Hold,
    Instrument,
    NextStep,
    ProcessStatus,
    RawFile,
    Waiver,
)
from qcweb.board import Board, make_board
from qcweb.certification.models import Certification
from qcweb.monitor import Sweep
from qcweb.notes.models import Comment, Subject
from qcweb.web.progress import night_progress
from trending.models import BlockScore

from .night_columns import fits, heads, write_rows
from .night_question import NightQuestion

# How often the page asks again (s): while blocks are at work, and at rest.
AT_WORK_S, AT_REST_S = 3, 30
# While blocks are at work the time that is left is written anew so often (s).
PROGRESS_S = 30
# How long a drawn part is kept (s); what is not asked for goes sooner.
KEPT_S = 3600
# What a row of the table shows of its block; the long texts and the history stay where they are.
SHOWN = (
    "instrument_id", "night", "ab_name", "raw_type", "setup", "recipe", "mjd_obs", "cascade_level",
    "completeness", "incomplete_reason", "process_status", "is_degraded", "reason", "next_step",
    "attempt", "next_try_at", "needs_person", "is_withdrawn", "is_cancelled", "status_at",
    "blocked_by__ab_name", "current_attempt__duration_s", "current_attempt__qc_duration_s",
)  # fmt: skip


@dataclass(frozen=True)
class Night:
    """A night of an instrument: what its page depends on, without its blocks."""

    instrument: Instrument
    day: dt.date
    before: dt.date | None
    after: dt.date | None
    newest: dt.date | None
    others: dict[str, int]
    facts: dict[str, Any]
    sweep: Sweep
    # Those on the night itself; they stand beside the drawn part.
    n_comments: int

    @property
    def is_at_work(self) -> bool:
        return bool(self.facts["n_open"])

    def stamp(self, question: NightQuestion, role: str, at: dt.datetime) -> str:
        """Return what the drawn part depends on: unchanged as long as it would look the same."""
        parts = [
            self.instrument.pk, self.day, self.others, self.facts, self.sweep.is_stale, role,
            asdict(question), settings.VERSION,
            int(at.timestamp() // PROGRESS_S) if self.is_at_work else None,
        ]  # fmt: skip
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Drawn:
    """The part of the page that all readers of a role share; nothing of a person is in it."""

    n: int
    n_red: int
    n_failed: int
    n_green: int
    html: SafeString


def find_night(name: str, day: dt.date, at: dt.datetime) -> Night | None:
    """Return a night, whether it has blocks or not, in three queries; None: no such instrument."""
    found = Instrument.objects.filter(name=name).annotate(**_scalars(day)).first()
    if found is None:
        return None
    facts = {key: getattr(found, key) for key in _SCALARS}
    before, after, newest, began = (facts.pop(key) for key in _SCALARS[:4])
    n_comments = facts.pop("n_comments") or 0
    age_s = None if began is None else max(0.0, (at - began).total_seconds())
    facts |= _of_blocks(found, day)
    return Night(
        found, day, before, after, newest, other_frames(found, day), facts,
        Sweep(began, "", age_s), n_comments,
    )  # fmt: skip


_SCALARS = (
    "before", "after", "newest", "swept_at", "certified", "held", "n_held", "score_keys", "score_sums",
    "waived", "n_unwaived", "n_comments",
)  # fmt: skip


def _scalars(day: dt.date) -> dict[str, Subquery]:
    """Return the single values a night's page depends on, each as a question beside its instrument."""
    own = AssociationBlock.objects.filter(instrument=OuterRef("pk")).order_by()
    acts = Certification.objects.filter(block__instrument=OuterRef("pk"), block__night=day)
    scores = (
        BlockScore.objects.standing()
        .filter(block__instrument=OuterRef("pk"), block__night=day)
        .order_by()
        .values("block__instrument")
    )
    holds = Hold.objects.order_by().annotate(all=F("pk") * 0).values("all")
    sweeps = Chore.objects.filter(name="sweep").order_by("-started_at")
    waivers = Waiver.objects.filter(instrument=OuterRef("pk")).order_by().values("instrument")
    comments = (
        Comment.objects.filter(instrument=OuterRef("pk"), subject=Subject.NIGHT, night=day)
        .filter(withdrawn_at=None)
        .order_by()
        .values("instrument")
    )
    wanted: list[QuerySet[Any, Any]] = [
        own.filter(night__lt=day).order_by("-night").values("night")[:1],
        own.filter(night__gt=day).order_by("night").values("night")[:1],
        own.order_by("-night").values("night")[:1],
        sweeps.values("started_at")[:1],
        acts.order_by("-pk").values("pk")[:1],
        holds.annotate(found=Max("pk")).values("found"),
        holds.annotate(found=Count("pk")).values("found"),
        scores.annotate(found=Sum("pk")).values("found"),
        scores.annotate(found=Sum(F("n_nok") * 10007 + F("n_scored"))).values("found"),
        waivers.annotate(found=Max("pk")).values("found"),
        waivers.annotate(found=Count("withdrawn_at")).values("found"),
        comments.annotate(found=Count("pk")).values("found"),
    ]
    return {key: Subquery(one) for key, one in zip(_SCALARS, wanted, strict=True)}


def _of_blocks(instrument: Instrument, day: dt.date) -> dict[str, Any]:
    blocks = AssociationBlock.objects.filter(instrument=instrument, night=day)
    counts = {
        f"n_{status.value.lower()}": Count("pk", filter=Q(process_status=status))
        for status in ProcessStatus
    }
    marks = {
        f"n_{name}": Count("pk", filter=Q(**{name: True}))
        for name in ("is_degraded", "needs_person", "is_withdrawn", "is_cancelled")
    }
    return blocks.aggregate(
        n=Count("pk"),
        n_open=Count("pk", filter=~Q(next_step=NextStep.REST)),
        n_incomplete=Count("pk", filter=Q(completeness="INCOMPLETE")),
        changed=Max("changed_at"),
        since=Max("status_at"),
        levels=Sum("cascade_level"),
        tried_again=Max("next_try_at"),
        n_tried_again=Count("next_try_at"),
        keys=Sum("pk"),
        attempts=Sum("attempt"),
        runs=Sum("current_attempt__pk"),
        took_s=Sum("current_attempt__duration_s"),
        qc_took_s=Sum("current_attempt__qc_duration_s"),
        **counts,
        **marks,
    )


def other_frames(instrument: Instrument, day: dt.date) -> dict[str, int]:
    """Return how many frames of the night are in no block, and why."""
    frames = RawFile.objects.filter(instrument=instrument, night=day)
    return frames.aggregate(
        all=Count("pk"),
        science=Count("pk", filter=Q(is_science=True)),
        unclassified=Count("pk", filter=Q(raw_type="", pro_catg="")),
        damaged=Count("pk", filter=~Q(problem="")),
        gone=Count("pk", filter=Q(gone_at__isnull=False)),
        hidden=Count("pk", filter=Q(hidden_at__isnull=False)),
    )


def board_of(night: Night, at: dt.datetime) -> Board:
    """Return the rows of a night in cascade order: three queries."""
    blocks = (
        AssociationBlock.objects.filter(instrument=night.instrument, night=night.day)
        .in_cascade_order()
        .marked_held()
        .select_related("blocked_by", "current_attempt")
        .only(*SHOWN)
    )
    return make_board(list(blocks), at, may_be_waived=night.facts["waived"] is not None)


def draw(night: Night, question: NightQuestion, role: str) -> Drawn:
    """Draw the shared part of a night's page, or take it from the last time it was drawn.

    Searches are drawn each time: there are too many of them to be kept.
    """
    at = timezone.now()
    if question.search:
        return _draw(night, question, at)
    key = f"night:{night.stamp(question, role, at)}"
    kept: tuple[int, int, int, int, bytes] | None = cache.get(key)
    if kept is not None:
        return Drawn(*kept[:4], SafeString(zlib.decompress(kept[4]).decode()))
    drawn = _draw(night, question, at)
    packed = zlib.compress(drawn.html.encode(), 1)
    cache.set(key, (drawn.n, drawn.n_red, drawn.n_failed, drawn.n_green, packed), KEPT_S)
    return drawn


def _draw(night: Night, question: NightQuestion, at: dt.datetime) -> Drawn:
    board = board_of(night, at)
    rows = question.choose(board.rows)
    axes, columns = heads(question.columns)
    # Without the request: what differs from person to person cannot get into the shared part.
    html = render_to_string(
        "parts/night_live.html",
        {
            "instrument": night.instrument,
            "night": night.day,
            "others": night.others,
            "last": night.newest,
            "sweep": night.sweep,
            "every_s": AT_WORK_S if board.is_open else AT_REST_S,
            "board": board,
            "progress": night_progress([row.block for row in board.rows]),
            "question": question,
            "axes": axes,
            "columns": columns,
            "body": write_rows(rows, question.columns, words=question.words),
            "n_shown": sum(fits(row, question.words) for row in rows),
        },
    )
    counts = board.counts
    return Drawn(len(board.rows), counts["red"], counts["failed"], counts["green"], html)
