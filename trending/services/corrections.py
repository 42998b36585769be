"""People's word on values and scores: hide, leave out, call OK, remove; each with its undo.

What depends on it is scored again at once, in the same transaction.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

import numpy as np
from django.db import transaction

from pipelines.models import AssociationBlock, Attempt
from trending.models import (
    ActKind,
    Mark,
    MarkKind,
    QC1Row,
    QC1Value,
    Score,
    ScoreAct,
    ScoreRule,
    Series,
    ValueState,
)

from .clock import take_tables
from .facts import in_chunks, version_of
from .score import score_rows, sum_up_blocks

# A baseline remembers its epoch. A correction is carried on so far; later values keep the limits
# they were judged by, as they do when an old value comes late.
FARTHEST_DAYS = 400.0
_STATES = {
    MarkKind.EXCLUDED: ValueState.EXCLUDED,
    MarkKind.HIDDEN: ValueState.HIDDEN,
    MarkKind.REJECTED: ValueState.REJECTED,
}


class CorrectionError(ValueError):
    """What was asked for cannot be done; the message says why."""


def mark(
    row_ids: Iterable[int],
    kind: MarkKind,
    *,
    author: str,
    reason: str,
    at: dt.datetime,
    series: Series | None = None,
) -> list[Mark]:
    """Take rows, or one parameter's values in them, out of what counts.

    Rows that have the mark already keep it as it is.

    Raises
    ------
    CorrectionError
        There is no reason, or a row is not a current one.
    """
    _needs_reason(reason)
    with transaction.atomic():
        rows, at = _taken(row_ids, at)
        standing = Mark.objects.open().filter(row__in=rows, kind=kind, series=series)
        marked = set(standing.values_list("row_id", flat=True))
        made = Mark.objects.bulk_create(
            Mark(row=row, series=series, kind=kind, reason=reason, author=author, recorded_at=at)
            for row in rows
            if row.pk not in marked
        )
        _renew([one.row_id for one in made], at)
    return made


def unmark(marks: Iterable[Mark], *, author: str, reason: str, at: dt.datetime) -> None:
    """Take marks back; they stay in the history with who ended them and why."""
    _needs_reason(reason)
    _unmark(marks, author, reason, at)


def _unmark(marks: Iterable[Mark], author: str, reason: str, at: dt.datetime) -> None:
    open_ones = list(
        Mark.objects.open().filter(pk__in=[one.pk for one in marks]).select_related("row")
    )
    if not open_ones:
        raise CorrectionError("This has been taken back already.")
    with transaction.atomic():
        at = take_tables({one.row.table_id for one in open_ones}, at)
        Mark.objects.open().filter(pk__in=[one.pk for one in open_ones]).update(
            superseded_at=at, ended_by=author, end_reason=reason
        )
        _renew([one.row_id for one in open_ones], at)


def mark_rejected(
    block: AssociationBlock, *, rejected: bool, author: str, reason: str, at: dt.datetime
) -> None:
    """Take a rejected block's values out of plots and statistics, or bring them back."""
    rows = QC1Row.objects.filter(attempt=block.current_attempt_id, is_current=True)
    standing = Mark.objects.open().filter(row__in=rows, kind=MarkKind.REJECTED)
    if rejected:
        reason = reason or "The block is rejected."
        mark(rows.values_list("pk", flat=True), MarkKind.REJECTED,
             author=author, reason=reason, at=at)  # fmt: skip
    elif standing.exists():
        _unmark(standing, author, reason, at)


def correct_block(
    attempt: Attempt, kind: ActKind, *, author: str, reason: str, at: dt.datetime
) -> ScoreAct:
    """Score a block's run again, remove its scores, or call what is NOK in it OK."""
    _needs_reason(reason)
    rows = QC1Row.objects.filter(attempt=attempt, is_current=True)
    with transaction.atomic():
        found, at = _taken(rows.values_list("pk", flat=True), at)
        if not found:
            raise CorrectionError("This run has no current values: there is nothing to score.")
        return _correct(found, kind, author, reason, at, attempt=attempt)


def correct_value(
    series: Series, row: QC1Row, kind: ActKind, *, author: str, reason: str, at: dt.datetime
) -> ScoreAct:
    """Do the same to one value."""
    _needs_reason(reason)
    with transaction.atomic():
        rows, at = _taken([row.pk], at)
        _check_possible(kind, Score.objects.filter(series=series, row=row, is_current=True).first())
        return _correct(rows, kind, author, reason, at, row=row, series=series)


def _check_possible(kind: ActKind, score: Score | None) -> None:
    if kind != ActKind.RESCORE and score is None:
        raise CorrectionError("This value has no score.")
    if kind == ActKind.OVERRIDE and score is not None and score.result is None:
        raise CorrectionError(
            f"A value that is not scored ({score.get_grey_reason_text()}) cannot be called OK."
        )


def take_back(act: ScoreAct, *, author: str, reason: str, at: dt.datetime) -> None:
    """Take a correction back: the rule decides again."""
    _needs_reason(reason)
    # Former rows too: the act was about them, and its end must come after all that was said of them.
    rows = list(
        QC1Row.objects.filter(attempt=act.attempt_id)
        if act.attempt_id
        else QC1Row.objects.filter(score_acts=act.pk)
    )
    with transaction.atomic():
        at = take_tables({row.table_id for row in rows}, at)
        ended = ScoreAct.objects.open().filter(pk=act.pk)
        if not ended.update(superseded_at=at, ended_by=author, end_reason=reason):
            raise CorrectionError("This has been taken back already.")
        score_again([row.pk for row in rows if row.is_current], at)


