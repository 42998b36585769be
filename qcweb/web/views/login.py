"""Where people are told that they wait: too many wrong passwords."""

import math

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from qcweb.addresses import address_of
from qcweb.problems import Problem, respond


def locked_out(
    request: HttpRequest, _response: HttpResponse | None, credentials: dict[str, str] | None
) -> HttpResponse:
    """Say until when nobody logs in with this name from here."""
    name = (credentials or {}).get("username", "")
    attempts = AccessAttempt.objects.filter(username=name, ip_address=address_of(request))
    last = attempts.aggregate(at=Max("attempt_time"))["at"] or timezone.now()
    until = last + settings.AXES_COOLOFF_TIME
    response = respond(
        request,
        Problem(
            429, "Too many wrong passwords",
            f"With this name nobody logs in from your address until {until:%Y-%m-%d %H:%M} UT.",
            where="username",
            hint="The right password does not help before. Whoever runs this can end it.",
        ),
    )  # fmt: skip
    left_s = (until - timezone.now()).total_seconds()
    response["Retry-After"] = str(max(1, math.ceil(left_s)))
    return response
