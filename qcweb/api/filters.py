"""What a list may be asked for: each filter reads its parameters, and says what it knows."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from django.db.models import Q, QuerySet
from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from pipelines.domain.times import mjd_to_datetime
from pipelines.models import Instrument, RawFile, RawType
from qcweb import parameters
from qcweb.access import instruments_of
from trending.models import QC1Parameter, QC1Table

from .documentation import ANY_OF
from .house import refuse_foreign


@dataclass(frozen=True)
class Parameter:
    """One parameter of an address, as the schema and the page describe it."""

    name: str
    description: str
    known: tuple[str, ...] = ()
    repeats: bool = False
    # More that the schema knows of its values: type, format, default, bounds.
    shape: Mapping[str, str | int] = field(default_factory=dict)

    def as_openapi(self) -> OpenApiParameter:
        one = {"type": "string", **self.shape} | ({"enum": list(self.known)} if self.known else {})
        return OpenApiParameter(
            self.name, {"type": "array", "items": one} if self.repeats else one,
            description=f"{self.description}.{ANY_OF if self.repeats else ''}",
            explode=True if self.repeats else None,
        )  # fmt: skip


# Names of the instruments that a request may see; None is all of them.
Instruments: TypeAlias = frozenset[str] | None


class Filter(Protocol):
    """Reads some parameters of a request, and returns the rows they leave."""

    @property
    def parameters(self) -> Sequence[Parameter]: ...

    def condition(self, request: Request) -> Q: ...


def _seen(rows: QuerySet[Any, Any], instrument: str, mine: Instruments) -> QuerySet[Any, Any]:
    return rows if mine is None else rows.filter(Q((f"{instrument}__in", mine)))


def _names(rows: QuerySet[Any, Any], instrument: str, mine: Instruments) -> Iterable[str]:
    return _seen(rows, instrument, mine).values_list("name", flat=True).distinct()


def given(query: QueryDict, name: str) -> list[str]:
    """Return the values of a parameter; an empty one, as a form sends it, is none."""
    return [text for text in query.getlist(name) if text]


@dataclass(frozen=True)
class Words:
    """Rows whose text is one of those given.

    With `known` another text is refused, unless `occurs` says that it is in use all the same.
    Without it there is no list of what there could be, and what no row has leaves none. Both are asked
    for the instruments that the request may see, None for all: a hint says nothing of others.
    """

    name: str
    description: str
    column: str | Callable[[Sequence[str]], Q]
    known: Callable[[Instruments], Iterable[str]] | None = None
    occurs: Callable[[str, Instruments], bool] = lambda word, mine: False

    @property
    def parameters(self) -> Sequence[Parameter]:
        return [Parameter(self.name, self.description, repeats=True)]

    def condition(self, request: Request) -> Q:
        words = given(request.GET, self.name)
        if not words:
            return Q()
        self.check(words, instruments_of(request))
        return self.column(words) if callable(self.column) else Q((f"{self.column}__in", words))

    def check(self, words: Sequence[str], mine: Instruments) -> None:
        known = sorted(set(self.known(mine))) if self.known else words
        for word in words:
            if word not in known and not self.occurs(word, mine):
                hint = f"Known are {', '.join(known) or 'none yet'}."
                raise parameters.bad(self.name, f"{self.name}={word!r} is not known.", hint)


@dataclass(frozen=True)
class OfInstrument(Words):
    """Rows of the instruments given; one that the request's token is not for is refused."""

    name: str = "instrument"
    description: str = "Name of an instrument"
    column: str | Callable[[Sequence[str]], Q] = "instrument__name"
    known: Callable[[Instruments], Iterable[str]] | None = lambda mine: _names(
        Instrument.objects.all(), "name", mine
    )

    def condition(self, request: Request) -> Q:
        refuse_foreign(request, *given(request.GET, self.name))
        return super().condition(request)


