"""What a Health Check plot draws: numbers in typed arrays, no colours, no words of pages."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import F

from trending.models import STANDING, Dataset, QC1Value, Score, ScoreRule, Series, ValueState

from .health import matches

# 1858-11-17 in milliseconds before 1970: plotly.js takes UT as milliseconds.
_EPOCH_MS = -3506716800000.0
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Points:
    """A data set's points in order of time; `lower` and `upper` are NaN where there is no limit."""

    mjd: Array
    value: Array
    result: Array  # 0, 1, or -1 where not scored
    row: Array
    lower: Array
    upper: Array
    warning: Array  # within the limits, beyond the tighter ones
    excluded: Array  # left out of statistics by a person
    is_simulated: bool

    @property
    def n(self) -> int:
        return int(self.mjd.size)


def find_series(dataset: Dataset) -> list[Series]:
    candidates = Series.objects.filter(parameter=dataset.parameter).select_related(
        "setup", "parameter"
    )
    return [series for series in candidates if matches(dataset, series)]


def load_points(
    series: Sequence[Series], mjd_from: float | None = None, mjd_to: float | None = None
) -> Points:
    """Read the values that count, with the limits each was judged by."""
    values = QC1Value.objects.filter(series__in=series, state__in=STANDING, value__isnull=False)
    if mjd_from is not None:
        values = values.filter(mjd_obs__gte=mjd_from)
    if mjd_to is not None:
        values = values.filter(mjd_obs__lte=mjd_to)
    found = list(
        values.order_by("mjd_obs").values_list(
            "mjd_obs", "value", "score_result", "row_id", "series_id", "state"
        )
    )
    limits = {
        (one, row): (lower, upper, is_warning)
        for one, row, lower, upper, is_warning in Score.objects.filter(
            series__in=series, is_current=True, row__mjd_obs__gte=found[0][0] if found else 0
        ).values_list("series_id", "row_id", "lower", "upper", "is_warning")
    }
    nothing = (None, None, False)
    bounds = [limits.get((one, row), nothing) for _, _, _, row, one, _ in found]
    return Points(
        mjd=np.array([one[0] for one in found], dtype=float),
        value=np.array([one[1] for one in found], dtype=float),
        result=np.array([-1 if one[2] is None else one[2] for one in found], dtype=np.int8),
        row=np.array([one[3] for one in found], dtype=np.int64),
        lower=np.array([np.nan if one[0] is None else one[0] for one in bounds], dtype=float),
        upper=np.array([np.nan if one[1] is None else one[1] for one in bounds], dtype=float),
        warning=np.array([one[2] for one in bounds], dtype=bool),
        excluded=np.array([one[5] == ValueState.EXCLUDED for one in found], dtype=bool),
        is_simulated=_any_simulated(series),
    )


def _any_simulated(series: Sequence[Series]) -> bool:
    return QC1Value.objects.filter(series__in=series, row__is_simulated=True).exists()


def typed(array: Array) -> dict[str, str]:
    """Return an array as plotly.js reads it without parsing numbers: base64 and a type."""
    kinds = {"float64": "f8", "int8": "i1", "int64": "f8", "float32": "f4"}
    plain = array.astype(float) if array.dtype == np.int64 else array
    return {
        "dtype": kinds[str(array.dtype)],
        "bdata": base64.b64encode(np.ascontiguousarray(plain).tobytes()).decode(),
    }


def milliseconds(mjd: Array) -> Array:
    scaled: Array = mjd * 86400000.0 + _EPOCH_MS
    return scaled


def rule_of(series: Sequence[Series]) -> ScoreRule | None:
    """Return the rule by which the newest scored point of a series was judged."""
    score = (
        Score.objects.filter(series__in=series, is_current=True, rule__isnull=False)
        .order_by(F("row__mjd_obs").desc())
        .select_related("rule")
        .first()
    )
    return score.rule if score else None
