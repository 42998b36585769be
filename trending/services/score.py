"""Scores rows by the rules that are in force, and keeps with each score what it was judged by."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipelines.models import AssociationBlock
from trending.domain.aggregate import tally
from trending.domain.limits import parse_limits
from trending.domain.scoring import (
    DEFAULT_WINDOW_DAYS,
    Average,
    GreyReason,
    Judgement,
    Rule,
    ScoreResult,
    score,
    window,
)
from trending.domain.setups import fits_setup
from trending.models import (
    BlockScore,
    ColumnType,
    QC1Row,
    QC1Value,
    Score,
    ScoreRule,
    Series,
    ValueState,
)

CHUNK = 500
# So many series are read together: a night's are few, and of twenty years each is long.
AT_ONCE = 20


@dataclass(frozen=True)
class _Version:
    """A rule version with its domain form, made once."""

    stored: ScoreRule
    rule: Rule


def _version(stored: ScoreRule) -> _Version:
    return _Version(
        stored,
        Rule(
            method=parse_limits(stored.limits),
            average=Average(stored.average),
            window_days=stored.window_days,
            window_points=stored.window_points,
            min_n=stored.min_n,
            fallback=parse_limits(stored.fallback) if stored.fallback else None,
            clip=stored.clip_sigma,
            warning=parse_limits(stored.warning) if stored.warning else None,
        ),
    )


def _specificity(stored: ScoreRule) -> tuple[bool, int, str]:
    # The key decides between equals: the database's order is another one every time.
    return bool(stored.detector), len(stored.setup), stored.key


def rules_for(series: Series, versions: Sequence[_Version]) -> list[_Version]:
    """Return the rules that are for a series, the most specific first."""
    fitting = [
        version
        for version in versions
        if version.stored.detector in {"", series.detector}
        and fits_setup(version.stored.setup, series.setup.values)
    ]
    return sorted(fitting, key=lambda version: _specificity(version.stored), reverse=True)


def _valid(versions: Sequence[_Version], mjd: float) -> _Version | None:
    for version in versions:
        until = version.stored.valid_until_mjd
        if version.stored.valid_from_mjd <= mjd and (until is None or mjd < until):
            return version
    return None


Point = tuple[int, float, float | None]


@dataclass
class _Own:
    """The values of one series that are to be judged: row, time, value; and those that stand."""

    rows: set[int] = field(default_factory=set)
    standing: list[Point] = field(default_factory=list)
    # What is said of each row so far.
    results: dict[int, int | None] = field(default_factory=dict)


def score_rows(row_ids: Sequence[int], at: dt.datetime) -> list[Score]:
    """Score the values of rows whose parameter has a rule for any setup; others are only drawn."""
    made: list[Score] = []
    by_series = _own_values(row_ids)
    series = list(
        Series.objects.filter(pk__in=by_series).select_related("parameter", "setup").order_by("pk")
    )
    versions: dict[int, list[_Version]] = {}
    of_these = {one.parameter_id for one in series}
    for stored in ScoreRule.objects.known_at(at).filter(parameter__in=of_these):
        versions.setdefault(stored.parameter_id, []).append(_version(stored))
    judged = [one for one in series if one.parameter_id in versions]
    for n in range(0, len(judged), AT_ONCE):
        some = judged[n : n + AT_ONCE]
        rules = {one.pk: rules_for(one, versions[one.parameter_id]) for one in some}
        found = _populations(rules, by_series)
        for one in some:
            made += _score_series(one, by_series[one.pk], found[one.pk], rules[one.pk], at)
    _write(made, row_ids, by_series, at)
    return made


def _own_values(row_ids: Sequence[int]) -> dict[int, _Own]:
    own: dict[int, _Own] = {}
    for n in range(0, len(row_ids), CHUNK):
        found = (
            QC1Value.objects.filter(
                row__in=row_ids[n : n + CHUNK], series__parameter__type=ColumnType.FLOAT
            )
            .order_by("mjd_obs", "row_id")
            .values_list("series_id", "row_id", "mjd_obs", "value", "state", "score_result")
        )
        for series_id, row_id, mjd, value, state, result in found:
            one = own.setdefault(series_id, _Own())
            one.rows.add(row_id)
            one.results[row_id] = result
            if state == ValueState.CURRENT:
                one.standing.append((row_id, mjd, value))
    return own


def _score_series(
    series: Series,
    own: _Own,
    found: Sequence[Point],
    versions: Sequence[_Version],
    at: dt.datetime,
) -> list[Score]:
    times = np.array([mjd for _, mjd, _ in found], dtype=float)
    values = np.array([np.nan if v is None else v for _, _, v in found], dtype=float)
    scores = []
    for place, (row_id, mjd, value) in enumerate(found):
        if row_id in own.rows:
            version = _valid(versions, mjd)
            judgement = _judge(version, value, times, values, mjd, place)
            scores.append(_score(series, row_id, value, version, judgement, at))
    return scores


def _populations(
    rules: Mapping[int, Sequence[_Version]], own: Mapping[int, _Own]
) -> dict[int, list[Point]]:
    """Return, by series, the values to judge and those before them that a window can reach, in time.

    A series may come with more of its past than its own rules reach.
    """
    # Fixed limits look at nothing else.
    found = {pk: sorted(own[pk].standing, key=lambda one: (one[1], one[0])) for pk in rules}
    since = {pk: _reach(rules[pk], points[0][1]) for pk, points in found.items() if points}
    for is_bounded in (True, False):
        some = {pk: t for pk, t in since.items() if t is not None and (t > -np.inf) is is_bounded}
        if not some:
            continue
        values = QC1Value.objects.filter(series__in=some, state=ValueState.CURRENT)
        if is_bounded:
            values = values.filter(mjd_obs__gte=min(some.values()))
        last = max(found[pk][-1][1] for pk in some)
        found |= {pk: [] for pk in some}
        for pk, row_id, mjd, value in (
            values.filter(mjd_obs__lte=last)
            .order_by("series_id", "mjd_obs", "row_id")
            .values_list("series_id", "row_id", "mjd_obs", "value")
        ):
            found[pk].append((row_id, mjd, value))
    return found


def _reach(versions: Sequence[_Version], first: float) -> float | None:
    """Return since when values count that rules judge one of time `first` by; None for no others."""
    statistical = [one.rule for one in versions if _is_statistical(one.rule)]
    if not statistical:
        return None
    if any(one.window_points for one in statistical):
        return -np.inf
    return first - max(one.window_days or DEFAULT_WINDOW_DAYS for one in statistical)


def _judge(
    version: _Version | None,
    value: float | None,
    times: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    values: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    mjd: float,
    own: int,
) -> Judgement:
    if version is None:
        return score(value, None)
    if not _is_statistical(version.rule):
        return score(value, version.rule)
    # Only the window is handed on: a series of twenty years costs no more than one of ninety days.
    days = version.rule.window_days or DEFAULT_WINDOW_DAYS
    first = 0 if version.rule.window_points else int(np.searchsorted(times, mjd - days))
    population = window(
        times[first : own + 1], values[first : own + 1], mjd, version.rule, own - first
    )
    return score(value, version.rule, population)


def _is_statistical(rule: Rule) -> bool:
    methods = (rule.method, rule.warning)
    return any(method is not None and method.is_statistical for method in methods)


def _score(
    series: Series,
    row_id: int,
    value: float | None,
    version: _Version | None,
    judgement: Judgement,
    at: dt.datetime,
) -> Score:
    return Score(
        series=series,
        row_id=row_id,
        rule=version.stored if version else None,
        result=None if judgement.result is None else int(judgement.result),
        grey_reason=judgement.reason or "",
        value=value,
        lower=judgement.lower,
        upper=judgement.upper,
        average=judgement.average,
        sigma=judgement.sigma,
        n=judgement.n,
        used_fallback=judgement.used_fallback,
        is_warning=judgement.warning,
        is_hc=version.stored.is_hc if version else False,
        recorded_at=at,
    )


def _write(
    scores: Sequence[Score], row_ids: Sequence[int], own: Mapping[int, _Own], at: dt.datetime
) -> None:
    """Let new scores take the place of the standing ones; copy the results into the values."""
    judged = {one.series_id for one in scores}
    pairs = {(one.series_id, one.row_id) for one in scores}
    retired: dict[int, list[int]] = {}
    for n in range(0, len(row_ids), CHUNK):
        standing = Score.objects.filter(row__in=row_ids[n : n + CHUNK], is_current=True)
        former = []
        for pk, series, row in standing.values_list("pk", "series_id", "row_id"):
            if (series, row) in pairs:
                former.append(pk)
            elif series not in judged:
                # Of parameters that have no rule any more: they judge nothing now.
                former.append(pk)
                retired.setdefault(series, []).append(row)
        if former:
            Score.objects.filter(pk__in=former).update(is_current=False, superseded_at=at)
    Score.objects.bulk_create(scores, batch_size=CHUNK)
    _copy_results(scores, own)
    for series, rows in retired.items():
        for n in range(0, len(rows), CHUNK):
            QC1Value.objects.filter(series=series, row__in=rows[n : n + CHUNK]).update(
                score_result=None
            )


def _copy_results(scores: Sequence[Score], own: Mapping[int, _Own]) -> None:
    """Write results into the values that do not have them yet."""
    for result in (ScoreResult.OK, ScoreResult.NOK, None):
        judged: dict[int, list[int]] = {}
        for one in scores:
            if one.result == result and own[one.series_id].results[one.row_id] != result:
                judged.setdefault(one.series_id, []).append(one.row_id)
        # Series of the same rows together: a block's values mostly are of one row.
        together: dict[tuple[int, ...], list[int]] = {}
        for series_id, row_ids in judged.items():
            for n in range(0, len(row_ids), CHUNK):
                rows = tuple(sorted(row_ids[n : n + CHUNK]))
                together.setdefault(rows, []).append(series_id)
        for of_rows, of_series in together.items():
            QC1Value.objects.filter(series__in=of_series, row__in=of_rows).update(
                score_result=result
            )


def _words(one: Score) -> str:
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
    scores = score_rows(rows, at)
    found = tally(None if one.result is None else ScoreResult(one.result) for one in scores)
    reasons = [one.grey_reason for one in scores if one.grey_reason]
    BlockScore.objects.filter(block=block, is_current=True).update(is_current=False)
    return BlockScore.objects.create(
        block=block,
        attempt=attempt,
        n_nok=found.n_nok,
        n_scored=found.n_scored,
        n_grey=found.n_grey,
        grey_reason="" if found.n_scored else (reasons or [GreyReason.NOT_IMPLEMENTED])[0],
        summary="; ".join(_words(one) for one in scores if one.result == ScoreResult.NOK)[:255],
        recorded_at=at,
    )


def mark_rejected(block: AssociationBlock, *, rejected: bool) -> None:
    """Take a rejected block's values out of plots and statistics, or bring them back."""
    state = ValueState.REJECTED if rejected else ValueState.CURRENT
    rows = QC1Row.objects.filter(attempt=block.current_attempt_id, is_current=True).exclude(
        state=ValueState.HIDDEN
    )
    row_ids = list(rows.values_list("pk", flat=True))
    QC1Row.objects.filter(pk__in=row_ids).update(state=state)
    QC1Value.objects.filter(row__in=row_ids).update(state=state)
