"""The OpenAPI schema: the error shape and the ways to log in stand at every operation."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

# Status and meaning of what any operation may answer beside its own results.
ERRORS = {
    400: "The request is wrong: `where` says which part, `hint` what is known.",
    401: "The token is no good, or this installation shows its data only to whom it knows.",
    403: "The account may not do this, or its token was not made for it.",
    404: "There is no such thing.",
    405: "The method does nothing here.",
    429: "Too many requests: `Retry-After` says how many seconds to wait.",
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


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How to send a token."""

    target_class = "qcweb.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "hcm_…",
            "description": "A token from the page /tokens/, with the scope the operation needs.",
        }


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