def _correct(
    rows: Sequence[QC1Row],
    kind: ActKind,
    author: str,
    reason: str,
    at: dt.datetime,
    **subject: object,
) -> ScoreAct:
    # Of two corrections of one thing the later one counts.
    ScoreAct.objects.open().filter(**subject).update(
        superseded_at=at, ended_by=author, end_reason=f"Followed by another: {kind.label}."
    )
    act = ScoreAct.objects.create(
        kind=kind, author=author, reason=reason, recorded_at=at, **subject,
        # Scoring again leaves a trace; nothing stands above the rule afterwards.
        superseded_at=at if kind == ActKind.RESCORE else None,
    )  # fmt: skip
    score_again([row.pk for row in rows], at)
    return act


def score_again(row_ids: Sequence[int], at: dt.datetime) -> int:
    """Score rows by what is known now, with the blocks they belong to; return how many are new."""
    scores = score_rows(row_ids, at)
    sum_up_blocks(row_ids, at)
    return sum(one.recorded_at == at for one in scores)


def _needs_reason(reason: str) -> None:
    if not reason.strip():
        raise CorrectionError("A reason is needed: who reads this in years will ask.")


def _taken(row_ids: Iterable[int], at: dt.datetime) -> tuple[list[QC1Row], dt.datetime]:
    """Take the tables of rows, and return the rows as they are then, with the time of what follows."""
    wanted = set(row_ids)
    rows = QC1Row.objects.filter(pk__in=wanted)
    at = take_tables(set(rows.values_list("table_id", flat=True)), at)
    current = list(rows.filter(is_current=True).order_by("pk"))
    if len(current) != len(wanted):
        raise CorrectionError("A later run has taken the place of this value.")
    return current, at


def carry_over(attempt: Attempt, row_ids: Sequence[int], at: dt.datetime) -> None:
    """Let what was said of a run's values go on when the run is made the current one again.

    Of a row that was read from the same run before, with the same values; its table must be taken.
    """
    new = {
        (
            row.table_id,
            row.setup_id,
            row.detector,
            row.mjd_obs,
            row.pro_catg,
            row.content_digest,
        ): row
        for row in QC1Row.objects.filter(pk__in=row_ids)
    }
    touched = set()
    for model in (Mark, ScoreAct):
        for one in (
            model.objects.open()
            .filter(row__attempt=attempt, row__is_current=False)
            .select_related("row")
        ):
            old = one.row
            key = (old.table_id, old.setup_id, old.detector, old.mjd_obs, old.pro_catg,
                   old.content_digest)  # fmt: skip
            if key not in new or getattr(one, "kind", "") == MarkKind.REJECTED:
                continue
            model.objects.filter(pk=one.pk).update(
                superseded_at=at, ended_by=one.author, end_reason="Carried over to the same value."
            )
            one.pk, one.row, one.recorded_at = None, new[key], at
            one.save(force_insert=True)
            touched.add(new[key].pk)
    restate(sorted(touched))


def _renew(row_ids: Sequence[int], at: dt.datetime) -> None:
    """Bring states up to date with the marks, and score what looks back on these rows."""
    restate(row_ids)
    score_again(sorted({*row_ids, *_later_rows(row_ids)}), at)


def restate(row_ids: Sequence[int]) -> None:
    """Copy what the marks say into rows and values: the strongest mark shows."""
    for some in in_chunks(row_ids):
        _restate(some)


def _restate(row_ids: Sequence[int]) -> None:
    rows = QC1Row.objects.filter(pk__in=row_ids, is_current=True)
    ids = list(rows.values_list("pk", flat=True))
    values = QC1Value.objects.filter(row__in=ids)
    rows.exclude(state=ValueState.CURRENT).update(state=ValueState.CURRENT)
    values.exclude(state=ValueState.CURRENT).update(state=ValueState.CURRENT)
    for kind, state in _STATES.items():
        marks = Mark.objects.open().filter(row__in=ids, kind=kind)
        whole = list(marks.filter(series=None).values_list("row_id", flat=True))
        QC1Row.objects.filter(pk__in=whole).update(state=state)
        QC1Value.objects.filter(row__in=whole).update(state=state)
        for row, series in marks.exclude(series=None).values_list("row_id", "series_id"):
            QC1Value.objects.filter(row=row, series=series).update(state=state)


def _later_rows(row_ids: Sequence[int]) -> list[int]:
    """Return the rows whose limits look back on one of these."""
    series: set[tuple[int, int]] = set()
    mjds: list[float] = []
    for some in in_chunks(row_ids):
        of_them = Series.objects.filter(values__row__in=some).distinct()
        series.update(of_them.values_list("pk", "parameter_id"))
        mjds += QC1Row.objects.filter(pk__in=some).values_list("mjd_obs", flat=True)
    reach = _reach({parameter for _, parameter in series})
    found: set[int] = set()
    for pk, parameter in sorted(series):
        if reach.get(parameter, 0.0):
            later = QC1Value.objects.filter(
                series=pk, mjd_obs__gte=min(mjds), mjd_obs__lte=max(mjds) + reach[parameter]
            )
            found.update(later.values_list("row_id", flat=True))
    return sorted(found)


def _reach(parameters: set[int]) -> dict[int, float]:
    reach: dict[int, float] = {}
    for rule in ScoreRule.objects.open().filter(parameter__in=parameters):
        farthest = version_of(rule).reach
        days = farthest if np.isfinite(farthest) else FARTHEST_DAYS
        reach[rule.parameter_id] = max(days, reach.get(rule.parameter_id, 0.0))
    return reach
