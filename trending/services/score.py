"""Scores rows by the rules that are in force, and keeps with each score what it was judged by."""

import datetime as dt
from collections.abc import Iterable, Sequence

from django.db import transaction

from pipelines.models import AssociationBlock, NextStep, ProcessStatus
from trending.domain.aggregate import tally
from trending.domain.scoring import GreyReason, ScoreResult
from trending.models import (
    STANDING,
    ActKind,
    BlockScore,
    ColumnType,
    Mark,
    QC1Row,
    QC1Value,
    Score,
    ScoreAct,
    ScoreRule,
    Series,
    ValueState,
)

from .bulk import insert, set_results
from .facts import Acts, Facts
from .judging import Verdict, judge

CHUNK = 500
# What a score rests on. Where all of it is as before, the standing score stays.
EVIDENCE = (
    "rule_id", "result", "grey_reason", "value", "lower", "upper", "average", "sigma", "n",
    "used_fallback", "is_warning", "is_hc", "since_mjd", "is_repeat", "act_id",
)  # fmt: skip
_COLUMNS = ("series_id", "row_id", *EVIDENCE, "is_current", "recorded_at")


def score_rows(row_ids: Sequence[int], at: dt.datetime, *, are_new: bool = False) -> list[Score]:
    """Score the values of rows whose parameter has a rule for any setup; others are only drawn.

    A score that would come out as it stands is left. Must be called in the transaction that took
    the rows' table (`clock.take_tables`), with the time from there.

    Parameters
    ----------
    are_new
        The rows were made just now: they have no scores yet, and nobody has said anything of them.
    """
    if not are_new:
        # What is out of the pool keeps the score it was decided by.
        row_ids = list(
            QC1Row.objects.filter(pk__in=row_ids)
            .exclude(state=ValueState.REJECTED)
            .values_list("pk", flat=True)
        )
    if not row_ids:
        return []
    wanted, spans = _wanted(row_ids)
    series = list(Series.objects.filter(pk__in=wanted).select_related("parameter", "setup"))
    facts = Facts(series)
    acts = Acts() if are_new else facts.acts(row_ids)
    made = [
        as_score(verdict, acts.of(verdict.series.pk, verdict.row_id), at)
        for judged in judge(facts, wanted, spans)
        for verdict in judged.verdicts()
    ]
    return write(made, [] if are_new else row_ids, at)


def _wanted(row_ids: Sequence[int]) -> tuple[dict[int, set[int]], dict[int, tuple[float, float]]]:
    """Return the values to judge by series, and the time between their first and last."""
    wanted: dict[int, set[int]] = {}
    spans: dict[int, tuple[float, float]] = {}
    ruled = ScoreRule.objects.open().values("parameter")
    for n in range(0, len(row_ids), CHUNK):
        found = QC1Value.objects.filter(
            row__in=row_ids[n : n + CHUNK],
            state__in=STANDING,
            series__parameter__type=ColumnType.FLOAT,
            series__parameter__in=ruled,
        ).values_list("series_id", "row_id", "mjd_obs")
        for series, row, mjd in found:
            wanted.setdefault(series, set()).add(row)
            first, last = spans.get(series, (mjd, mjd))
            spans[series] = min(first, mjd), max(last, mjd)
    return wanted, spans


def as_score(verdict: Verdict, act: ScoreAct | None, at: dt.datetime) -> Score:
    """Return a verdict as it is stored, with a person's correction above it."""
    found, version = verdict.judgement, verdict.version
    result = None if found.result is None else int(found.result)
    reason = str(found.reason or "")
    if act is not None and act.kind == ActKind.REMOVE:
        result, reason = None, str(GreyReason.REMOVED)
    elif act is not None and act.kind == ActKind.OVERRIDE and result == ScoreResult.NOK:
        # What has no value stays grey, whoever asks: nothing is green without data.
        result = int(ScoreResult.OK)
    else:
        # It changes nothing here: what is green by the rule is not green by somebody's word.
        act = None
    return Score(
        series=verdict.series,
        row_id=verdict.row_id,
        rule=version.stored if version else None,
        result=result,
        grey_reason=reason,
        value=verdict.value,
        lower=found.lower,
        upper=found.upper,
        average=found.average,
        sigma=found.sigma,
        n=found.n,
        used_fallback=found.used_fallback,
        is_warning=found.warning,
        is_hc=version.stored.is_hc if version else False,
        since_mjd=found.since,
        is_repeat=found.repeated,
        act=act,
        recorded_at=at,
    )


