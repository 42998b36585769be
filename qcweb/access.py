"""Who may do what: one table for pages and API. A URL that is not in the table opens for nobody."""

from collections.abc import Callable
from enum import StrEnum
from hmac import compare_digest

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from qcweb.acts import ACTS, Subject
from qcweb.addresses import address_of
from qcweb.people.models import ApiToken, Scope
from qcweb.people.services.rights import Rights, rights_of
from qcweb.people.services.tokens import RefusedTokenError, find_token, note_use
from qcweb.problems import Problem, as_json, prefers_html, respond

# What a 401 asks for, in the words of RFC 6750.
CHALLENGE = 'Bearer realm="Health Check Monitor"'
ASK = "Administrators give rights."
MAKE_ONE = "Make a token at /tokens/ and send it as: Authorization: Bearer hcm_…"


class Access(StrEnum):
    """What a request needs."""

    OPEN = "open to everybody"
    READ = "a reader: logged in, or anybody where HCM_ANONYMOUS_READ is on"
    LOGIN = "an account"
    STAFF = "observatory staff"
    INGEST = "a QC scientist, who may write QC1 rows"
    CERTIFY = "a QC scientist"
    ADMIN = "an administrator"


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
    "calendar-newest": (Access.READ, None),
    "calendar": (Access.READ, None),
    "night-report": (Access.READ, None),
    "night-export": (Access.READ, None),
    "month-report": (Access.READ, None),
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
    "worklist-claim": (None, Access.CERTIFY),
    "worklist-decide": (None, Access.CERTIFY),
    "worklist-undo": (None, Access.CERTIFY),
    "raw-frames": (Access.READ, None),
    "frame": (Access.READ, None),
    "frame-look": (Access.READ, None),
    "frame-hide": (None, Access.CERTIFY),
    "plans": (Access.READ, None),
    "plan": (Access.READ, None),
    "monitor": (Access.READ, None),
    "monitor-act": (None, Access.CERTIFY),
    "refresh": (None, Access.STAFF),
    "search": (Access.READ, None),
    "block": (Access.READ, None),
    "block-log": (Access.READ, None),
    "block-associations": (Access.READ, None),
    "block-provenance": (Access.READ, None),
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
    "waivers": (Access.READ, None),
    "waiver-withdraw": (None, Access.CERTIFY),
    "block-waive": (None, Access.CERTIFY),
    "news": (Access.READ, Access.CERTIFY),
    "news-withdraw": (None, Access.CERTIFY),
    "comment": (None, Access.STAFF),
    "comment-withdraw": (None, Access.STAFF),
    "tokens": (Access.LOGIN, Access.LOGIN),
    "token-revoke": (None, Access.LOGIN),
    "password": (Access.LOGIN, Access.LOGIN),
    "people": (Access.ADMIN, Access.ADMIN),
    "person": (Access.ADMIN, None),
    "person-act": (None, Access.ADMIN),
    "right-give": (None, Access.ADMIN),
    "right-take": (None, Access.ADMIN),
    "audit": (Access.CERTIFY, None),
    "api:root": (Access.READ, None),
    "api:instruments": (Access.READ, None),
    "api:instrument": (Access.READ, None),
    "api:nights": (Access.READ, None),
    "api:night": (Access.READ, None),
    "api:blocks": (Access.READ, None),
    "api:block": (Access.READ, None),
    "api:block-certifications": (Access.READ, Access.CERTIFY),
    "api:block-provenance": (Access.READ, None),
    "api:scores": (Access.READ, None),
    "api:certifications": (Access.READ, None),
    "api:reports": (Access.READ, None),
    "api:report": (Access.READ, None),
    "api:tables": (Access.READ, None),
    "api:table": (Access.READ, None),
    "api:columns": (Access.READ, None),
    "api:rows": (Access.READ, Access.INGEST),
    "api:trend": (Access.READ, None),
    "qc1-cgi": (Access.READ, Access.READ),
    "tap:page": (Access.READ, None),
    "tap:sync": (Access.READ, Access.READ),
    "tap:async": (Access.READ, Access.READ),
    "tap:job": (Access.READ, Access.READ),
    "tap:tables": (Access.READ, None),
    "tap:table": (Access.READ, None),
    "tap:capabilities": (Access.READ, None),
    "tap:availability": (Access.READ, None),
    "api:events": (Access.READ, None),
    "api:event": (Access.READ, None),
    "api:frames": (Access.READ, None),
    "api:frame": (Access.READ, None),
    "api:products": (Access.READ, None),
    "api:product": (Access.READ, None),
    "api:schema": (Access.READ, None),
}


