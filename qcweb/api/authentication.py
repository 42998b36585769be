"""Who asks the API: what the door has found out already, in the words of REST framework."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from qcweb.access import CHALLENGE, token_of
from qcweb.people.models import ApiToken


class TokenAuthentication(BaseAuthentication):
    """The account of the token that `qcweb.access` let in.

    A request with a token needs no token of a form: no other site can make a browser send one.
    """

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        token = token_of(request._request)
        return None if token is None else (request._request.user, token)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class DoorAuthentication(BaseAuthentication):
    """Whoever came through the door, login or token, where nothing is written: no form needs a token."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        user = request._request.user
        return (user, getattr(request._request, "token", None)) if user.is_authenticated else None