def write(made: Sequence[Score], row_ids: Iterable[int], at: dt.datetime) -> list[Score]:
    """Let new scores take the place of the standing ones of the rows, where they differ.

    Scores of parameters that have no rule any more are taken back: they judge nothing now.
    """
    standing = {(one.series_id, one.row_id): one for one in _standing(list(row_ids))}
    kept, fresh, gone = [], [], []
    for one in made:
        before = standing.pop((one.series_id, one.row_id), None)
        if before is not None and _is_same(before, one):
            before.series = one.series
            kept.append(before)
            continue
        fresh.append(one)
        if before is not None:
            gone.append(before.pk)
    results: list[tuple[int, int, int | None]] = [
        (one.series_id, one.row_id, one.result) for one in fresh
    ]
    results += [(series, row, None) for series, row in standing]
    gone += [one.pk for one in standing.values()]
    for n in range(0, len(gone), CHUNK):
        Score.objects.filter(pk__in=gone[n : n + CHUNK]).update(is_current=False, superseded_at=at)
    if fresh:
        insert(Score, _COLUMNS, ([getattr(one, name) for name in _COLUMNS] for one in fresh))
    if results:
        set_results(results)
    return kept + fresh


def _standing(row_ids: Sequence[int]) -> Iterable[Score]:
    for n in range(0, len(row_ids), CHUNK):
        yield from Score.objects.filter(row__in=row_ids[n : n + CHUNK], is_current=True)


def _is_same(one: Score, other: Score) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in EVIDENCE)


def words(one: Score) -> str:
    """Return an outlier in words: ``ron_raw REDL 2.876 > 2.6``."""
    if one.value is None:
        return f"{one.series.parameter.name} missing"
    is_above = one.upper is not None and one.value > one.upper
    sign, limit = (">", one.upper) if is_above else ("<", one.lower)
    name = f"{one.series.parameter.name} {one.series.detector}".strip()
    return f"{name} {one.value:.4g} {sign} {limit:.4g}"


def score_block(block: AssociationBlock, at: dt.datetime) -> BlockScore:
    """Score the rows of a block's present run and sum them up: n NOK of N scored."""
    attempt = block.current_attempt
    if attempt is None:
        raise ValueError(f"{block} has no run to score.")
    rows = list(
        QC1Row.objects.filter(attempt=attempt, is_current=True).values_list("pk", flat=True)
    )
    return sum_up(block, score_rows(rows, at), at)


def score_new_run(block: AssociationBlock, row_ids: Sequence[int], at: dt.datetime) -> BlockScore:
    """Score the rows that a run of a block has just got, and sum them up."""
    # A former run that is made the current one again may have been spoken of.
    is_known = block.attempt > 1 and (
        ScoreAct.objects.open().filter(attempt=block.current_attempt_id).exists()
        or ScoreAct.objects.open().filter(row__in=row_ids).exists()
        or Mark.objects.open().filter(row__in=row_ids).exists()
    )
    return sum_up(block, score_rows(row_ids, at, are_new=not is_known), at)


def sum_up(block: AssociationBlock, scores: Sequence[Score], at: dt.datetime) -> BlockScore:
    """Write the score of a block; one that says the same as the standing one is not written."""
    found = tally(None if one.result is None else ScoreResult(one.result) for one in scores)
    reasons = sorted(one.grey_reason for one in scores if one.grey_reason)
    fields = {
        "attempt_id": block.current_attempt_id,
        "n_nok": found.n_nok,
        "n_scored": found.n_scored,
        "n_grey": found.n_grey,
        "grey_reason": "" if found.n_scored else str((reasons or [GreyReason.NOT_IMPLEMENTED])[0]),
        "summary": "; ".join(words(one) for one in scores if one.result == ScoreResult.NOK)[:255],
    }
    with transaction.atomic():
        standing = BlockScore.objects.filter(block=block, is_current=True).first()
        if standing is not None:
            if all(getattr(standing, name) == value for name, value in fields.items()):
                return standing
            BlockScore.objects.filter(pk=standing.pk).update(is_current=False)
        return BlockScore.objects.create(block=block, recorded_at=at, **fields)


def sum_up_blocks(rows: Iterable[int], at: dt.datetime) -> list[AssociationBlock]:
    """Bring the scores of the blocks whose rows were scored again up to date.

    Returns
    -------
    list
        The blocks whose score has changed. What was certified by the former one is looked at anew.
    """
    attempts = QC1Row.objects.filter(pk__in=list(rows), is_current=True).exclude(
        state=ValueState.REJECTED
    )
    blocks = list(
        AssociationBlock.objects.filter(current_attempt__in=attempts.values("attempt")).distinct()
    )
    changed = []
    for block in blocks:
        scores = Score.objects.filter(
            row__attempt=block.current_attempt_id, row__is_current=True, is_current=True
        ).select_related("series__parameter")
        if sum_up(block, list(scores), at).recorded_at == at:
            changed.append(block)
    _reconsider(changed, at)
    return changed


def _reconsider(blocks: Sequence[AssociationBlock], at: dt.datetime) -> None:
    """Let blocks whose score has changed be certified by it again, or be seen by a person."""
    # One that somebody is deciding on just now is left to them; to wait could be to wait for ever.
    free = (
        AssociationBlock.objects.filter(
            pk__in=[one.pk for one in blocks],
            next_step=NextStep.REST,
            process_status=ProcessStatus.SUCCESSFUL,
        )
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True, skip_locked=True)
    )
    keys = list(free.values_list("pk", flat=True))
    AssociationBlock.objects.filter(pk__in=keys).update(
        next_step=NextStep.CERTIFY, next_try_at=None, changed_at=at
    )
