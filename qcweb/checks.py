"""System checks: what an operator should know before the night does."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning as CheckWarning, register

from pipelines.recipes.esorex import find_esorex


@register
def esorex_is_installed(**_kwargs: Any) -> list[CheckMessage]:
    if find_esorex() is not None:
        return []
    return [
        CheckWarning(
            "EsoRex is not installed: instruments that need it are not processed.",
            hint="On Debian: apt-get install esorex cpl-plugin-uves cpl-plugin-muse",
            id="pipelines.W001",
        )
    ]


@register
def times_are_utc(**_kwargs: Any) -> list[CheckMessage]:
    if settings.TIME_ZONE == "UTC" and settings.USE_TZ:
        return []
    return [Error("TIME_ZONE must be UTC and USE_TZ on: every time is UT.", id="pipelines.E001")]
