"""One parameter over time, as a plot wants it: by column, thinned where there is more than it shows."""

from typing import Any

import numpy as np
from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from qcweb import parameters
from qcweb.problems import Problem, ProblemError
from trending.domain.thinning import thin
from trending.models import ColumnType, QC1Parameter, QC1Table, Series
from trending.services.row_columns import RowColumn, Source, own_columns, setup_value
from trending.services.trend import read_trend

from .documentation import Asked
from .house import HouseView, answer_at_once
from .rows import choices, find_table
from .serializers import TrendSerializer

MAX_POINTS = 100_000
POINTS = 2000
MAX_SERIES = 200
# Of all series together.
ALL_POINTS = 400_000
_KNOWN = ("from", "to", "detector", "points", "format")


class TrendView(HouseView):
    """A parameter over time, series by series, with its values outside limits.

    All of them up to 2,000 a series; of more, the worst of each of 2,000 stretches: `n_outliers` says
    how many there are.
    """

    @extend_schema(
        operation_id="qc1_trend",
        parameters=[
            OpenApiParameter("from", str, description="first time: MJD, ISO date or UT time"),
            OpenApiParameter("to", str, description="last time; a date includes its day"),
            OpenApiParameter("detector", str, description="one detector; twice: either"),
            OpenApiParameter(
                "points", int,
                description=f"about how many points of a series that are not outside their limits; "
                f"1 to {MAX_POINTS}, default {POINTS}",
            ),
            OpenApiParameter(
                "filters",
                {"type": "object", "additionalProperties": {"type": "string"}},
                style="form", explode=True,
                description="any filter column of the table by its name: read_mode=SLOW",
            ),
        ],
        responses=TrendSerializer,
    )  # fmt: skip
    def get(self, request: Request, table: str, parameter: str) -> HttpResponseBase:
        found = _parameter(find_table(request, table), parameter)
        asked = parameters.number(request.GET, "points", POINTS, MAX_POINTS)
        mjd_from = parameters.mjd(request.GET, "from")
        mjd_to = parameters.mjd(request.GET, "to", is_end=True)
        bounds = (mjd_from or 0.0, np.inf if mjd_to is None else mjd_to)
        series = _series(request, found)
        return answer_at_once(
            request,
            {
                "table": table,
                "parameter": parameter,
                "unit": found.unit,
                "description": found.description,
                "series": _as_json(series, bounds, min(asked, ALL_POINTS // max(1, len(series)))),
            },
        )

    def more_filters(self, **kwargs: Any) -> list[Asked]:
        """Return the filter columns of the table; the detector is in the schema."""
        return [one for one in choices(kwargs["table"]) if one.name != "detector"]


def _parameter(table: QC1Table, name: str) -> QC1Parameter:
    numbers = table.parameters.filter(type=ColumnType.FLOAT, role="", is_active=True)
    found = numbers.filter(name=name).first()
    if found is None:
        known = ", ".join(numbers.values_list("name", flat=True)) or "none"
        raise ProblemError(
            Problem(404, "Unknown parameter", f"{table.name} has no numbers {name!r}.",
                    where="parameter", hint=f"Known are {known}.")
        )  # fmt: skip
    return found


def _series(request: Request, parameter: QC1Parameter) -> list[Series]:
    own = own_columns(list(parameter.table.parameters.filter(is_active=True)))
    filters = {one.name: one for one in own if one.source == Source.SETUP}
    parameters.check_known(request.GET, (*_KNOWN, *filters))
    series = parameter.series.select_related("setup").order_by("setup__text", "detector")
    if "detector" in request.GET:
        series = series.filter(detector__in=request.GET.getlist("detector"))
    wanted = {name: request.GET.getlist(name) for name in filters if name in request.GET}
    chosen = [one for one in series if _fits(one, filters, wanted)]
    if len(chosen) > MAX_SERIES:
        raise parameters.bad(
            "parameter", f"There are {len(chosen)} series.",
            f"At most {MAX_SERIES} come at once: choose by detector, {', '.join(filters)}.",
        )  # fmt: skip
    return chosen


def _fits(one: Series, filters: dict[str, RowColumn], wanted: dict[str, list[str]]) -> bool:
    for name, words in wanted.items():
        value = setup_value(filters[name], one.setup.values)
        kept = one.setup.values.get(name)
        if kept not in words and str(value) not in words:
            return False
    return True


def _as_json(
    series: list[Series], bounds: tuple[float, float], n_points: int
) -> list[dict[str, Any]]:
    trend = read_trend([one.pk for one in series], *bounds)
    is_there = np.isfinite(trend.value)
    answer = []
    for one in series:
        is_its = trend.series == one.pk
        places = np.flatnonzero(is_its & is_there)
        kept = places[thin(trend.value[places], trend.result[places] == 1, n_points)]
        answer.append(
            {
                "setup": one.setup.values,
                "detector": one.detector,
                "n": int(places.size),
                "n_outliers": int(np.count_nonzero(trend.result[places] == 1)),
                "n_missing": int(np.count_nonzero(is_its)) - int(places.size),
                "is_thinned": bool(kept.size < places.size),
                "mjd_obs": trend.mjd[kept].tolist(),
                "value": trend.value[kept].tolist(),
                "score": [None if one < 0 else one for one in trend.result[kept].tolist()],
                "row": trend.row[kept].tolist(),
            }
        )
    return answer
