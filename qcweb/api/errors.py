"""Every error of the API in the one shape."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from qcweb.problems import Problem, ProblemError, answer, not_found


def as_problem(error: Exception, context: dict[str, Any]) -> Response | HttpResponse:
    """Turn what a view raised into an answer; Django REST framework calls this."""
    set_rollback()
    problem = _problem(error)
    if problem is None:
        return answer(context["request"]._request, error)
    return Response(
        problem.as_dict(), status=problem.status, content_type="application/problem+json"
    )


def _problem(error: Exception) -> Problem | None:
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, (Http404, exceptions.NotFound)):
        return not_found(str(error))
    if isinstance(error, PermissionDenied):
        return Problem(403, "Not yours to do", str(error) or "Not allowed.")
    if isinstance(error, exceptions.APIException):
        return Problem(error.status_code, error.default_code.replace("_", " "), str(error.detail))
    return None
