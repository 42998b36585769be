"""Reads the body of a request: JSON, or the form of a page that holds JSON."""

import json
from typing import Any

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser
from rest_framework.request import Request

from qcweb.problems import Fault, Problem, ProblemError

# Of what people write by hand; uploads have a limit of their own.
MAX_BYTES = 100_000
# The field of a page's form that holds the JSON.
FORM_FIELD = "json"


class BodyParser(JSONParser):
    """Reads JSON of a size and a depth that can be meant."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        length = parser_context["request"].META.get("CONTENT_LENGTH") or "0"
        if int(length) > MAX_BYTES:
            detail = f"The body has {length} bytes."
            raise ProblemError(
                Problem(413, "Too large", detail, hint=f"At most {MAX_BYTES} are read here.")
            )
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("JSON parse error - it is nested too deeply") from error


PARSERS = (BodyParser, FormParser)


def read_body(request: Request, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return what a body says, checked by a serializer.

    Raises
    ------
    ProblemError
        400, with each part that is wrong.
    """
    data = _json(request)
    if not isinstance(data, dict):
        raise _wrong([Fault("", "The body is no JSON object.")], serializer)
    known = serializer().fields
    faults = [Fault(name, "There is no such field.") for name in data if name not in known]
    checked = serializer(data=data)
    if not checked.is_valid():
        for name, details in checked.errors.items():
            faults += [Fault(name, str(detail)) for detail in details]
    if faults:
        raise _wrong(faults, serializer)
    found: dict[str, Any] = checked.validated_data
    return found


def _json(request: Request) -> Any:
    data = request.data
    if not isinstance(data, QueryDict):
        return data
    try:
        return json.loads(data.get(FORM_FIELD, ""))
    except (ValueError, RecursionError) as error:
        raise ProblemError(
            Problem(400, "Parse error", f"This is no JSON: {error}", where=FORM_FIELD)
        ) from error


def _wrong(faults: list[Fault], serializer: type[serializers.Serializer[Any]]) -> ProblemError:
    first, fields = faults[0], serializer().fields
    choices = getattr(fields.get(first.where), "choices", fields)
    return ProblemError(
        Problem(
            400, "Bad request", first.detail, where=first.where[:100],
            hint=f"Known are {', '.join(map(str, choices))}.",
            errors=tuple(faults[:100]) if len(faults) > 1 else (),
        )
    )  # fmt: skip
