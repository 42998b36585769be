"""Who acts, and what they typed when an act was refused."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from qcweb.problems import Problem, ProblemError


def person(request: HttpRequest) -> User:
    """Return who is logged in; an act needs a name."""
    if not isinstance(request.user, User):
        raise ProblemError(Problem(401, "Log in first", "This needs a name."))
    return request.user


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