# What a token must have for what a request needs. Nothing follows from another: a program that
# writes rows need not read any.
SCOPES: dict[Access, Scope] = {
    Access.READ: Scope.READ,
    Access.LOGIN: Scope.READ,
    Access.INGEST: Scope.INGEST,
    Access.CERTIFY: Scope.CERTIFY,
}


def allows(rights: Rights, access: Access, subject: Subject | None = None) -> bool:
    """Whether somebody with these rights may act on a subject; None: on anything at all."""
    if access == Access.ADMIN:
        return rights.is_admin
    reach = rights.staff if access == Access.STAFF else rights.science
    if subject is None:
        return bool(reach)
    if subject.needs_all:
        return reach.is_all
    return subject.about.instrument in reach if subject.about.instrument else bool(reach)


def may_read(user: User | AnonymousUser) -> bool:
    return settings.HCM_ANONYMOUS_READ or user.is_authenticated


def may_certify(user: User | AnonymousUser, instrument: object = None) -> bool:
    """Whether an account may certify blocks of an instrument; None: of any at all."""
    science = rights_of(user).science
    return bool(science) if instrument is None else instrument in science


def rights_in(request: HttpRequest) -> Rights:
    """Return what whoever sends a request may do; asked of the database once a request."""
    rights: Rights | None = getattr(request, "rights", None)
    if rights is None:
        # An answer to an unreadable request is made before anybody has asked who sent it.
        rights = rights_of(getattr(request, "user", AnonymousUser()))
        request.rights = rights  # type: ignore[attr-defined]
    return rights


def subject_of(request: HttpRequest, match: ResolverMatch) -> Subject | None:
    """Return what a request would act on; None where its address is of no act, or of nothing."""
    act = ACTS.get(match.view_name)
    return act.find(request, match.kwargs) if act else None


def scopes_of(user: User) -> list[Scope]:
    """Return what a token of an account may be made for."""
    return [Scope.READ, Scope.INGEST, Scope.CERTIFY] if may_certify(user) else [Scope.READ]


def token_of(request: HttpRequest) -> ApiToken | None:
    """Return the token that a request has brought and that was found good."""
    token: ApiToken | None = getattr(request, "token", None)
    return token


def instruments_of(request: HttpRequest) -> frozenset[str] | None:
    """Return the names of the instruments a request may see; None is all of them.

    Only a token narrows it: `request.token` is set where a request brought one.
    """
    token = token_of(request)
    names: frozenset[str] = frozenset(token.instruments) if token is not None else frozenset()
    return names or None


def match_of(request: HttpRequest) -> ResolverMatch | None:
    """Return the URL a request is for; None where there is none."""
    try:
        return resolve(request.path_info)
    except Resolver404:
        return None


def name_of(request: HttpRequest) -> str | None:
    match = match_of(request)
    return match.view_name if match else None


def is_machine_door(name: str) -> bool:
    """Whether programs come in at a URL of this name: only there a token counts."""
    return name.startswith(("api:", "tap:")) or name == "qc1-cgi"


def secret_of(request: HttpRequest) -> str | None:
    """Return the secret of a token a request brings, good or not; None when it brings none.

    Other words than Bearer and Token are not ours: a proxy that asks for a password of its own
    passes it on.
    """
    word, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if word.lower() in {"bearer", "token"} else None


def has_metrics_token(request: HttpRequest) -> bool:
    """Whether a request brings the token that lets a program read the metrics."""
    word, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = settings.HCM_METRICS_TOKEN
    is_same = compare_digest(token.strip().encode(), expected.encode())
    return bool(expected) and word.lower() == "bearer" and is_same


