"""What a plot is drawn from: numbers in typed arrays, the blocks behind them, and what happened."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.urls import reverse

from trending.models import QC1Row, QualityEvent, Series
from trending.services.figures import Points, milliseconds, typed


def as_dataset(name: str, points: Points, average: float | None) -> dict[str, Any]:
    """Return one set of points as `report.js` draws it."""
    blocks = blocks_of(points)
    return {
        "name": name,
        "time": typed(milliseconds(points.mjd)),
        "value": typed(points.value),
        "result": points.result.tolist(),
        "warning": np.flatnonzero(points.warning).tolist(),
        "excluded": np.flatnonzero(points.excluded).tolist(),
        "lower": typed(points.lower),
        "upper": typed(points.upper),
        "average": average,
        # Address of each point's block; empty where the value was imported.
        "blocks": [blocks.get(int(row), "") for row in points.row],
        "block_url": reverse("block", args=["AB"]),
        "n": points.n,
    }


def blocks_of(points: Points) -> dict[int, str]:
    """Return the block's name of each row that a run has made."""
    rows = QC1Row.objects.filter(
        pk__in=[int(row) for row in points.row], attempt__isnull=False
    ).values_list("pk", "attempt__block__ab_name")
    return dict(rows)


def events_of(series: Sequence[Series], first: float, last: float) -> list[dict[str, Any]]:
    """Return the quality events about some series between two MJDs; parameters must be at hand."""
    if not series:
        return []
    parameters = {one.parameter_id for one in series}
    tables = {one.parameter.table_id for one in series}
    found = QualityEvent.objects.open().filter(
        instrument__qc1_tables__in=tables, mjd__gte=first, mjd__lte=last
    )
    return [
        {"time": float(milliseconds(np.array(one.mjd))), "title": one.title}
        for one in found.distinct().order_by("mjd")
        if (one.table_id is None or one.table_id in tables)
        and (one.parameter_id is None or one.parameter_id in parameters)
    ]
