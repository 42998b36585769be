"""Which rows of a QC1 table are asked for, in which order, and the places where pages begin.

An order is a column and then the key, so that every row has one place: a page goes on behind its
last row, whatever has arrived or gone meanwhile.
"""

import datetime as dt
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Length

from trending.exports import Kind
from trending.models import STANDING, QC1Parameter, QC1Row, QC1Table, QC1Value, Series, ValueState

from .arrays import Array, fetch_arrays
from .row_columns import RowColumn, Source, setup_value

# Field of a row behind each of its own columns that can be asked for.
ROW_FIELDS = {
    "row": "pk", "mjd_obs": "mjd_obs", "date_obs": "mjd_obs", "night": "night",
    "detector": "detector", "pro_catg": "pro_catg", "product": "product_name",
    "pipeline": "pipeline_version", "origin": "origin", "simulated": "is_simulated",
    "recorded_at": "recorded_at", "block": "attempt__block__ab_name",
}  # fmt: skip
# Keys of rows that are read at once.
PART = 100_000
# What can be asked of a row's scores taken together.
SCORES = ("OK", "NOK", "grey")
# What an order can be by: a number, a text, a date or an instant; None comes last.
OrderValue = float | str | dt.date | None


@dataclass(frozen=True)
class Condition:
    """What a column must be: one of `values`, or compared with one.

    Attributes
    ----------
    compare
        ``in``, ``gt``, ``gte``, ``lt``, ``lte``, or ``missing`` (the value is True or False).
    """

    column: RowColumn
    compare: str
    values: Sequence[Any]


@dataclass(frozen=True)
class Place:
    """The place of a row in an order: the value of the order's column, and the key."""

    value: OrderValue
    pk: int


@dataclass(frozen=True)
class Selection:
    """Rows of a table; without more words those that count, in the order of time.

    Attributes
    ----------
    score
        One of `SCORES`: rows with a value outside its limits, rows whose scored values are all
        inside, rows without a scored value.
    include
        Rows that do not count and are asked for all the same: HIDDEN, REJECTED, SUPERSEDED.
    """

    table: QC1Table
    mjd_from: float | None = None
    mjd_to: float | None = None
    conditions: Sequence[Condition] = ()
    score: str = ""
    include: frozenset[ValueState] = field(default_factory=frozenset)
    order_by: RowColumn | None = None
    is_descending: bool = False

    @property
    def states(self) -> tuple[ValueState, ...]:
        """States of rows and values that are given."""
        return (*STANDING, *sorted(self.include))

    @property
    def is_dense(self) -> bool:
        """Whether the values of the rows lie together (see `read_batches`)."""
        in_time = self.order_by is None or ROW_FIELDS.get(self.order_by.name) == "mjd_obs"
        return in_time and not self.score and all(map(_keeps_together, self.conditions))

    def rows(self) -> QuerySet[QC1Row]:
        """Return the rows, in no order."""
        rows = QC1Row.objects.filter(table=self.table)
        shown = [one for one in self.states if one != ValueState.SUPERSEDED]
        standing = Q(is_current=True, state__in=shown)
        if ValueState.SUPERSEDED in self.include:
            standing |= Q(is_current=False)
        rows = rows.filter(standing).between(self.mjd_from, self.mjd_to)
        if self.score:
            rows = rows.filter(_score_condition(self.score))
        for one in self.conditions:
            rows = rows.filter(self._condition(one))
        return rows

    def ordered(self, after: Place | None = None) -> QuerySet[QC1Row]:
        """Return the rows in their order, those behind a place; `order_value` is what it is by."""
        rows = self.rows().annotate(order_value=self._order_value())
        by = F("order_value")
        if self.is_descending:
            rows = rows.order_by(by.desc(nulls_last=True), "-pk")
        else:
            rows = rows.order_by(by.asc(nulls_last=True), "pk")
        return rows if after is None else rows.filter(self._behind(after))

    def _order_value(self) -> Any:
        if self.order_by is None:
            return F("mjd_obs")
        if self.order_by.source == Source.ROW:
            return F(ROW_FIELDS[self.order_by.name])
        series = _series(self.order_by.parameter)
        of_row = QC1Value.objects.filter(row=OuterRef("pk"), series__in=series)
        return Subquery(of_row.filter(state__in=self.states).values("value")[:1])

    def _behind(self, place: Place) -> Q:
        side = "lt" if self.is_descending else "gt"
        later = Q(**{f"pk__{side}": place.pk})
        if place.value is None:
            return Q(order_value=None) & later
        beyond = Q(**{f"order_value__{side}": place.value}) | Q(order_value=None)
        return beyond | (Q(order_value=place.value) & later)

    def _condition(self, one: Condition) -> Q:
        column = one.column
        if column.source in {Source.ROW, Source.BLOCK}:
            return _compared(ROW_FIELDS[column.name], one)
        if column.source == Source.SETUP:
            setups = self.table.setups.values_list("pk", "values")
            fits = [pk for pk, values in setups if _fits(setup_value(column, values), one)]
            return Q(setup__in=fits)
        of_row = QC1Value.objects.filter(
            row=OuterRef("pk"), series__in=_series(column.parameter), state__in=self.states
        )
        return _value_condition(column, one, of_row)

    # ---- what is asked of all of it

    def ids(self) -> Array:
        """Return the keys of the rows in their order; in that of time a part after the other.

        One answer with all of them would take some times the memory of the keys themselves.
        """
        if self.order_by is not None:
            return self._ids(self.ordered())["pk"]
        parts: list[Array] = []
        after: Place | None = None
        while True:
            found = self._ids(self.ordered(after)[:PART])
            parts.append(found["pk"])
            if len(found["pk"]) < PART:
                return np.concatenate(parts)
            after = Place(float(found["order_value"][-1]), int(found["pk"][-1]))

    def _ids(self, rows: QuerySet[Any]) -> dict[str, Array]:
        kinds = {"pk": ">i8"}
        if self.order_by is None:
            kinds["order_value"] = ">f8"
        try:
            query, given = rows.values_list(*kinds).query.sql_with_params()
        except EmptyResultSet:
            # A set-up that does not exist: no question need be asked.
            return {name: np.empty(0, dtype=kind.replace(">", "=")) for name, kind in kinds.items()}
        return fetch_arrays(query, given, kinds)

    def page(self, after: Place | None, limit: int) -> tuple[list[int], Place | None]:
        """Return the keys of a page, and the place behind which the next one begins."""
        rows: QuerySet[Any] = self.ordered(after)
        found = list(rows.values_list("pk", "order_value")[: limit + 1])
        shown = found[:limit]
        following = Place(shown[-1][1], shown[-1][0]) if len(found) > limit else None
        return [pk for pk, _ in shown], following

    def widths(self, columns: Sequence[RowColumn]) -> dict[str, int]:
        """Return the longest text of each column of texts, at least."""
        texts = [one for one in columns if one.column.kind == Kind.TEXT]
        fields = {
            one.name: Max(Length(ROW_FIELDS[one.name])) for one in texts if one.name in ROW_FIELDS
        }
        # A name of its own for each: that of a field would hide it.
        asked = {f"width_{name}": width for name, width in fields.items()}
        found = self.rows().order_by().aggregate(**asked) if asked else {}
        widths = {name: found[f"width_{name}"] or 0 for name in fields}
        setups = list(self.table.setups.values_list("values", flat=True))
        for one in texts:
            if one.source == Source.SETUP:
                widths[one.name] = max((len(v.get(one.name) or "") for v in setups), default=0)
            elif one.source == Source.VALUE:
                widths[one.name] = self._longest(one)
            elif one.name not in fields:
                # Words of ours: states and decisions.
                widths[one.name] = 10
        return widths

    def _longest(self, one: RowColumn) -> int:
        values = QC1Value.objects.filter(series__in=_series(one.parameter))
        if self.mjd_from is not None:
            values = values.filter(mjd_obs__gte=self.mjd_from)
        if self.mjd_to is not None:
            values = values.filter(mjd_obs__lte=self.mjd_to)
        return int(values.aggregate(width=Max(Length("text")))["width"] or 0)


