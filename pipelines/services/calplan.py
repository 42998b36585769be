"""The calibration plan: what the science of the last nights needs, and for how long it is there.

A case is all science of one setup in one night. Each of its needs is OK within the plan, NOK when
only an outdated calibration, or one of an incomplete block, is there, MISS when there is none; before the day's calibrations are
finished a lack is pending. Nothing is OK without a calibration that says so.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipelines.domain import oca
from pipelines.domain.times import datetime_to_mjd, mjd_to_datetime, night_end
from pipelines.models import (
    AssociationBlock,
    Completeness,
    Instrument,
    NightEvent,
    NightEventKind,
    RawFile,
    RuleSet,
)

from .needs import Asker, askers, find_matches, is_incomplete, offers_for
from .offers import Offer, Offers

DEFAULT_NIGHTS = 7
MAX_NIGHTS = 60


class PlanState(StrEnum):
    """How a need, a case or a setup stands; later ones are worse."""

    NONE = "none"
    """No rule says what the frames need: nothing is known, so nothing is green."""
    OK = "OK"
    PENDING = "pending"
    NOK = "NOK"
    MISS = "MISS"


_ORDER = list(PlanState)


def worst(states: Iterable[PlanState]) -> PlanState:
    """Return the worst of some states; NONE when there is none.

    >>> worst([PlanState.OK, PlanState.MISS, PlanState.NOK])
    <PlanState.MISS: 'MISS'>
    """
    return max(states, key=_ORDER.index, default=PlanState.NONE)


@dataclass(frozen=True)
class Need:
    """One calibration that a case asks for.

    Attributes
    ----------
    found : Offer or None
        The best there is, even if outdated.
    delta_days : float or None
        Its distance, calibration minus science.
    reason : str
        Why it is not OK, and what to take.
    plan_days : tuple of float or None
        The window of the calibration plan, calibration minus science; None where there is none.
    """

    label: str
    state: PlanState
    found: Offer | None
    delta_days: float | None
    reason: str
    is_required: bool
    plan_days: tuple[float, float] | None = None


@dataclass(frozen=True)
class Case:
    """All science of one setup in one night, and what it needs."""

    night: dt.date
    raw_type: str
    setup: str
    frames: list[RawFile]
    needs: list[Need]
    is_finished: bool

    @property
    def state(self) -> PlanState:
        return worst(need.state for need in self.needs)

    @property
    def lacking(self) -> list[Need]:
        return [need for need in self.needs if need.state not in {PlanState.OK, PlanState.NONE}]


@dataclass(frozen=True)
class Expiry:
    """When the newest calibration of a setup leaves the plan; None: it is outdated or missing."""

    raw_type: str
    setup: str
    label: str
    found: Offer | None
    at: dt.datetime | None
    left_days: float | None


@dataclass(frozen=True)
class SetupRow:
    """One row of the matrix: a setup, with its case of each night that has science of it."""

    raw_type: str
    setup: str
    cases: dict[dt.date, Case]

    @property
    def newest(self) -> Case:
        return self.cases[max(self.cases)]


@dataclass
class PlanMatrix:
    """The calibration plan of an instrument over some nights, the newest last."""

    instrument: Instrument
    nights: list[dt.date]
    rows: list[SetupRow] = field(default_factory=list)
    expiries: list[Expiry] = field(default_factory=list)
    # Calibrations that are incomplete themselves.
    cal4cal: list[AssociationBlock] = field(default_factory=list)
    finished: dict[dt.date, bool] = field(default_factory=dict)
    n_science: dict[dt.date, int] = field(default_factory=dict)

    @property
    def state(self) -> PlanState:
        return worst(case.state for row in self.rows for case in row.cases.values())

    @property
    def total_science(self) -> int:
        return sum(self.n_science.values())

    @property
    def next_expiry(self) -> Expiry | None:
        """What leaves the plan next, of what is still in it."""
        return next((one for one in self.expiries if one.left_days and one.left_days > 0), None)


def newest_night(instrument: Instrument) -> dt.date | None:
    """Return the newest night that has frames."""
    return (
        RawFile.objects.filter(instrument=instrument, hidden_at=None)
        .order_by("-night")
        .values_list("night", flat=True)
        .first()
    )


def plan_matrix(
    instrument: Instrument, until: dt.date, n_nights: int, at: dt.datetime
) -> PlanMatrix:
    """Return the plan for the nights up to one.

    Parameters
    ----------
    until
        The last night shown.
    n_nights
        How many nights.
    at
        Now: decides what is finished, and what expires.
    """
    nights = [until - dt.timedelta(days=n) for n in reversed(range(n_nights))]
    matrix = PlanMatrix(instrument, nights)
    matrix.finished = _finished(instrument, nights, at)
    frames = list(
        RawFile.objects.filter(
            instrument=instrument,
            night__gte=nights[0],
            night__lte=until,
            is_science=True,
            hidden_at=None,
        ).order_by("mjd_obs")
    )
    matrix.n_science = {night: sum(f.night == night for f in frames) for night in nights}
    matrix.cal4cal = list(
        AssociationBlock.objects.filter(
            instrument=instrument,
            night__gte=nights[0],
            night__lte=until,
            completeness=Completeness.INCOMPLETE,
        ).order_by("-night", "mjd_obs")
    )
    if frames:
        _fill(matrix, frames, at)
    return matrix


def _finished(
    instrument: Instrument, nights: Sequence[dt.date], at: dt.datetime
) -> dict[dt.date, bool]:
    """Say of nights whether their daytime calibrations are over, as `is_calibrated`; one query."""
    events = NightEvent.objects.filter(
        instrument=instrument,
        night__gte=nights[0],
        night__lte=nights[-1],
        kind=NightEventKind.CALIBRATED,
    )
    said = set(events.values_list("night", flat=True))
    hour = instrument.night_rollover_hour
    return {night: at >= night_end(night, hour) or night in said for night in nights}


@dataclass(frozen=True)
class _Asking:
    """A case before it is judged: groups of one setup may need different things."""

    night: dt.date
    raw_type: str
    setup: str
    frames: list[RawFile]
    askers: list[Asker]


def _fill(matrix: PlanMatrix, frames: Sequence[RawFile], at: dt.datetime) -> None:
    # Best first, as `rules_of` chooses: one query for all nights.
    rule_sets = list(matrix.instrument.rule_sets.in_force(matrix.nights[-1]))
    asking: list[_Asking] = []
    for night in matrix.nights:
        of_night = [frame for frame in frames if frame.night == night]
        rule_set = next((one for one in rule_sets if _is_begun(one, night)), None)
        asking += _cases(matrix.instrument, night, rule_set, of_night)
    ones = [asker for one in asking for asker in one.askers]
    offers = offers_for(matrix.instrument, ones, frames, counts_rejected=True)
    rows: dict[tuple[str, str], dict[dt.date, Case]] = {}
    for one in asking:
        case = _judged(one, offers, is_finished=matrix.finished[one.night])
        rows.setdefault((one.raw_type, one.setup), {})[one.night] = case
    matrix.rows = [SetupRow(*key, cases) for key, cases in sorted(rows.items())]
    newest = {(one.raw_type, one.setup): one for one in asking}
    expiries = [expiry for one in newest.values() for expiry in _expiries(one, offers, at)]
    matrix.expiries = sorted(expiries, key=lambda one: (*_end(one), one.setup, one.label))


def _is_begun(rule_set: RuleSet, night: dt.date) -> bool:
    return rule_set.valid_from is None or rule_set.valid_from <= night


def _cases(
    instrument: Instrument, night: dt.date, rule_set: RuleSet | None, frames: Sequence[RawFile]
) -> list[_Asking]:
    """Return the cases of a night; frames that no rule groups have no needs anybody knows."""
    found: dict[tuple[str, str], list[Asker]] = {}
    if rule_set is not None and frames:
        for one, members in askers(instrument, rule_set, frames):
            for key in {(member.raw_type, member.setup) for member in members}:
                found.setdefault(key, []).append(one)
    cases: dict[tuple[str, str], list[RawFile]] = {}
    for frame in frames:
        cases.setdefault((frame.raw_type, frame.setup), []).append(frame)
    return [_Asking(night, *key, members, found.get(key, [])) for key, members in cases.items()]


def _judged(one: _Asking, offers: Offers, *, is_finished: bool) -> Case:
    """Judge all groups of a case: of each need the worst is shown, the first of equally bad ones."""
    worst_of: dict[tuple[str, int], Need] = {}
    for asker in one.askers:
        seen: dict[str, int] = {}
        for need in _needs(asker, offers, is_finished=is_finished):
            # Rules may ask for one label twice.
            nth = seen[need.label] = seen.get(need.label, 0) + 1
            other = worst_of.get((need.label, nth))
            if other is None or _ORDER.index(need.state) > _ORDER.index(other.state):
                worst_of[need.label, nth] = need
    needs = list(worst_of.values())
    return Case(one.night, one.raw_type, one.setup, one.frames, needs, is_finished)


def _needs(asker: Asker, offers: Offers, *, is_finished: bool) -> Iterator[Need]:
    within = find_matches(asker, offers)
    anyhow = find_matches(asker, offers, plan=oca.NO_PLAN)
    for match, other in zip(within, anyhow, strict=True):
        if match.max_ret != 0:
            need = _need(match, other, offers, is_finished=is_finished)
            yield replace(need, plan_days=_plan_days(asker, match.label))


def _plan_days(one: Asker, label: str) -> tuple[float, float] | None:
    windows = one.plan.windows_of(one.action.name, label)
    return (windows[0].first_days, windows[0].last_days) if windows else None


def _need(match: oca.Match, other: oca.Match, offers: Offers, *, is_finished: bool) -> Need:
    """Judge one need: `other` is what it finds when the plan's windows are left aside."""
    is_required = match.min_ret > 0
    best = next(iter(match.chosen or other.chosen), None)
    found = offers.by_id[best.candidate.id] if best else None
    delta = best.delta_days if best else None
    state, reason = PlanState.OK, ""
    if not is_required and not match.chosen:
        return Need(match.label, PlanState.NONE, found, delta, "optional", is_required=False)
    if not match.is_missing and any(one.level for one in match.chosen):
        state, reason = PlanState.NOK, "farther in time than the plan allows"
    elif match.is_missing and len(other.chosen) >= match.min_ret:
        state, reason = PlanState.NOK, "outdated, beyond every window"
    elif match.is_missing:
        state, reason = PlanState.MISS, f"missing, {len(match.chosen)} of {match.min_ret} found"
    elif any(is_incomplete(offers.by_id[one.candidate.id].producer) for one in match.chosen):
        state, reason = PlanState.NOK, "comes from an incomplete block"
    if state is not PlanState.OK and not is_finished:
        state, reason = PlanState.PENDING, f"{reason}; the day's calibrations are not finished"
    return Need(match.label, state, found, delta, reason, is_required)


