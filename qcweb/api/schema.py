"""The OpenAPI schema: what a listing declares is in it, and the error shape at every operation."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
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
    503: "The database does not answer now; `hint` carries a reference.",
}
# And what those may answer that take a body.
BODY_ERRORS = {
    409: "Somebody else was faster, or what was looked at is no longer so: look again.",
    413: "The body is too large.",
    415: "The body is in a format that is not read here.",
    422: "The request can be read, and cannot be done: `where` says which part of it.",
}
# What the parts of an address are.
PATH = {
    "ab_name": "Name of an association block",
    "instrument": "Name of an instrument: CCDCAM",
    "name": "Name of what is asked for",
    "night": "A night, the date of UT − 21 h: 2015-02-26",
    "id": "Its number, as the list gives it",
    "table": "Name of a QC1 table: ccdcam_bias",
    "parameter": "Name of a column of numbers: ron_raw",
}


class FaultSerializer(serializers.Serializer[Any]):
    """One of several parts that are wrong."""

    where = serializers.CharField(help_text="the part, e.g. a row of an upload")
    detail = serializers.CharField(help_text="what is wrong with it")


class ProblemSerializer(serializers.Serializer[Any]):
    """An error, after RFC 9457."""

    type = serializers.CharField(help_text="always about:blank")
    title = serializers.CharField(help_text="a few words")
    status = serializers.IntegerField(help_text="the HTTP status")
    detail = serializers.CharField(help_text="what is wrong")
    where = serializers.CharField(help_text="the parameter or part that is wrong, or empty")
    hint = serializers.CharField(help_text="what to do, or which values are known")
    errors = FaultSerializer(  # type: ignore[assignment]
        many=True, help_text="what is wrong with each part; empty unless several are"
    )


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
    """Describes a view of the API; of a list everything that its listing declares."""

    def get_override_parameters(self) -> list[Any]:
        listing = getattr(self.view, "listing", None)
        of_list = [one.as_openapi() for one in listing.parameters] if listing else []
        formats = getattr(self.view, "formats", ())
        if self.method != "GET" or not formats:
            return of_list
        words = "Format of the answer; without it a browser gets a page, and a program JSON."
        return [*of_list, OpenApiParameter("format", str, description=words, enum=formats)]

    def get_operation_id(self) -> str:
        listing = getattr(self.view, "listing", None)
        return f"{listing.collection}_list" if listing else super().get_operation_id()

    def get_response_serializers(self) -> Any:
        listing = getattr(self.view, "listing", None)
        return listing.answer if listing else super().get_response_serializers()

    def _get_parameters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = super()._get_parameters()
        for one in found:
            if one["in"] == "path":
                one.setdefault("description", PATH[one["name"]])
            elif one["name"] == "format" and self.method == "GET":
                # Every view has a page.
                known = one["schema"].get("enum", [])
                one["schema"]["enum"] = [*known, *({"html"} - set(known))]
        return found

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(*args, **kwargs)
        errors = ERRORS | (BODY_ERRORS if self.method == "POST" else {})
        for status, words in sorted(errors.items()):
            bodies.setdefault(
                str(status),
                self._get_response_for_code(  # type: ignore[no-untyped-call]
                    OpenApiResponse(ProblemSerializer, description=words),
                    str(status),
                    media_types=["application/problem+json"],
                ),
            )
        if self.method == "GET":
            # Whoever asks for a page, by ?format=html or as a browser does, gets one of everything.
            for body in bodies.values():
                if "content" in body:
                    body["content"]["text/html"] = {"schema": {"type": "string"}}
        return bodies