def _keeps_together(one: Condition) -> bool:
    """Whether rows that are so have none between them that are not, but for other kinds of rows."""
    if one.column.name == "night":
        return one.compare != "in" or len(one.values) == 1
    return one.column.source == Source.SETUP or one.column.name == "detector"


def _series(parameter: QC1Parameter | None) -> QuerySet[Series, int]:
    return Series.objects.filter(parameter=parameter).values_list("pk", flat=True)


def _compared(name: str, one: Condition) -> Q:
    if one.compare == "in":
        return Q(**{f"{name}__in": list(one.values)})
    if one.compare == "missing":
        empty = Q(**{f"{name}": ""}) if name != "attempt__block__ab_name" else Q(**{name: None})
        return empty if one.values[0] else ~empty
    return Q(**{f"{name}__{one.compare}": one.values[0]})


_COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def _fits(value: Any, one: Condition) -> bool:
    """Whether a value of a set-up is as a condition says."""
    if one.compare == "in":
        return value in one.values
    return value is not None and bool(_COMPARE[one.compare](value, one.values[0]))


def _value_condition(column: RowColumn, one: Condition, of_row: QuerySet[QC1Value]) -> Q:
    if column.source == Source.SCORE:
        results = [value for value in one.values if value is not None]
        found = Q(Exists(of_row.filter(score_result__in=results))) if results else Q(pk__in=[])
        if len(results) < len(one.values):
            found |= ~Q(Exists(of_row.filter(score_result__isnull=False)))
        return found
    name = "value" if column.column.kind == Kind.FLOAT else "text"
    if one.compare == "missing":
        there = of_row.filter(value__isnull=False) if name == "value" else of_row.exclude(text="")
        return ~Q(Exists(there)) if one.values[0] else Q(Exists(there))
    return Q(Exists(of_row.filter(_compared(name, one))))


def _score_condition(score: str) -> Q:
    of_row = QC1Value.objects.filter(row=OuterRef("pk"))
    red = Q(Exists(of_row.filter(score_result=1)))
    scored = Q(Exists(of_row.filter(score_result__isnull=False)))
    return {"NOK": red, "OK": scored & ~red, "grey": ~scored}[score]
