"""The OpenAPI schema: the error shape stands at every operation."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

# Status and meaning of what any operation may answer beside its own results.
ERRORS = {
    400: "The request is wrong: `where` says which part, `hint` what is known.",
    401: "This installation shows its data only after a login.",
    403: "The account may not do this.",
    404: "There is no such thing.",
    405: "The method does nothing here.",
    500: "The server failed; `hint` carries a reference.",
}


class ProblemSerializer(serializers.Serializer[Any]):
    """An error, after RFC 9457."""

    type = serializers.CharField(help_text="always about:blank")
    title = serializers.CharField(help_text="a few words")
    status = serializers.IntegerField(help_text="the HTTP status")
    detail = serializers.CharField(help_text="what is wrong")
    where = serializers.CharField(help_text="the parameter or part that is wrong, or empty")
    hint = serializers.CharField(help_text="what to do, or which values are known")


class HouseSchema(AutoSchema):
    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(*args, **kwargs)
        for status, words in ERRORS.items():
            bodies.setdefault(
                str(status),
                self._get_response_for_code(  # type: ignore[no-untyped-call]
                    OpenApiResponse(ProblemSerializer, description=words),
                    str(status),
                    media_types=["application/problem+json"],
                ),
            )
        return bodies
