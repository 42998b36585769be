"""People: their accounts and rights, for administrators; and the password, for everybody."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.db.models import Count, Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.models import Instrument
from qcweb import looks
from qcweb.auditing import tell
from qcweb.looks import Look
from qcweb.people.models import AuditEntry, Right, Role
from qcweb.people.services import accounts, rights
from qcweb.people.services.accounts import AccountError
from qcweb.people.services.audit import About
from qcweb.people.services.rights import RightError
from qcweb.problems import Problem, ProblemError
from qcweb.web.views.people import person

# Lines of the audit log on the page of a person.
LINES = 20
# What stands for all instruments in a form: no instrument has such a name.
ALL = "*"


class RightForm(forms.Form):
    """A role, and where it is held."""

    role = forms.ChoiceField(choices=Role.choices, initial=Role.SCIENTIST)
    instrument = forms.ChoiceField(help_text="All: also those to come.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Instrument.objects.order_by("name").values_list("name", flat=True)
        self.fields["instrument"].choices = [  # type: ignore[attr-defined]
            (ALL, "all instruments"), *((name, name) for name in names)
        ]  # fmt: skip

    def chosen(self) -> tuple[Role, Instrument | None]:
        name = self.cleaned_data["instrument"]
        where = None if name == ALL else Instrument.objects.get(name=name)
        return Role(self.cleaned_data["role"]), where


class AccountForm(RightForm):
    """A new account, with its first right."""

    username = forms.CharField(label="Name", max_length=accounts.NAME_MOST)
    email = forms.EmailField(label="Address of mail", required=False)
    role = forms.ChoiceField(
        choices=[("", "reader: no right to act"), *Role.choices], required=False
    )
    is_admin = forms.BooleanField(
        label="Administrator", required=False, help_text="May everything, and gives rights."
    )
    field_order = ("username", "email", "role", "instrument", "is_admin")

    def rights(self) -> list[tuple[Role, Instrument | None]]:
        return [self.chosen()] if self.cleaned_data["role"] else []


@dataclass(frozen=True)
class Line:
    """An account in the list."""

    user: User
    look: Look
    rights: list[Right]


def people(request: HttpRequest) -> HttpResponse:
    """List the accounts; posted, make one and show its password, this once."""
    if request.method != "POST":
        return _list(request, AccountForm())
    form = AccountForm(request.POST)
    if form.is_valid():
        typed = form.cleaned_data
        try:
            made, password = accounts.make_account(
                typed["username"], email=typed["email"], is_admin=typed["is_admin"],
                rights=form.rights(), by=person(request).get_username(), at=timezone.now(),
            )  # fmt: skip
        except AccountError as error:
            form.add_error(error.field, str(error))
        else:
            tell(request, _about(made), after=accounts.state_of(made))
            return _once(_list(request, AccountForm(), made=made, password=password))
    return _list(request, form, status=400)


def _once(response: HttpResponse) -> HttpResponse:
    """Let an answer with a password be kept nowhere: no address, session or cache has it."""
    response["Cache-Control"] = "no-store"
    return response


def _about(user: User) -> About:
    return About("account", user.username, reverse("person", args=[user.username]))


def _list(
    request: HttpRequest,
    form: AccountForm,
    *,
    made: User | None = None,
    password: str = "",
    status: int = 200,
) -> HttpResponse:
    open_rights = Right.objects.open().select_related("instrument").order_by("pk")
    found = (
        User.objects.annotate(
            n_tokens=Count("tokens", filter=Q(tokens__revoked_at=None), distinct=True)
        )
        .prefetch_related(Prefetch("rights", open_rights, to_attr="open_rights"))
        .order_by("-is_active", "username")
    )
    lines = [Line(one, looks.account(one), one.open_rights) for one in found]
    return render(
        request,
        "people.html",
        {"lines": lines, "form": form, "made": made, "password": password},
        status=status,
    )


def _find(username: str) -> User:
    found = User.objects.filter(username=username).first()
    if found is None:
        raise ProblemError(
            Problem(404, "Unknown account", f"There is no account {username!r}.",
                    where="username", hint="See the list of people.")
        )  # fmt: skip
    return found


def one(request: HttpRequest, username: str) -> HttpResponse:
    """Show an account: what it may do, what it did last."""
    return _page(request, _find(username), RightForm())


def _page(
    request: HttpRequest, found: User, form: RightForm, *, password: str = "", status: int = 200
) -> HttpResponse:
    held = list(found.rights.select_related("instrument"))
    return render(
        request,
        "person.html",
        {
            "person": found,
            "look": looks.account(found),
            "open_rights": [right for right in held if right.taken_at is None],
            "former_rights": [right for right in held if right.taken_at is not None],
            "n_tokens": found.tokens.filter(revoked_at=None).count(),
            "form": form,
            "password": password,
            "lines": AuditEntry.objects.filter(
                Q(person=found.username) | Q(kind="account", subject=found.username)
            )[:LINES],
        },
        status=status,
    )


@require_POST
def give_right(request: HttpRequest, username: str) -> HttpResponse:
    found, form = _find(username), RightForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form, status=400)
    try:
        given = rights.give(found, *form.chosen(), person(request).get_username(), timezone.now())
    except RightError as error:
        form.add_error("role", str(error))
        return _page(request, found, form, status=400)
    messages.success(request, f"{found}: {given}.")
    return redirect("person", username=username)


@require_POST
def take_right(request: HttpRequest, username: str, pk: int) -> HttpResponse:
    found = _find(username)
    right = found.rights.select_related("instrument").filter(pk=pk).first()
    if right is None:
        raise ProblemError(
            Problem(404, "Unknown right", f"{username} has no right {pk}.", where="pk")
        )
    if rights.take(right, person(request).get_username(), timezone.now()):
        messages.success(request, f"{found}: {right}, taken. Its tokens may that no more, too.")
    else:
        messages.warning(request, f"{found}: {right} was taken already.")
    return redirect("person", username=username)


# What is done to an account: the act, what it says when it was done.
CHANGES = {
    "close": (accounts.close, "is closed: it logs in no more, and its tokens open nothing."),
    "open": (accounts.reopen, "is open again."),
    "admin": (accounts.make_admin, "is an administrator."),
    "no-admin": (accounts.unmake_admin, "is no administrator any more."),
}


@require_POST
def act(request: HttpRequest, username: str) -> HttpResponse:
    """Close an account or open it again, make or unmake an administrator, give another password."""
    found, wanted = _find(username), request.POST.get("act", "")
    if wanted == "password":
        password = accounts.set_password(found)
        tell(request)
        return _once(_page(request, found, RightForm(), password=password))
    if wanted not in CHANGES:
        raise ProblemError(
            Problem(400, "Unknown act", f"act={wanted!r} is nothing that can be done.",
                    where="act", hint=f"Known are {', '.join([*CHANGES, 'password'])}.")
        )  # fmt: skip
    change, said = CHANGES[wanted]
    try:
        if change(found):
            messages.success(request, f"{found} {said}")
        else:
            messages.warning(request, f"{found}: that was so already.")
    except AccountError as error:
        messages.error(request, str(error))
    return redirect("person", username=username)


class PasswordView(auth.PasswordChangeView):
    """Change the own password; other sessions end with the old one."""

    template_name = "password.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        response = super().form_valid(form)
        messages.success(self.request, "Your password is changed; elsewhere you are logged out.")
        return response

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=400)
