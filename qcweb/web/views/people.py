"""Who acts, and what they typed when an act was refused."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from qcweb.problems import Problem, ProblemError


def person(request: HttpRequest) -> User:
    """Return who is logged in; an act needs a name."""
    if not isinstance(request.user, User):
        raise ProblemError(Problem(401, "Log in first", "This needs a name."))
    return request.user


# A reason is read for years; a longer text belongs into a document that it names.
REASON_MOST = 2000


def reason_of(request: HttpRequest) -> str:
    """Return the reason that was typed; one that would be cut is refused."""
    reason = request.POST.get("reason", "").strip()
    if len(reason) > REASON_MOST:
        raise ProblemError(
            Problem(400, "Too long a reason", f"It has {len(reason)} characters.", where="reason",
                    hint=f"At most {REASON_MOST} are kept; nothing was changed.")
        )  # fmt: skip
    return reason


def keep_typed(request: HttpRequest, about: str, text: str) -> None:
    """Keep what was typed: the page comes back with it."""
    request.session["typed"] = request.session.get("typed", {}) | {about: text}


def take_typed(request: HttpRequest, about: str) -> str:
    """Return what was kept, once."""
    typed = request.session.get("typed", {})
    if about not in typed:
        return ""
    text = str(typed.pop(about))
    request.session["typed"] = typed
    return text
