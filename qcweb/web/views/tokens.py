"""The page where people give out tokens, see what became of them, and take them back."""

import datetime as dt
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.models import Instrument
from qcweb import looks
from qcweb.access import scopes_of
from qcweb.auditing import tell
from qcweb.looks import Look
from qcweb.people.models import NAME_MOST, ApiToken, Scope
from qcweb.people.services.audit import About
from qcweb.people.services.tokens import make_token, revoke
from qcweb.problems import Problem, ProblemError
from qcweb.web.views.people import person

NEVER = "never"
LASTS = {"30": "30 days", "90": "90 days", "365": "365 days", NEVER: "without end"}
USUAL = "90"
SCOPE_WORDS = {
    Scope.READ: "read: tables, rows, scores",
    Scope.INGEST: "ingest: write QC1 rows",
    Scope.CERTIFY: "certify: accept and reject blocks",
}


class TokenForm(forms.Form):
    """What a token is for, what it may do, and for how long."""

    name = forms.CharField(
        label="What is it for?", max_length=NAME_MOST,
        help_text="The program and its host; whoever finds the token in use asks here.",
    )  # fmt: skip
    expires_at = forms.ChoiceField(
        label="It is good for", choices=list(LASTS.items()), initial=USUAL,
        help_text="A token that is forgotten somewhere should end by itself.",
    )  # fmt: skip
    scopes = forms.MultipleChoiceField(
        label="It may", widget=forms.CheckboxSelectMultiple, initial=[Scope.READ],
        help_text="Never more than you may yourself.",
        error_messages={"required": "Choose at least one."},
    )  # fmt: skip
    instruments = forms.MultipleChoiceField(
        label="Instruments", widget=forms.CheckboxSelectMultiple, required=False,
        help_text="None chosen: all, also those to come.",
    )  # fmt: skip

    def __init__(self, user: User, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        names = Instrument.objects.order_by("name").values_list("name", flat=True)
        choices = {
            "scopes": [(one, SCOPE_WORDS[one]) for one in scopes_of(user)],
            "instruments": [(name, name) for name in names],
        }
        for name, known in choices.items():
            self.fields[name].choices = known  # type: ignore[attr-defined]

    def expires(self, at: dt.datetime) -> dt.datetime | None:
        lasts = self.cleaned_data["expires_at"]
        return None if lasts == NEVER else at + dt.timedelta(days=int(lasts))


@dataclass(frozen=True)
class Line:
    """A token in the list."""

    token: ApiToken
    look: Look
    is_open: bool


def tokens(request: HttpRequest) -> HttpResponse:
    """List tokens; posted, make one and show its secret, this once."""
    user, at = person(request), timezone.now()
    if request.method != "POST":
        return _page(request, user, TokenForm(user), at)
    form = TokenForm(user, request.POST)
    if not form.is_valid():
        return _page(request, user, form, at, status=400)
    typed = form.cleaned_data
    made, secret = make_token(
        user, typed["name"], typed["scopes"], instruments=typed["instruments"],
        expires_at=form.expires(at), at=at,
    )  # fmt: skip
    tell(request, About("token", str(made), reverse("tokens")), after=_told(made))
    # Answered at once and kept nowhere: not in an address, a session or a cache.
    response = _page(request, user, TokenForm(user), at, made=made, secret=secret)
    response["Cache-Control"] = "no-store"
    return response


def _told(made: ApiToken) -> dict[str, object]:
    until = made.expires_at and f"{made.expires_at:%Y-%m-%d %H:%M} UT"
    return {"may": made.scopes, "instruments": made.instruments, "until": until}


def _page(
    request: HttpRequest,
    user: User,
    form: TokenForm,
    at: dt.datetime,
    *,
    made: ApiToken | None = None,
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    lines = [
        Line(one, looks.token(one, at), one.revoked_at is None)
        for one in _tokens_of(user).select_related("user")
    ]
    return render(
        request,
        "tokens.html",
        {"lines": lines, "form": form, "made": made, "secret": secret},
        status=status,
    )


def _tokens_of(user: User) -> QuerySet[ApiToken]:
    """Return the tokens somebody may see and revoke: his own; superusers, everybody's."""
    return ApiToken.objects.all() if user.is_superuser else ApiToken.objects.filter(user=user)


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    user = person(request)
    found = _tokens_of(user).filter(pk=pk).first()
    if found is None:
        raise ProblemError(
            Problem(404, "Unknown token", f"You have no token {pk}.", where="pk",
                    hint="See the list of your tokens.")
        )  # fmt: skip
    if revoke(found, user.get_username(), timezone.now()):
        messages.success(
            request, f"{found.name}: revoked. Whoever brings it is refused from now on."
        )
    else:
        messages.warning(request, f"{found.name}: was revoked already.")
    return redirect("tokens")