@dataclass(frozen=True)
class Choice:
    """Rows in one of the states given; each state is a condition."""

    name: str
    description: str
    states: Mapping[str, Q]

    @property
    def parameters(self) -> Sequence[Parameter]:
        return [Parameter(self.name, self.description, tuple(self.states), repeats=True)]

    def condition(self, request: Request) -> Q:
        asked = given(request.GET, self.name)
        for word in asked:
            if word not in self.states:
                hint = f"Known are {', '.join(self.states)}."
                raise parameters.bad(self.name, f"{self.name}={word!r} is not known.", hint)
        found = Q()
        for word in asked:
            found |= self.states[word]
        return found


def choice(name: str, description: str, column: str, known: Iterable[str]) -> Choice:
    """Return a filter by a column that has a few values only."""
    return Choice(name, description, {word: Q((column, word)) for word in known})


def flag(name: str, description: str, condition: Q) -> Choice:
    """Return a filter by something that is so, or is not."""
    return Choice(name, description, {"true": condition, "false": ~condition})


@dataclass(frozen=True)
class Nights:
    """Rows of the nights given."""

    column: str = "night"
    name: str = "night"

    @property
    def parameters(self) -> Sequence[Parameter]:
        words = "A night, the date of UT − 21 h: 2015-02-26"
        return [Parameter(self.name, words, repeats=True, shape={"format": "date"})]

    def condition(self, request: Request) -> Q:
        nights = [self._read(text) for text in given(request.GET, self.name)]
        return Q((f"{self.column}__in", nights)) if nights else Q()

    def _read(self, text: str) -> dt.date:
        try:
            return dt.date.fromisoformat(text)
        except ValueError as error:
            hint = "Nights are dates: 2015-02-26."
            raise parameters.bad(self.name, f"{text!r} is no night.", hint) from error


# How a column keeps a time: as an MJD, as an instant, or as the date of a night.
Clock = Literal["mjd", "instant", "night"]


@dataclass(frozen=True)
class Span:
    """Rows from a time on and until another one, both included."""

    column: str
    what: str
    clock: Clock = "mjd"

    @property
    def parameters(self) -> Sequence[Parameter]:
        how = "MJD, date or UT time: 57080.5, 2015-02-27, 2015-02-27T10:46:39"
        return [
            Parameter("from", f"{self.what}, at the earliest. {how}"),
            Parameter("to", f"{self.what}, at the latest, as in from; a date includes its day"),
        ]

    def condition(self, request: Request) -> Q:
        start = parameters.mjd(request.GET, "from")
        end = parameters.mjd(request.GET, "to", is_end=True)
        if start is not None and end is not None and start > end:
            raise parameters.bad("from", "from is after to.", "Exchange the two.")
        found = Q() if start is None else Q((f"{self.column}__gte", self._at(start)))
        return found if end is None else found & Q((f"{self.column}__lte", self._at(end)))

    def _at(self, mjd: float) -> float | dt.datetime | dt.date:
        if self.clock == "mjd":
            return mjd
        # A date of the year 9999 is no mistake, and too late for a clock.
        instant = mjd_to_datetime(min(max(mjd, 0.0), parameters.MAX_MJD))
        return instant if self.clock == "instant" else instant.date()


def raw_type(column: str = "raw_type") -> Words:
    return Words(
        "raw_type", "Data type by the rules: BIAS, DARK", column,
        lambda mine: _names(RawType.objects.all(), "instrument__name", mine),
        # Rules may know types that the instrument's folder says nothing of.
        lambda word, mine: _seen(
            RawFile.objects.filter(raw_type=word), "instrument__name", mine
        ).exists(),
    )  # fmt: skip


def table(column: str | Callable[[Sequence[str]], Q]) -> Words:
    words = "Name of a QC1 table: ccdcam_bias"
    return Words("table", words, column,
                 lambda mine: _names(QC1Table.objects.all(), "instrument__name", mine))  # fmt: skip


def qc1_parameter(column: str | Callable[[Sequence[str]], Q]) -> Words:
    words = "Name of a QC1 parameter, a column of its table: ron_raw"
    return Words(
        "parameter", words, column,
        lambda mine: _names(QC1Parameter.objects.all(), "table__instrument__name", mine),
    )  # fmt: skip
