"""Whether recipes take longer, or more memory, than they used to."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from pipelines.models import Outcome
from pipelines.services.progress import HISTORY
from qcweb.monitor import latest_runs

# So many runs of each recipe are drawn; the latest `HISTORY` are compared with those before.
DRAWN = 60


@dataclass(frozen=True)
class RecipeTrend:
    """The latest runs of one instrument's recipe, oldest first.

    Attributes
    ----------
    duration_s, memory_mb
        Medians of the latest twenty runs; memory None where it was not measured.
    duration_ratio, memory_ratio
        Those over the medians of the runs before; None without runs before.
    """

    instrument: str
    recipe: str
    durations: list[float]
    duration_s: float
    duration_ratio: float | None
    memory_mb: float | None
    memory_ratio: float | None

    @property
    def is_slower(self) -> bool:
        return self.duration_ratio is not None and self.duration_ratio >= 1.5

    @property
    def is_larger(self) -> bool:
        return self.memory_ratio is not None and self.memory_ratio >= 1.5

    @property
    def points(self) -> list[tuple[float, float]]:
        """Return the runs as points of a picture 112 by 22."""
        top = max(self.durations) or 1.0
        step = 108 / max(1, len(self.durations) - 1)
        return [
            (round(2 + n * step, 1), round(20 - 18 * one / top, 1))
            for n, one in enumerate(self.durations)
        ]


def recipe_trends() -> list[RecipeTrend]:
    """Return every recipe that has run lately; one query, and at most sixty runs of each."""
    found = (
        latest_runs()
        .filter(
            outcome__in=[Outcome.SUCCESSFUL, Outcome.DEGRADED],
            reused=None,
            duration_s__isnull=False,
        )
        .annotate(
            nth=Window(
                RowNumber(),
                partition_by=[F("block__instrument"), F("recipe")],
                order_by=F("pk").desc(),
            )
        )
        .filter(nth__lte=DRAWN)
        .order_by("block__instrument__name", "recipe", "pk")
    )
    runs: dict[tuple[str, str], list[tuple[float, float | None]]] = {}
    for name, recipe, duration_s, peak_mb in found.values_list(
        "block__instrument__name", "recipe", "duration_s", "peak_mb"
    ):
        runs.setdefault((name, recipe), []).append((duration_s or 0.0, peak_mb))
    return [_trend(name, recipe, done) for (name, recipe), done in runs.items()]


def _trend(instrument: str, recipe: str, runs: list[tuple[float, float | None]]) -> RecipeTrend:
    durations = [duration for duration, _ in runs]
    duration_s, duration_ratio = _compared(durations)
    memory_mb, memory_ratio = _compared(peak for _, peak in runs)
    return RecipeTrend(
        instrument, recipe, durations, duration_s or 0.0, duration_ratio, memory_mb, memory_ratio
    )


def _compared(numbers: Iterable[float | None]) -> tuple[float | None, float | None]:
    """Return the median of the latest runs, and its ratio to that of those before.

    >>> _compared([2.0] * 20 + [3.0] * 20), _compared([2.0]), _compared([None])
    ((3.0, 1.5), (2.0, None), (None, None))
    """
    known = [one for one in numbers if one is not None]
    latest, before = known[-HISTORY:], known[:-HISTORY]
    if not latest:
        return None, None
    now = median(latest)
    then = median(before) if before else 0.0
    return now, now / then if then else None
