"""Addresses of a test: a door for programs of every kind, which says who has come in."""

from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response

from qcweb.access import Access, instruments_of, token_of
from qcweb.api.house import HouseView
from qcweb.urls import handler404, urlpatterns as pages

__all__ = ["TABLE", "handler404", "urlpatterns"]

# Both ways need the same here, so that a table of scopes has one line for each.
TABLE = {
    "api:read": (Access.READ, Access.READ),
    "api:ingest": (Access.INGEST, Access.INGEST),
    "api:certify": (Access.CERTIFY, Access.CERTIFY),
    "api:account": (Access.LOGIN, Access.LOGIN),
    "api:open": (Access.OPEN, Access.OPEN),
    "tap:sync": (Access.READ, None),
    "qc1-cgi": (Access.READ, None),
}


def seen(request):
    names = instruments_of(request)
    return {
        "user": request.user.get_username(),
        "token": str(token_of(request) or ""),
        "instruments": None if names is None else sorted(names),
    }


class Door(HouseView):
    def get(self, request: Request) -> Response:
        # What REST framework knows is what the door has found out.
        assert (request.auth, request.user) == (token_of(request._request), request._request.user)
        return Response(seen(request._request))

    post = get


def plain(request: HttpRequest) -> JsonResponse:
    return JsonResponse(seen(request))


api = [path(f"{name}/", Door.as_view(), name=name)
       for name in ("read", "ingest", "certify", "account", "open")]  # fmt: skip
tap = [path("sync/", plain, name="sync")]
# Pages too, and the API they link to.
urlpatterns = [
    *pages,
    path("api/", include((api, "api"))),
    path("tap/", include((tap, "tap"))),
    path("cgi", plain, name="qc1-cgi"),
]
