"""Why is it red? The value, the rule, the limits and what they rest on, and who else is red."""

from dataclasses import dataclass

from django.db.models import QuerySet

from trending.models import (
    STANDING,
    Mark,
    QC1Row,
    QC1Value,
    QualityEvent,
    Score,
    ScoreAct,
    Series,
)

# Former cases that are shown.
SIMILAR = 5


@dataclass(frozen=True)
class Neighbour:
    """Another value of the same block: the same parameter elsewhere, or another one here."""

    series: Series
    row_id: int
    value: float | None
    result: int | None


@dataclass(frozen=True)
class Explanation:
    """All that a score rests on, in one place.

    Attributes
    ----------
    score
        The standing score; None if there is none.
    marks, acts
        What people said of the value or its row, with what they took back.
    same_parameter
        The same parameter of other detectors and setups of the same block.
    same_place
        Other scored parameters of the same setup and detector.
    outside_since
        The first of the unbroken run of NOK scores that ends here; None if it is not NOK.
    similar
        The newest earlier scores of this series that were NOK on the same side.
    last_event
        The event that began the epoch of the value.
    history
        Former scores of this value, newest first.
    """

    series: Series
    row: QC1Row
    value: QC1Value
    score: Score | None
    marks: list[Mark]
    acts: list[ScoreAct]
    same_parameter: list[Neighbour]
    same_place: list[Neighbour]
    outside_since: Score | None
    similar: list[Score]
    last_event: QualityEvent | None
    history: list[Score]

    @property
    def distance(self) -> float | None:
        """How far the value lies from the average, in sigma; None where that means nothing."""
        one = self.score
        if one is None or one.value is None or one.average is None or not one.sigma:
            return None
        return (one.value - one.average) / one.sigma


def explain(series: Series, row: QC1Row) -> Explanation:
    """Gather what there is to say about one value.

    Raises
    ------
    QC1Value.DoesNotExist
        The row has no value of this series.
    """
    value = QC1Value.objects.get(series=series, row=row)
    of_value = Score.objects.filter(series=series, row=row).select_related("rule", "act")
    score = of_value.filter(is_current=True).first()
    return Explanation(
        series=series,
        row=row,
        value=value,
        score=score,
        marks=[one for one in Mark.objects.filter(row=row) if one.series_id in {None, series.pk}],
        acts=list(_acts(series, row)),
        same_parameter=_neighbours(row, series, same_parameter=True),
        same_place=_neighbours(row, series, same_parameter=False),
        outside_since=_outside_since(series, row, score),
        similar=_similar(series, row, score),
        last_event=_last_event(series, row),
        history=list(of_value.filter(is_current=False).order_by("-recorded_at", "-pk")),
    )


def _acts(series: Series, row: QC1Row) -> QuerySet[ScoreAct]:
    """Return what was said of the value itself, and of its block where that changed its score."""
    changed = Score.objects.filter(row=row, series=series, act__isnull=False).values("act")
    own = ScoreAct.objects.filter(row=row, series=series)
    return own | ScoreAct.objects.filter(attempt__isnull=False, pk__in=changed)


def _neighbours(row: QC1Row, series: Series, *, same_parameter: bool) -> list[Neighbour]:
    values = QC1Value.objects.filter(state__in=STANDING).exclude(series=series)
    if same_parameter:
        rows = (
            QC1Row.objects.filter(attempt=row.attempt_id)
            if row.attempt_id
            else QC1Row.objects.filter(table=row.table_id, mjd_obs=row.mjd_obs)
        )
        values = values.filter(
            row__in=rows.filter(is_current=True), series__parameter=series.parameter_id
        )
    else:
        values = values.filter(row=row, score_result__isnull=False)
    found = values.select_related("series__parameter", "series__setup").order_by(
        "series__parameter__order", "series__setup__text", "series__detector"
    )
    return [Neighbour(one.series, one.row_id, one.value, one.score_result) for one in found]


def _outside_since(series: Series, row: QC1Row, score: Score | None) -> Score | None:
    if score is None or score.result != 1:
        return None
    until = Score.objects.filter(
        series=series, is_current=True, row__mjd_obs__lte=row.mjd_obs
    ).select_related("row")
    fine = until.filter(result=0).order_by("-row__mjd_obs").first()
    red = until.filter(result=1).order_by("row__mjd_obs")
    return red.filter(row__mjd_obs__gt=fine.row.mjd_obs).first() if fine else red.first()


def _similar(series: Series, row: QC1Row, score: Score | None) -> list[Score]:
    if score is None or score.result != 1 or score.value is None:
        return []
    is_high = score.upper is not None and score.value > score.upper
    earlier = (
        Score.objects.filter(series=series, is_current=True, result=1, row__mjd_obs__lt=row.mjd_obs)
        .select_related("row__attempt__block", "rule")
        .order_by("-row__mjd_obs")
    )
    return _on_side(earlier, is_high=is_high)


def _on_side(scores: QuerySet[Score], *, is_high: bool) -> list[Score]:
    found: list[Score] = []
    for one in scores[: 10 * SIMILAR]:
        limit = one.upper if is_high else one.lower
        if limit is None or one.value is None:
            continue
        if (one.value > limit) == is_high and one.value != limit:
            found.append(one)
        if len(found) == SIMILAR:
            break
    return found


def _last_event(series: Series, row: QC1Row) -> QualityEvent | None:
    events = QualityEvent.objects.open().filter(
        instrument__qc1_tables=row.table_id, begins_epoch=True, mjd__lte=row.mjd_obs
    )
    of_it = (
        one
        for one in events
        if one.table_id in {None, row.table_id} and one.parameter_id in {None, series.parameter_id}
    )
    return next(of_it, None)
