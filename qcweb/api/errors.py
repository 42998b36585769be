"""Every error of the API in the one shape."""

from typing import Any

from django.http import HttpResponse
from rest_framework import exceptions
from rest_framework.views import set_rollback

from qcweb.problems import Problem, answer, not_found, respond


def as_problem(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """Turn what a view raised into an answer; Django REST framework calls this."""
    set_rollback()
    request = context["request"]._request
    if isinstance(error, exceptions.NotFound):
        return respond(request, not_found(str(error)))
    if isinstance(error, exceptions.APIException):
        title = error.default_code.replace("_", " ").capitalize()
        return respond(request, Problem(error.status_code, title, str(error.detail)))
    return answer(request, error)