class AccessMiddleware:
    """Looks each request up in the table before its view runs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        _bring(request, None)
        match = match_of(request)
        if match is None:
            return self.get_response(request)
        if not is_machine_door(match.view_name):
            return _refuse(request, match) or self.get_response(request)
        refusal = _take_token(request) or _refuse(request, match)
        response = refusal or self.get_response(request)
        patch_vary_headers(response, ["Authorization"])
        if response.status_code == 401 and "WWW-Authenticate" not in response:
            response["WWW-Authenticate"] = CHALLENGE
        return response


def _take_token(request: HttpRequest) -> HttpResponse | None:
    """Let a request act for the account of its token; one that is no good is refused.

    It never goes on as somebody without a token: a program would read less than it should, and
    nobody would notice.
    """
    secret = secret_of(request)
    if secret is None:
        return None
    at = timezone.now()
    try:
        token = find_token(secret, at)
    except RefusedTokenError as error:
        response = as_json(
            Problem(401, error.title, str(error), where="Authorization", hint=MAKE_ONE)
        )
        response["WWW-Authenticate"] = f'{CHALLENGE}, error="invalid_token"'
        return response
    note_use(token, address_of(request), at)
    _bring(request, token)
    return None


def _bring(request: HttpRequest, token: ApiToken | None) -> None:
    request.token, request.rights = token, None  # type: ignore[attr-defined]
    if token is not None and token.user is not None:
        request.user = token.user


def _refuse(request: HttpRequest, match: ResolverMatch) -> HttpResponse | None:
    name = match.view_name
    reading, acting = TABLE.get(name, (None, None))
    is_reading = request.method in {"GET", "HEAD", "OPTIONS"}
    needed = reading if is_reading else acting if request.method == "POST" else None
    if needed is None:
        return _wrong_method(request, reading, acting)
    if (token := token_of(request)) and (lacking := _lacking(token, needed)):
        return lacking
    if needed == Access.OPEN or (name == "metrics" and has_metrics_token(request)):
        return None
    if not (may_read(request.user) if needed == Access.READ else request.user.is_authenticated):
        return _ask_to_log_in(request, name, needed)
    if needed in {Access.READ, Access.LOGIN}:
        return None
    return _refuse_act(request, match, needed)


def _refuse_act(request: HttpRequest, match: ResolverMatch, needed: Access) -> HttpResponse | None:
    """Refuse whoever has the right for nothing, or not for what the act is about."""
    rights = rights_in(request)
    if not allows(rights, needed):
        return respond(request, Problem(403, "Not yours to do", f"This needs {needed}.", hint=ASK))
    # Only who may act at all is told what there is.
    subject = subject_of(request, match)
    if allows(rights, needed, subject):
        return None
    of = subject.about.instrument if subject else ""
    detail = f"This needs {needed}, with the right for {of or 'all instruments'}."
    return respond(request, Problem(403, "Not yours to do", detail, where="instrument", hint=ASK))


def _lacking(token: ApiToken, needed: Access) -> HttpResponse | None:
    """Refuse a token without the scope that is needed; what its account may do comes after."""
    scope = SCOPES.get(needed)
    if scope is None or token.may(scope):
        return None
    response = as_json(
        Problem(
            403, "Scope is missing", f"This needs the scope {scope}; the token {token} has "
            f"{', '.join(token.scopes)}.", where="Authorization",
            hint=f"Make a token with {scope} at /tokens/.",
        )
    )  # fmt: skip
    response["WWW-Authenticate"] = f'{CHALLENGE}, error="insufficient_scope", scope="{scope}"'
    return response


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


def _ask_to_log_in(request: HttpRequest, name: str, needed: Access) -> HttpResponse:
    if is_machine_door(name):
        hint = f"Log in at /login/, or bring a token. {MAKE_ONE}"
        problem = Problem(401, "Log in first", f"This needs {needed}.", hint=hint)
        # A person who opens such an address is shown the way.
        return respond(request, problem) if prefers_html(request) else as_json(problem)
    if name == "metrics" or request.headers.get("HX-Request"):
        return respond(
            request,
            Problem(401, "Log in first", f"This needs {needed}.", hint="Log in at /login/."),
        )
    return redirect_to_login(request.get_full_path())
