"""Fields of the API's answers: numbers that JSON can hold, times in UT, addresses."""

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.urls import reverse
from rest_framework import serializers

from pipelines.domain.times import mjd_to_datetime


def follow(found: Any, path: str) -> Any:
    """Return what stands at the end of a path, ``row__table__name``; None where it breaks off."""
    for name in path.split("__"):
        if found is None:
            return None
        found = found[name] if isinstance(found, Mapping) else getattr(found, name)
    return found


class Number(serializers.FloatField):
    """A number; null where there is none, or where it is none: JSON has neither NaN nor Inf."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_null": True, "read_only": True, **options})

    def to_representation(self, value: Any) -> float | None:  # type: ignore[override]
        number = float(value)
        return number if math.isfinite(number) else None


class UT(serializers.CharField):
    """The UT time of an MJD, to the millisecond: 2015-02-27T10:46:39.217."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"read_only": True, **options})

    def to_representation(self, value: Any) -> str:
        return mjd_to_datetime(value).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


class Instant(serializers.DateTimeField):
    """When something was done, in UT."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"read_only": True, **options})


class Address(serializers.CharField):
    """An address here: the name of a URL, and where its arguments stand. Null where one lacks."""

    def __init__(self, view: str, *paths: str, query: str = "", **options: Any) -> None:
        super().__init__(**{"read_only": True, "source": "*", **options})
        self.view = view
        self.paths = paths
        self.query = query

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        arguments = [follow(value, path) for path in self.paths]
        if None in arguments:
            return None
        if self.query:
            words = [quote(str(one), safe="") for one in arguments]
            return f"{reverse(self.view)}?{self.query.format(*words)}"
        return reverse(self.view, args=arguments)
