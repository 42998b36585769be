"""The one shape of an error, after RFC 9457: the same for API and pages, words for a person.

As JSON: ``{"type", "title", "status", "detail", "where", "hint"}``. ``where`` names the parameter,
column or path segment that is wrong; ``hint`` says what to do or which values are known.
"""

import dataclasses
import logging
import uuid
from dataclasses import dataclass

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    status: int
    title: str
    detail: str
    where: str = ""
    hint: str = ""

    def as_dict(self) -> dict[str, str | int]:
        return {"type": "about:blank", **dataclasses.asdict(self)}


class ProblemError(Exception):
    """Raised by views: becomes the answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def wants_json(request: HttpRequest) -> bool:
    if request.path_info.startswith("/api/"):
        return True
    return "application/json" in request.headers.get("Accept", "")


def as_json(problem: Problem) -> HttpResponse:
    return JsonResponse(
        problem.as_dict(), status=problem.status, content_type="application/problem+json"
    )


def respond(request: HttpRequest, problem: Problem) -> HttpResponse:
    if wants_json(request):
        return as_json(problem)
    return render(request, "problem.html", {"problem": problem}, status=problem.status)


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the answer to an error of a view; an unexpected one is logged under a reference."""
    if isinstance(error, ProblemError):
        return respond(request, error.problem)
    if isinstance(error, Http404):
        return respond(request, not_found(str(error)))
    if isinstance(error, PermissionDenied):
        return respond(request, Problem(403, "Not yours to do", str(error) or "Not allowed."))
    if isinstance(error, (SuspiciousOperation, BadRequest)):
        return respond(request, Problem(400, "Unreadable request", str(error)))
    reference = uuid.uuid4().hex[:8]
    logger.error("reference %s: %s failed", reference, request.path, exc_info=error)
    return respond(
        request,
        Problem(
            500,
            "This did not work",
            "The page could not be made. Nothing that is stored has changed.",
            hint=f"Try again; if it stays, give the reference {reference} to whoever runs this.",
        ),
    )


def not_found(detail: str = "") -> Problem:
    return Problem(
        404,
        "Not found",
        detail or "There is nothing at this address.",
        hint="Start from the first page, or search a night.",
    )
