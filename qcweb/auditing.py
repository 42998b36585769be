"""Writes a line of the audit log for every act, in one place: no view can forget it.

An act and its line are one transaction: both are there or neither. What was acted on is known from
`qcweb.acts`, whether it was done from the answer: a page that acts leads on, and says so. A view that
does neither, or knows better what it was about, calls `tell`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.messages.storage.fallback import FallbackStorage
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from qcweb.access import is_machine_door, match_of, subject_of, token_of
from qcweb.act_states import State
from qcweb.acts import ACTS, Act, Subject
from qcweb.addresses import address_of
from qcweb.people.services.audit import About, Actor, record, was_recorded
from qcweb.problems import answer

# They read or write for long: the write lock of SQLite is not for them. Their line follows the act.
LONG = {"handover-archive", "api:rows"}
# Who cannot be named: somebody who typed a name that no account has.
UNKNOWN = "an unknown name"
LOCKED_OUT = "locked out"


class NotingStorage(FallbackStorage):
    """Messages to a person, and of which levels there were any: whether an act was done."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.levels: set[int] = set()

    def add(self, level: int, message: str, extra_tags: str | None = "") -> None:
        self.levels.add(level)
        super().add(level, message, extra_tags)


@dataclass(frozen=True)
class Told:
    """What a view says of its act."""

    about: About | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def tell(
    request: HttpRequest,
    about: About | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Say that the act of a request was done, and what it was about; None: as its address says."""
    request.told = Told(about, before, after)  # type: ignore[attr-defined]


def actor_of(request: HttpRequest | None) -> Actor:
    if request is None:
        return Actor(UNKNOWN)
    user = getattr(request, "user", None)
    name = user.get_username() if isinstance(user, User) else UNKNOWN
    return Actor(name, address_of(request), str(token_of(request) or ""))


class AuditMiddleware:
    """Lets the view of an act run, and adds the line when it was done."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        match = match_of(request)
        act = ACTS.get(match.view_name) if match else None
        if request.method != "POST" or match is None or act is None:
            return None
        subject = subject_of(request, match)
        try:
            if match.view_name in LONG:
                response = view(request, *args, **kwargs)
                _add_line(request, match.view_name, act, subject, None, response)
                return response
            with transaction.atomic():
                before = subject.state() if subject else None
                response = view(request, *args, **kwargs)
                _add_line(request, match.view_name, act, subject, before, response)
        except Exception as error:  # noqa: BLE001  rolled back; now it becomes the answer, as any
            return answer(request, error)
        return response


def _add_line(
    request: HttpRequest,
    name: str,
    act: Act,
    subject: Subject | None,
    before: State | None,
    response: HttpResponseBase,
) -> None:
    told: Told | None = getattr(request, "told", None)
    if told is None and not _is_done(request, name, response):
        return
    about = (told and told.about) or (subject.about if subject else About("", name))
    if subject and not about.instrument:
        about = replace(about, instrument=subject.about.instrument)
    after = subject.state() if subject else None
    if told is not None:
        before = before if told.before is None else dict(told.before)
        after = after if told.after is None else dict(told.after)
    record(
        actor_of(request), act.verb, about, before=before, after=after,
        asked=_asked(request, name),
    )  # fmt: skip


def _is_done(request: HttpRequest, name: str, response: HttpResponseBase) -> bool:
    if is_machine_door(name):
        return 200 <= response.status_code < 300
    if response.status_code != 302:
        return False
    levels: set[int] = getattr(messages.get_messages(request), "levels", set())
    return messages.SUCCESS in levels or not levels


def _asked(request: HttpRequest, name: str) -> dict[str, Any]:
    """Return the form that was sent; what programs send is in what they have changed."""
    if is_machine_door(name):
        return {}
    return {
        key: values[0] if len(values) == 1 else values
        for key, values in request.POST.lists()
        if any(values)
    }


def _of_account(name: str) -> About:
    return About("account", name)


def note_login(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    record(
        replace(actor_of(request), name=user.get_username()),
        "logged in",
        _of_account(user.get_username()),
    )


def note_logout(request: HttpRequest, user: User | None, **_kwargs: Any) -> None:
    if user is not None:
        record(actor_of(request), "logged out", _of_account(user.get_username()))


def note_failed_login(
    credentials: Mapping[str, Any], request: HttpRequest | None = None, **_kwargs: Any
) -> None:
    """Write down who could not log in: an account, never a name that may be a password."""
    if getattr(request, "axes_locked_out", False):
        return  # and has a line of its own
    name = _known(credentials.get("username"))
    record(replace(actor_of(request), name=name), "login failed", _of_account(name))


def note_lockout(request: HttpRequest, username: str | None = None, **_kwargs: Any) -> None:
    """Write down the first of a lockout: whoever tries on fills no log."""
    actor = replace(actor_of(request), name=_known(username))
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    if not was_recorded(actor, LOCKED_OUT, since):
        record(actor, LOCKED_OUT, _of_account(actor.name))


def _known(name: object) -> str:
    is_account = isinstance(name, str) and User.objects.filter(username=name).exists()
    return str(name) if is_account else UNKNOWN


def listen() -> None:
    """Hear of logins; called once at the start."""
    user_logged_in.connect(note_login, dispatch_uid="audit")
    user_logged_out.connect(note_logout, dispatch_uid="audit")
    user_login_failed.connect(note_failed_login, dispatch_uid="audit")
    user_locked_out.connect(note_lockout, dispatch_uid="audit")
