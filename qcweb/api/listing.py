"""Lists of the API: filters, orders and pages of a collection, declared once.

From one declaration come the checks of a request, the query, and what the schema says of it. Pages
begin after a place in the order, not at a number: what arrives or goes meanwhile moves nothing.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from qcweb import parameters
from qcweb.access import instruments_of

from .filters import Filter, Parameter
from .house import HouseView

LIMIT, MAX_LIMIT = 100, 1000
Value: TypeAlias = float | str | dt.date | dt.datetime


def number(text: str) -> float:
    """Read a number of a cursor; NaN has no place in an order."""
    if not math.isfinite(found := float(text)):
        raise ValueError(text)
    return found


def instant(text: str) -> dt.datetime:
    """Read an instant of a cursor, in UT: another zone could lead out of the calendar."""
    found = dt.datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found.astimezone(dt.UTC)


@dataclass(frozen=True)
class Order:
    """A column that rows may be ordered by: never null, and how a cursor's text becomes a value."""

    column: str
    read: Callable[[str], Value]


@dataclass(frozen=True)
class Place:
    """A row's place in an order: its value there, and its key among those of the same value."""

    value: Value
    key: int

    @property
    def text(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, dt.date) else str(self.value)
        return f"{value}~{self.key}"

    @classmethod
    def read(cls, text: str, order: Order) -> "Place":
        value, _, key = text.rpartition("~")
        place = cls(order.read(value), int(key))
        if not 0 <= place.key < 2**63:
            raise ValueError(text)
        return place


def _as_they_are(rows: list[Any], request: Request) -> Sequence[Any]:
    return rows


@dataclass(frozen=True)
class Listing:
    """A collection of the API.

    `rows` returns all of it. `tell` makes of a page's rows what the serializer takes, for what
    other queries know of them: as many for one row as for all. What has another key than that of
    a row is told by its places.
    """

    collection: str
    rows: Callable[[], QuerySet[Any, Any]]
    serializer: type[serializers.Serializer[Any]]
    # The first is the order that nobody asked for.
    orders: Mapping[str, Order]
    filters: Sequence[Filter]
    is_newest_first: bool = True
    # Where the name of its instrument stands: a token may be for some only.
    instrument: str = "instrument__name"
    # What tells rows of the same place apart.
    key: str = "pk"
    tell: Callable[[list[Any], Request], Sequence[Any]] = _as_they_are

    @cached_property
    def parameters(self) -> list[Parameter]:
        """Everything that may be asked, in the order of the documentation."""
        of_filters = [one for some in self.filters for one in some.parameters]
        names = tuple(f"{sign}{name}" for name in self.orders for sign in ("", "-"))
        return [
            *of_filters,
            Parameter("order", "Order of the rows; - before it turns it round", names,
                      shape={"default": self.default_order}),
            Parameter("limit", f"Rows of a page, 1 to {MAX_LIMIT}",
                      shape={"type": "integer", "default": LIMIT, "minimum": 1,
                             "maximum": MAX_LIMIT}),
            Parameter("cursor", "Where the page begins; it stands in the address of the next page"),
        ]  # fmt: skip

    @property
    def default_order(self) -> str:
        return f"{'-' if self.is_newest_first else ''}{next(iter(self.orders))}"

    @cached_property
    def answer(self) -> serializers.Serializer[Any]:
        """The shape of an answer."""
        return inline_serializer(
            self.collection.capitalize(),
            {
                self.collection: self.serializer(many=True, help_text="the rows of this page"),
                "next": serializers.CharField(
                    allow_null=True, help_text="address of the next page, or null at the end"
                ),
            },
        )

    def page(self, request: Request) -> dict[str, Any]:
        """Return the page that is asked for, as the answer holds it."""
        query = request.GET
        self._check(query)
        limit = parameters.limit(query, LIMIT, MAX_LIMIT) if query.get("limit") else LIMIT
        order = query.get("order") or self.default_order
        rows = self._narrowed(request)
        for one in self.filters:
            rows = rows.filter(one.condition(request))
        places = self._places(rows, order, query, limit + 1)
        told = self.tell(self._fetch(places[:limit]), request)
        context = {"request": request, "at": timezone.now()}
        return {
            self.collection: self.serializer(told, many=True, context=context).data,
            "next": _next(request, order, places[limit - 1]) if len(places) > limit else None,
        }

    def _check(self, query: QueryDict) -> None:
        parameters.check_known(query, (*(one.name for one in self.parameters), "format"))
        for one in self.parameters:
            if not one.repeats and len(query.getlist(one.name)) > 1:
                raise parameters.bad(one.name, f"{one.name} is given twice.", "Give it once.")
        if query.get("order"):
            known = next(one.known for one in self.parameters if one.name == "order")
            parameters.one_of(query, "order", known)

    def _narrowed(self, request: HttpRequest) -> QuerySet[Any, Any]:
        mine = instruments_of(request)
        found = self.rows()
        return found if mine is None else found.filter(Q((f"{self.instrument}__in", mine)))

    def _places(
        self, rows: QuerySet[Any, Any], order: str, query: QueryDict, n: int
    ) -> list[Place]:
        """Return where the rows of a page stand: a few columns are sorted faster than whole rows."""
        name = order.removeprefix("-")
        column, sign = self.orders[name].column, order[: -len(name)]
        rows = rows.order_by(f"{sign}{column}", f"{sign}{self.key}")
        if text := query.get("cursor"):
            place, word = self._place(text, order), "lt" if sign else "gt"
            # The first condition says nothing new, but a database finds an index by it.
            after = Q((f"{column}__{word}e", place.value))
            beyond = Q((f"{column}__{word}", place.value)) | Q((f"{self.key}__{word}", place.key))
            rows = rows.filter(after & beyond)
        found = rows.values_list(column, self.key)[:n]
        return [Place(one[0], one[-1]) for one in found]

    def _fetch(self, places: list[Place]) -> list[Any]:
        """Return the rows of places; one that has gone meanwhile is left out."""
        if self.key != "pk":
            return places
        keys = [place.key for place in places]
        rows = {row.pk: row for row in self.rows().filter(pk__in=keys)}
        return [rows[key] for key in keys if key in rows]

    def _place(self, text: str, order: str) -> Place:
        of, _, rest = text.partition("~")
        try:
            if of != order:
                raise ValueError(text)
            return Place.read(rest, self.orders[order.removeprefix("-")])
        except (ValueError, OverflowError) as error:
            hint = "Use the address in `next` as it is."
            raise parameters.bad("cursor", f"cursor={text!r}.", hint) from error


def _next(request: Request, order: str, last: Place) -> str:
    query = request.GET.copy()
    query["cursor"] = f"{order}~{last.text}"
    return f"{request.path}?{query.urlencode()}"


class ListView(HouseView):
    """A collection of the API: everything about it stands in its listing."""

    listing: ClassVar[Listing]
    is_long = True

    def get(self, request: Request) -> Response:
        return Response(self.listing.page(request))
