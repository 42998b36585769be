"""Who may do what: one table for pages and API. A URL that is not in the table opens for nobody."""

from collections.abc import Callable
from enum import StrEnum
from hmac import compare_digest

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import Resolver404, resolve

from qcweb.problems import Problem, respond

QC_SCIENTISTS = "QC scientists"
STAFF = "Observatory staff"


class Access(StrEnum):
    """What a request needs."""

    OPEN = "open to everybody"
    READ = "a reader: logged in, or anybody where HCM_ANONYMOUS_READ is on"
    CERTIFY = "a QC scientist"


# URL name: what reading it (GET, HEAD, OPTIONS) needs, what acting on it (POST) needs.
# None: that method does not exist there.
TABLE: dict[str, tuple[Access | None, Access | None]] = {
    "home": (Access.READ, None),
    "login": (Access.OPEN, Access.OPEN),
    "logout": (None, Access.OPEN),
    "patterns": (Access.OPEN, None),
    "health": (Access.OPEN, None),
    # Or the token of HCM_METRICS_TOKEN: a Prometheus has no login.
    "metrics": (Access.READ, None),
    "nights": (Access.READ, None),
    "night": (Access.READ, None),
    "frames": (Access.READ, None),
    "cascade": (Access.READ, None),
    "night-close": (Access.CERTIFY, Access.CERTIFY),
    "night-reopen": (None, Access.CERTIFY),
    "night-calibrated": (None, Access.CERTIFY),
    "gallery": (Access.READ, None),
    "night-run": (Access.CERTIFY, Access.CERTIFY),
    "handover": (Access.READ, None),
    "handover-archive": (None, Access.CERTIFY),
    "worklist": (Access.READ, None),
    "raw-frames": (Access.READ, None),
    "frame": (Access.READ, None),
    "frame-look": (Access.READ, None),
    "frame-hide": (None, Access.CERTIFY),
    "plans": (Access.READ, None),
    "plan": (Access.READ, None),
    "monitor": (Access.READ, None),
    "monitor-act": (None, Access.CERTIFY),
    "search": (Access.READ, None),
    "block": (Access.READ, None),
    "block-log": (Access.READ, None),
    "block-associations": (Access.READ, None),
    "block-certify": (None, Access.CERTIFY),
    "block-undo": (None, Access.CERTIFY),
    "block-scores": (None, Access.CERTIFY),
    "block-run": (Access.CERTIFY, Access.CERTIFY),
    "block-act": (None, Access.CERTIFY),
    "block-replace": (Access.CERTIFY, Access.CERTIFY),
    "block-compare": (Access.READ, None),
    "block-current": (None, Access.CERTIFY),
    "product": (Access.READ, None),
    "product-look": (Access.READ, None),
    "reports": (Access.READ, None),
    "report": (Access.READ, None),
    "report-figure": (Access.READ, None),
    "tables": (Access.READ, None),
    "table": (Access.READ, None),
    "value": (Access.READ, None),
    "value-act": (None, Access.CERTIFY),
    "value-undo": (None, Access.CERTIFY),
    "sanity": (Access.READ, None),
    "events": (Access.READ, Access.CERTIFY),
    "event": (Access.READ, None),
    "event-adopt": (None, Access.CERTIFY),
    "event-withdraw": (None, Access.CERTIFY),
    "reference-withdraw": (None, Access.CERTIFY),
    "rules": (Access.READ, None),
    "rule": (Access.READ, None),
    "rule-change": (None, Access.CERTIFY),
    "rule-new": (Access.CERTIFY, Access.CERTIFY),
    "series-figure": (Access.READ, None),
    "api:root": (Access.READ, None),
    "api:instruments": (Access.READ, None),
    "api:instrument": (Access.READ, None),
    "api:nights": (Access.READ, None),
    "api:night": (Access.READ, None),
    "api:blocks": (Access.READ, None),
    "api:block": (Access.READ, None),
    "api:block-certifications": (Access.READ, Access.CERTIFY),
    "api:scores": (Access.READ, None),
    "api:certifications": (Access.READ, None),
    "api:reports": (Access.READ, None),
    "api:report": (Access.READ, None),
    "api:tables": (Access.READ, None),
    "api:table": (Access.READ, None),
    "api:columns": (Access.READ, None),
    "api:rows": (Access.READ, None),
    "api:events": (Access.READ, None),
    "api:event": (Access.READ, None),
    "api:frames": (Access.READ, None),
    "api:frame": (Access.READ, None),
    "api:products": (Access.READ, None),
    "api:product": (Access.READ, None),
    "api:schema": (Access.READ, None),
}


def allows(user: User | AnonymousUser, access: Access) -> bool:
    if access == Access.OPEN:
        return True
    if access == Access.READ:
        return settings.HCM_ANONYMOUS_READ or user.is_authenticated
    return may_certify(user)


def instruments_of(request: HttpRequest) -> frozenset[str] | None:
    """Return the names of the instruments a request may see; None is all of them.

    Only a token narrows it: `request.token` is set where a request brought one.
    """
    token = getattr(request, "token", None)
    names: frozenset[str] = frozenset(token.instruments) if token is not None else frozenset()
    return names or None


def has_metrics_token(request: HttpRequest) -> bool:
    """Whether a request brings the token that lets a program read the metrics."""
    word, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = settings.HCM_METRICS_TOKEN
    is_same = compare_digest(token.strip().encode(), expected.encode())
    return bool(expected) and word.lower() == "bearer" and is_same


def may_certify(user: User | AnonymousUser) -> bool:
    return user.is_authenticated and user.has_perm("certification.add_certification")


class AccessMiddleware:
    """Looks each request up in the table before its view runs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            name = resolve(request.path_info).view_name
        except Resolver404:
            return self.get_response(request)
        refusal = self._refuse(request, name)
        return refusal or self.get_response(request)

    def _refuse(self, request: HttpRequest, name: str) -> HttpResponse | None:
        reading, acting = TABLE.get(name, (None, None))
        is_reading = request.method in {"GET", "HEAD", "OPTIONS"}
        needed = reading if is_reading else acting if request.method == "POST" else None
        if needed is None:
            return self._wrong_method(request, reading, acting)
        if allows(request.user, needed) or (name == "metrics" and has_metrics_token(request)):
            return None
        if not request.user.is_authenticated:
            return self._ask_to_log_in(request, needed)
        return respond(
            request,
            Problem(403, "Not yours to do", f"This needs {needed}.", hint="Ask a QC scientist."),
        )

    @staticmethod
    def _wrong_method(
        request: HttpRequest, reading: Access | None, acting: Access | None
    ) -> HttpResponse:
        known = [*(["GET", "HEAD", "OPTIONS"] if reading else []), *(["POST"] if acting else [])]
        if not known:
            return respond(request, Problem(403, "Closed", "Nobody may use this address."))
        response = respond(
            request,
            Problem(405, "Method not allowed", f"{request.method} does nothing here.",
                    hint=f"Known here: {', '.join(known)}."),
        )  # fmt: skip
        response["Allow"] = ", ".join(known)
        return response

    @staticmethod
    def _ask_to_log_in(request: HttpRequest, needed: Access) -> HttpResponse:
        if request.path_info.startswith(("/api/", "/metrics")) or request.headers.get("HX-Request"):
            return respond(
                request,
                Problem(401, "Log in first", f"This needs {needed}.", hint="Log in at /login/."),
            )
        return redirect_to_login(request.get_full_path())
