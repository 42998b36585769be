"""Nights in numbers: one line an instrument and night."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum

from pipelines.models import (
    AssociationBlock,
    Completeness,
    NextStep,
    NightEvent,
    NightEventKind,
    ProcessStatus,
)
from pipelines.models.blocks import waits_for_people
from trending.models import BlockScore

from . import looks
from .looks import Look


@dataclass
class NightLine:
    """One night of one instrument, in numbers."""

    instrument: str
    night: dt.date
    n: int = 0
    n_done: int = 0
    n_failed: int = 0
    n_blocked: int = 0
    n_running: int = 0
    n_queued: int = 0
    n_incomplete: int = 0
    n_review: int = 0
    n_nok: int = 0
    n_scored: int = 0
    is_closed: bool = False

    @property
    def result(self) -> Look:
        return looks.tally(self.n_nok, self.n_scored)

    @property
    def share(self) -> list[tuple[str, float, float]]:
        """Return the parts of its bar: class, start and width in percent."""
        parts = [
            ("sh-ok", self.n_done - self.n_failed),
            ("sh-nok", self.n_failed),
            ("sh-act", self.n_running),
            ("sh-mute", self.n - self.n_done - self.n_running),
        ]
        drawn, start = [], 0.0
        for css, n in parts:
            width = 100 * n / (self.n or 1)
            if n > 0:
                drawn.append((css, round(start, 1), round(width, 1)))
            start += width
        return drawn


def night_lines(blocks: QuerySet[AssociationBlock]) -> list[NightLine]:
    """Sum up blocks by night and instrument, the newest first: three queries."""
    status = ProcessStatus
    counted = blocks.values_list("instrument__name", "night").annotate(
        n=Count("pk"),
        n_done=Count("pk", filter=Q(next_step=NextStep.REST)),
        n_failed=Count("pk", filter=Q(process_status=status.FAILED)),
        n_blocked=Count("pk", filter=Q(process_status=status.BLOCKED)),
        n_running=Count("pk", filter=Q(process_status=status.RUNNING)),
        n_queued=Count("pk", filter=Q(process_status=status.QUEUED)),
        n_incomplete=Count("pk", filter=Q(completeness=Completeness.INCOMPLETE)),
        n_review=Count("pk", filter=waits_for_people()),
    )
    lines = {(line[0], line[1]): NightLine(*line) for line in counted}
    nights = {night for _, night in lines}
    scores = BlockScore.objects.standing().filter(block__in=blocks.order_by().values("pk"))
    for name, night, n_nok, n_scored in scores.values_list(
        "block__instrument__name", "block__night"
    ).annotate(nok=Sum("n_nok"), scored=Sum("n_scored")):
        if line := lines.get((name, night)):
            line.n_nok, line.n_scored = n_nok, n_scored
    events = NightEvent.objects.about_closing().filter(night__in=nights)
    for name, night, kind in events.values_list("instrument__name", "night", "kind"):
        if line := lines.get((name, night)):
            line.is_closed = kind == NightEventKind.CLOSED
    return sorted(lines.values(), key=lambda line: (-line.night.toordinal(), line.instrument))
