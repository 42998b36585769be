"""Reports of a night and of a month, for paper: what happened, and what was decided."""

import calendar
import datetime as dt
import re

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.services.nights import state_of
from qcweb.problems import Problem, ProblemError
from qcweb.web.summary import summarise
from qcweb.web.views.nights import find_instrument, parse_night

_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")


def night_report(request: HttpRequest, instrument: str, night: str) -> HttpResponse:
    found, day = find_instrument(instrument), parse_night(night)
    summary = summarise(found, day, day)
    return render(
        request,
        "summary.html",
        {"instrument": found, "night": day, "summary": summary, "state": state_of(found, day)},
    )


def month_report(request: HttpRequest, instrument: str, month: str) -> HttpResponse:
    found, first = find_instrument(instrument), parse_month(month)
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    after = last + dt.timedelta(days=1)
    return render(
        request,
        "summary.html",
        {
            "instrument": found,
            "month": first,
            "before": first - dt.timedelta(days=1),
            "after": after,
            "summary": summarise(found, first, last),
        },
    )


def parse_month(text: str) -> dt.date:
    """Return the first day of a month.

    Raises
    ------
    ProblemError
        The text is none: 404.
    """
    found = _MONTH.fullmatch(text)
    year, month = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (1900 <= year < 2200 and 1 <= month <= 12):
        raise ProblemError(
            Problem(404, "Unknown month", f"{text!r} is no month.",
                    where="month", hint="Months are written 2015-02.")
        )  # fmt: skip
    return dt.date(year, month, 1)
