"""Cleans requests at the door, and turns every error into the one shape."""

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from qcweb.problems import Problem, answer, respond

# Django writes a byte of the path that is not UTF-8 as a percent escape again.
_NOT_UTF8 = re.compile("%[89A-F][0-9A-F]")


class CleanRequestMiddleware:
    """Refuses bytes no address or form of ours has: NUL, and what is not UTF-8."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if where := _dirty(request):
            return respond(
                request,
                Problem(
                    400,
                    "Unreadable request",
                    f"The {where} has a NUL or a byte that is not UTF-8.",
                    where=where,
                    hint="Encode text as UTF-8, without NUL.",
                ),
            )
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return answer(request, error)


def _dirty(request: HttpRequest) -> str:
    if request.encoding and not _is_of_text(request.encoding):
        return "header Content-Type"
    if "\x00" in request.path_info or _NOT_UTF8.search(request.path_info):
        return "path"
    query = unquote_to_bytes(request.META.get("QUERY_STRING", "").replace("+", " "))
    if not _is_clean(query):
        return "query"
    # Small forms only: uploads are read by their own views.
    is_form = request.content_type == "application/x-www-form-urlencoded"
    if is_form and not _is_clean(unquote_to_bytes(request.body.replace(b"+", b" "))):
        return "form"
    return ""


def _is_of_text(encoding: str) -> bool:
    """Whether an encoding makes text of bytes: Python has some that make bytes of bytes."""
    try:
        b"a".decode(encoding, "replace")
    except (LookupError, UnicodeError):
        return False
    return True


def _is_clean(text: bytes) -> bool:
    if b"\x00" in text:
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
