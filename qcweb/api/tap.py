"""TAP, the Virtual Observatory's protocol for tables: ADQL asked and answered at once.

`pyvo` and TOPCAT speak it. Errors are VOTables here, as the protocol wants them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.http import HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from qcweb.access import instruments_of
from trending.exports import FORMATS, Format, Head, votable
from trending.services.adql import Answer, ask
from trending.services.adql_reading import QueryRefusedError
from trending.services.adql_tables import Relation, relations

from . import vosi
from .authentication import DoorAuthentication
from .house import HouseView

MAX_ROWS = 50_000
_KNOWN = ("REQUEST", "LANG", "QUERY", "FORMAT", "RESPONSEFORMAT", "MAXREC", "VERSION", "RUNID")
_LANGUAGES = ("ADQL", "ADQL-2.0", "ADQL-2.1")
# What programs call the forms of an answer.
_NAMES = {
    "votable": "votable", "votable/td": "votable", "votable/b2": "votable",
    "application/x-votable+xml": "votable", "text/xml": "votable", "csv": "csv", "text/csv": "csv",
    "fits": "fits", "application/fits": "fits", "parquet": "parquet",
    "application/vnd.apache.parquet": "parquet", "ascii": "ascii", "text/plain": "ascii",
}  # fmt: skip


class TapView(HouseView):
    """One of TAP's resources. None of them writes: a form from anywhere may be posted."""

    authentication_classes = (DoorAuthentication,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Leave `format` alone: here it is the protocol's, in any case of letters."""


class SyncView(TapView):
    """Answers a query in ADQL."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponseBase:
        return _answer(request, request.GET)

    @extend_schema(exclude=True)
    def post(self, request: Request) -> HttpResponseBase:
        return _answer(request, request._request.POST)


class TablesView(TapView):
    """What tables and columns there are; of one, or of all."""

    @extend_schema(exclude=True)
    def get(self, request: Request, name: str = "") -> HttpResponse:
        known = _relations(request)
        if name and name not in known:
            return _refused(f"There is no table {name}. Known are {', '.join(known)}.", 404)
        content = vosi.table(known[name]) if name else vosi.tables(list(known.values()))
        return HttpResponse(content, content_type=vosi.MEDIA_TYPE)


class CapabilitiesView(TapView):
    """What this service can do."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        base = request.build_absolute_uri().partition("?")[0].removesuffix("/capabilities")
        return HttpResponse(vosi.capabilities(base, MAX_ROWS), content_type=vosi.MEDIA_TYPE)


class AvailabilityView(TapView):
    """Whether it answers."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(vosi.availability(), content_type=vosi.MEDIA_TYPE)


class TapPage(TapView):
    """What a person who opens the service's address sees."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        base = request.build_absolute_uri().partition("?")[0].rstrip("/")
        return render(
            request._request, "tap.html", {"base": base, "relations": _relations(request).values()}
        )


class AsyncView(TapView):
    """Queries that are asked now and answered later are not offered: says so, and what is."""

    @extend_schema(exclude=True)
    def get(self, request: Request, rest: str = "") -> HttpResponse:
        return _refused("Only synchronous queries are answered: use /tap/sync.", 404)

    @extend_schema(exclude=True)
    def post(self, request: Request, rest: str = "") -> HttpResponse:
        return self.get(request, rest)


def _relations(request: Request) -> dict[str, Relation]:
    return relations(instruments_of(request._request))


def _answer(request: Request, form: QueryDict) -> HttpResponseBase:
    try:
        given = _parameters(form)
        chosen = _format(given)
        limit = _limit(given)
        found = ask(given["QUERY"], _relations(request), limit)
    except QueryRefusedError as error:
        return _refused(str(error))
    return _write(found, chosen)


def _parameters(form: QueryDict) -> Mapping[str, str]:
    """Return the parameters by name, which may be written in any case; the last one counts."""
    given = {name.upper(): str(form[name]) for name in form}
    for name in given:
        if name not in _KNOWN:
            raise QueryRefusedError(f"There is no parameter {name}. Known are {', '.join(_KNOWN)}.")
    if given.get("REQUEST", "doQuery") != "doQuery":
        raise QueryRefusedError("REQUEST must be doQuery.")
    if given.get("LANG", "ADQL").upper() not in _LANGUAGES:
        raise QueryRefusedError(f"LANG must be one of {', '.join(_LANGUAGES)}.")
    if not given.get("QUERY", "").strip():
        raise QueryRefusedError("There is no QUERY: SELECT TOP 5 * FROM tap_schema.tables")
    return given


def _format(given: Mapping[str, str]) -> Format:
    asked = given.get("RESPONSEFORMAT") or given.get("FORMAT") or "votable"
    # A media type may have parameters: ...;serialization=BINARY2
    name = _NAMES.get(asked.partition(";")[0].strip().lower())
    if name is None:
        known = ", ".join(dict.fromkeys(_NAMES.values()))
        raise QueryRefusedError(f"RESPONSEFORMAT {asked!r} is not known. Known are {known}.")
    return FORMATS[name]


def _limit(given: Mapping[str, str]) -> int:
    text = given.get("MAXREC", str(MAX_ROWS))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise QueryRefusedError(f"MAXREC={text[:40]!r}: give a whole number.")
    return min(int(text), MAX_ROWS)


def _write(found: Answer, chosen: Format) -> StreamingHttpResponse:
    head = Head(
        name="result", title="Result of a query", columns=found.columns, n_rows=len(found.rows),
        widths=found.widths(), notes=("Times are UT, MJD is UTC.",),
    )  # fmt: skip
    if chosen.name == "votable":
        content = votable.write(head, found.batches(), is_cut=found.is_cut)
    else:
        content = chosen.write(replace(head, notes=_notes(found)), found.batches())
    return StreamingHttpResponse(content, content_type=chosen.media_type)


def _notes(found: Answer) -> tuple[str, ...]:
    cut = (f"Cut after {len(found.rows)} rows.",) if found.is_cut else ()
    return ("Times are UT, MJD is UTC.", *cut)


def _refused(words: str, status: int = 400) -> HttpResponse:
    return HttpResponse(votable.failure(words), content_type=votable.MEDIA_TYPE, status=status)
