"""The one shape of an error, after RFC 9457: the same for API and pages, words for a person.

As JSON: ``{"type", "title", "status", "detail", "where", "hint", "errors"}``. ``where`` names the
parameter, column or path segment that is wrong; ``hint`` says what to do or which values are known;
``errors`` lists what is wrong where several parts are, each with its ``where`` and ``detail``.
"""

import dataclasses
import logging
import uuid
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fault:
    """One of several parts of a request that are wrong."""

    where: str
    detail: str


@dataclass(frozen=True)
class Problem:
    status: int
    title: str
    detail: str
    where: str = ""
    hint: str = ""
    errors: tuple[Fault, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"type": "about:blank", **dataclasses.asdict(self)}


class ProblemError(Exception):
    """Raised by views: becomes the answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


# Addresses that programs ask: an error is JSON there, unless a browser asks.
MACHINES = ("/api/", "/tap/", "/qc1/qc1_cgi")


def prefers_html(request: HttpRequest) -> bool:
    """Whether a person reads: `?format=` says so, or Accept names HTML before JSON, as browsers do."""
    if chosen := _format(request):
        return chosen == "html"
    try:
        html, json = request.accepted_type("text/html"), request.accepted_type("application/json")
    except (LookupError, ValueError):  # a header nobody can read
        return False
    if html is None or "*" in {html.main_type, html.sub_type}:
        return False
    return json is None or html.quality > json.quality


def _format(request: HttpRequest) -> str:
    # A page of the API reads the rest of its address as a program's.
    if getattr(request, "is_page", False):
        return "html"
    try:
        return request.GET.get("format", "")
    except (
        SuspiciousOperation,
        LookupError,
        UnicodeError,
    ):  # unreadable: what is answered is just that
        return ""


def wants_json(request: HttpRequest) -> bool:
    if request.path_info.startswith(MACHINES):
        return not prefers_html(request)
    return "application/json" in request.headers.get("Accept", "")


def as_json(problem: Problem) -> HttpResponse:
    return JsonResponse(
        problem.as_dict(), status=problem.status, content_type="application/problem+json"
    )


def respond(request: HttpRequest, problem: Problem) -> HttpResponse:
    if wants_json(request):
        response = as_json(problem)
    else:
        response = render(request, "problem.html", {"problem": problem}, status=problem.status)
    patch_vary_headers(response, ["Accept"])
    return response


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the answer to an error of a view; an unexpected one is logged under a reference."""
    if isinstance(error, ProblemError):
        return respond(request, error.problem)
    if isinstance(error, Http404):
        return respond(request, not_found(str(error)))
    if isinstance(error, PermissionDenied):
        return respond(request, Problem(403, "Not yours to do", str(error) or "Not allowed."))
    if isinstance(error, RequestDataTooBig):
        return respond(request, Problem(413, "Too large", str(error)))
    if isinstance(error, (SuspiciousOperation, BadRequest)):
        return respond(request, Problem(400, "Unreadable request", str(error)))
    return _failure(request, error)


def _failure(request: HttpRequest, error: Exception) -> HttpResponse:
    reference = uuid.uuid4().hex[:8]
    logger.error("reference %s: %s failed", reference, request.path, exc_info=error)
    hint = f"Try again; if it stays, give the reference {reference} to whoever runs this."
    if isinstance(error, OperationalError):
        detail = "The database does not answer. Nothing that is stored has changed."
        response = respond(request, Problem(503, "Not now", detail, hint=hint))
        response["Retry-After"] = "30"
        return response
    detail = "The page could not be made. Nothing that is stored has changed."
    return respond(request, Problem(500, "This did not work", detail, hint=hint))


def not_found(detail: str = "") -> Problem:
    return Problem(
        404,
        "Not found",
        detail or "There is nothing at this address.",
        hint="Start from the first page, or search a night.",
    )
