"""The audit log as a page: who did what, when; searched, and taken along as CSV."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone

from pipelines.models import Instrument
from qcweb.access import rights_in
from qcweb.acts import ACTS
from qcweb.people.models import AuditEntry
from qcweb.problems import Problem, ProblemError
from trending.exports import FORMATS, Column, Head, Kind, arrow_schema

PAGE = 100
# Rows that are read from the database at once on the way out.
BATCH = 2000
VERBS = sorted(
    {act.verb for act in ACTS.values()} | {"logged in", "logged out", "login failed", "locked out"}
)
COLUMNS = [
    Column("id", Kind.INTEGER),
    Column("at", Kind.INSTANT, description="UT"),
    *(
        Column(name, Kind.TEXT)
        for name in (
            "person", "verb", "kind", "subject", "instrument", "words", "asked", "before", "after",
            "source", "token",
        )
    ),
]  # fmt: skip
KNOWN = ("person", "verb", "instrument", "q", "from", "to", "before", "format")


def audit(request: HttpRequest) -> HttpResponseBase:
    """Show the lines somebody may see, the newest first; `?format=csv`: all of them as a file."""
    found = _asked(request, _visible(request))
    if request.GET.get("format") == "csv":
        return _csv(found)
    before = _number(request, "before")
    lines = list((found.filter(pk__lt=before) if before else found)[: PAGE + 1])
    query = request.GET.copy()
    query.pop("before", None)
    return render(
        request,
        "audit.html",
        {
            "lines": lines[:PAGE],
            "older": lines[PAGE - 1].pk if len(lines) > PAGE else None,
            "is_later": before is not None,
            "asked": {name: request.GET.get(name, "") for name in KNOWN},
            "is_asked": any(request.GET.get(name) for name in KNOWN),
            "query": query.urlencode(),
            "verbs": VERBS,
            "instruments": [
                one.name for one in Instrument.objects.all() if one in rights_in(request).science
            ],
        },
    )


def _visible(request: HttpRequest) -> QuerySet[AuditEntry]:
    """Return what somebody may see: administrators all, scientists what was done to their own."""
    rights, lines = rights_in(request), AuditEntry.objects.all()
    if rights.is_admin:
        return lines
    if rights.science.names is None:
        return lines.exclude(instrument="")
    return lines.filter(instrument__in=rights.science.names)


def _asked(request: HttpRequest, lines: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    for name in ("person", "verb", "instrument"):
        if text := request.GET.get(name, "").strip():
            lines = lines.filter(**{name: text})
    for word in request.GET.get("q", "")[:200].split():
        lines = lines.filter(
            Q(subject__icontains=word) | Q(words__icontains=word) | Q(person__icontains=word)
        )
    if first := _day(request, "from"):
        lines = lines.filter(at__gte=first)
    if last := _day(request, "to"):
        lines = lines.filter(at__lt=last + dt.timedelta(days=1))
    return lines.order_by("-pk")


def _day(request: HttpRequest, name: str) -> dt.datetime | None:
    text = request.GET.get(name, "").strip()
    if not text:
        return None
    try:
        day = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
        day + dt.timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise ProblemError(
            Problem(400, "Unknown date", f"{name}={text[:40]!r}.", where=name,
                    hint="Write it as 2026-03-01.")
        ) from error  # fmt: skip
    return day


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ProblemError(
            Problem(400, "Unknown place", f"{name}={text[:40]!r}.", where=name,
                    hint="Follow “Older” from the first page.")
        )  # fmt: skip
    return int(text)


def _csv(lines: QuerySet[AuditEntry]) -> StreamingHttpResponse:
    csv = FORMATS["csv"]
    head = Head("audit", "Audit log", COLUMNS)
    response = StreamingHttpResponse(csv.write(head, _batches(lines)), content_type=csv.media_type)
    name = f"audit_{timezone.now():%Y-%m-%d}.{csv.ending}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _batches(lines: QuerySet[AuditEntry]) -> Iterator[pa.RecordBatch]:
    schema, last = arrow_schema(COLUMNS), None
    while True:
        page = list((lines if last is None else lines.filter(pk__lt=last))[:BATCH])
        if not page:
            return
        last = page[-1].pk
        yield pa.RecordBatch.from_pylist([_row(one) for one in page], schema=schema)


def _row(line: AuditEntry) -> dict[str, Any]:
    return {
        "id": line.pk,
        "at": line.at.astimezone(dt.UTC).replace(tzinfo=None),
        **{
            name: getattr(line, name)
            for name in ("person", "verb", "kind", "subject", "instrument", "words", "token")
        },
        **{name: _text(getattr(line, name)) for name in ("asked", "before", "after")},
        "source": line.source,
    }


def _text(value: object) -> str | None:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else None
