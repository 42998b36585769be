"""Who acts."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from qcweb.problems import Problem, ProblemError


def person(request: HttpRequest) -> User:
    """Return who is logged in; an act needs a name."""
    if not isinstance(request.user, User):
        raise ProblemError(Problem(401, "Log in first", "This needs a name."))
    return request.user
