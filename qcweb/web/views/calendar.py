"""The calendar: the nights of a year, each with its worst state, and what is missing."""

import calendar as months
import datetime as dt
from collections import Counter
from dataclasses import dataclass

from django.db.models import Max, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument
from qcweb.looks import Look
from qcweb.nightlines import NightLine, night_lines
from qcweb.problems import Problem, ProblemError
from qcweb.web.views.nights import find_instrument

# The states of a night, the worst first, as they look: colour, shape and word.
STATES = {
    "red": Look("nok", "nok", "NOK", "a value outside its limits"),
    "failed": Look("failed", "failed", "failed", "a block without products"),
    "work": Look("running", "running", "at work", "something is still to be done"),
    "review": Look("open", "open", "to review", "a block waits for a person"),
    "grey": Look("grey", "grey", "not scored", "nothing could be scored"),
    "green": Look("ok", "ok", "OK", "all scored values inside their limits"),
}
HOLE = Look("nodata", "nodata", "no data", "no block of this night")


@dataclass(frozen=True)
class Day:
    """One night of the calendar; without a line it is a hole, or still to come."""

    night: dt.date
    state: str
    line: NightLine | None = None

    @property
    def look(self) -> Look:
        return STATES.get(self.state, HOLE)

    @property
    def words(self) -> str:
        """Return what a night has, for its tooltip and for those who cannot see it."""
        if self.line is None:
            return f"{self.night}: {'still to come' if self.state == 'future' else 'no data'}"
        line = self.line
        counts = {
            "failed": line.n_failed, "incomplete": line.n_incomplete, "to review": line.n_review,
            "at work": line.n - line.n_done,
        }  # fmt: skip
        result = f"{line.n_nok}/{line.n_scored}" if line.n_scored else "not scored"
        parts = [f"{self.night}: {self.look.word}", f"{line.n} blocks", f"day result {result}"]
        parts += [f"{n} {word}" for word, n in counts.items() if n]
        return ", ".join(parts + (["closed"] if line.is_closed else []))


@dataclass(frozen=True)
class Month:
    """A month as weeks from Monday to Sunday; None is a day of another month."""

    first: dt.date
    weeks: list[list[Day | None]]


def state_of_night(line: NightLine) -> str:
    """Return the worst that a night has; a red value that a person has answered stays red."""
    if line.n_nok:
        return "red"
    if line.n_failed:
        return "failed"
    if line.n_done < line.n:
        return "work"
    if line.n_review:
        return "review"
    return "green" if line.n_scored else "grey"


def newest(request: HttpRequest, instrument: str) -> HttpResponse:
    """Show the year of the last night with blocks."""
    return calendar(request, instrument, _years(find_instrument(instrument))[1])


def calendar(request: HttpRequest, instrument: str, year: int) -> HttpResponse:
    found = find_instrument(instrument)
    if not 1900 <= year < 2200:
        raise ProblemError(
            Problem(404, "Unknown year", f"{year} is no year of ours.", where="year",
                    hint="Years are from 1900 to 2199.")
        )  # fmt: skip
    days = days_of(found, dt.date(year, 1, 1), dt.date(year, 12, 31))
    counts = Counter(day.state for day in days.values())
    first, last = _years(found)
    return render(
        request,
        "calendar.html",
        {
            "instrument": found,
            "instruments": Instrument.objects.observing(),
            "year": year,
            "before": year - 1 if year > first else None,
            "after": year + 1 if year < last else None,
            "months": [month_of(year, month, days) for month in range(1, 13)],
            "legend": [(look, counts[state]) for state, look in STATES.items()],
            "hole": HOLE,
            "n_holes": counts["hole"],
            "n": sum(day.line is not None for day in days.values()),
        },
    )


def days_of(instrument: Instrument, since: dt.date, until: dt.date) -> dict[dt.date, Day]:
    """Return every night of a span, those without data too: three queries."""
    blocks = AssociationBlock.objects.filter(
        instrument=instrument, night__gte=since, night__lte=until
    )
    lines = {line.night: line for line in night_lines(blocks)}
    today = timezone.now().date()
    found = {}
    for n in range((until - since).days + 1):
        night = since + dt.timedelta(days=n)
        line = lines.get(night)
        if line is None:
            found[night] = Day(night, "future" if night >= today else "hole")
        else:
            found[night] = Day(night, state_of_night(line), line)
    return found


def month_of(year: int, month: int, days: dict[dt.date, Day]) -> Month:
    """Return a month of a year's nights."""
    weeks = months.Calendar().monthdatescalendar(year, month)
    return Month(
        dt.date(year, month, 1),
        [[days[day] if day.month == month else None for day in week] for week in weeks],
    )


def _years(instrument: Instrument) -> tuple[int, int]:
    """Return the first and the last year with blocks, and always this one."""
    spans = AssociationBlock.objects.filter(instrument=instrument).aggregate(
        first=Min("night"), last=Max("night")
    )
    this = timezone.now().year
    first, last = (spans[key].year if spans[key] else this for key in ("first", "last"))
    return min(first, last), max(last, first)