def _expiries(one: _Asking, offers: Offers, at: dt.datetime) -> list[Expiry]:
    """Say of each calibration that science of a setup needs now, how long it keeps the plan.

    Where groups of the setup need different ones, the one that leaves the plan first counts.
    """
    found: dict[str, Expiry] = {}
    for asker in one.askers:
        for expiry in _expiries_of(one, asker, offers, at):
            other = found.get(expiry.label)
            if other is None or _end(expiry) < _end(other):
                found[expiry.label] = expiry
    return list(found.values())


def _end(one: Expiry) -> tuple[bool, dt.datetime]:
    """Return what sorts expiries: what is not there comes first."""
    return one.at is not None, one.at or dt.datetime.max.replace(tzinfo=dt.UTC)


def _expiries_of(one: _Asking, asker: Asker, offers: Offers, at: dt.datetime) -> Iterator[Expiry]:
    for match in find_matches(asker, offers, mjd=datetime_to_mjd(at), plan=oca.NO_PLAN):
        windows = asker.plan.windows_of(asker.action.name, match.label)
        if match.max_ret == 0 or match.min_ret == 0 or not windows:
            continue
        best = next(iter(match.chosen), None)
        offer = offers.by_id[best.candidate.id] if best else None
        ends = None
        if best is not None and best.candidate.mjd is not None:
            ends = mjd_to_datetime(best.candidate.mjd - windows[0].first_days)
        left = (ends - at) / dt.timedelta(days=1) if ends else None
        yield Expiry(one.raw_type, one.setup, match.label, offer, ends, left)
