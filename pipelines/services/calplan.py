"""The calibration plan: what the science of the last nights needs, and for how long it is there.

A case is all science of one setup in one night. Each of its needs is OK within the plan, NOK when
only an outdated calibration is there, MISS when there is none; before the day's calibrations are
finished a lack is pending. Nothing is OK without a calibration that says so.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipelines.domain import oca
from pipelines.domain.times import datetime_to_mjd, mjd_to_datetime
from pipelines.models import AssociationBlock, Completeness, Instrument, RawFile, RuleSet

from .instruments import NoRulesError, rules_of
from .needs import Asker, askers, find_matches, offers_for
from .nights import is_calibrated
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
    # Calibrations that lack a calibration themselves.
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
    matrix.finished = {night: is_calibrated(instrument, night, at) for night in nights}
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


@dataclass(frozen=True)
class _Asking:
    """A case before it is judged."""

    night: dt.date
    raw_type: str
    setup: str
    frames: list[RawFile]
    asker: Asker | None


def _fill(matrix: PlanMatrix, frames: Sequence[RawFile], at: dt.datetime) -> None:
    asking = [one for night in matrix.nights for one in _cases(matrix.instrument, night, frames)]
    ones = [one.asker for one in asking if one.asker]
    offers = offers_for(matrix.instrument, ones, frames)
    rows: dict[tuple[str, str], dict[dt.date, Case]] = {}
    for one in asking:
        case = _judged(one, offers, is_finished=matrix.finished[one.night])
        rows.setdefault((one.raw_type, one.setup), {})[one.night] = case
    matrix.rows = [SetupRow(*key, cases) for key, cases in sorted(rows.items())]
    newest = {(one.raw_type, one.setup): one for one in asking}
    expiries = [expiry for one in newest.values() for expiry in _expiries(one, offers, at)]
    far = dt.datetime.max.replace(tzinfo=dt.UTC)
    matrix.expiries = sorted(
        expiries, key=lambda one: (one.at is not None, one.at or far, one.setup, one.label)
    )


def _cases(instrument: Instrument, night: dt.date, frames: Sequence[RawFile]) -> list[_Asking]:
    """Return the cases of a night; frames that no rule groups have no needs anybody knows."""
    of_night = [frame for frame in frames if frame.night == night]
    if not of_night:
        return []
    found: dict[tuple[str, str], Asker] = {}
    try:
        rule_set: RuleSet | None = rules_of(instrument, night)
    except NoRulesError:
        rule_set = None
    if rule_set is not None:
        for one, members in askers(instrument, rule_set, of_night):
            found.setdefault((members[0].raw_type, members[0].setup), one)
    cases: dict[tuple[str, str], list[RawFile]] = {}
    for frame in of_night:
        cases.setdefault((frame.raw_type, frame.setup), []).append(frame)
    return [_Asking(night, *key, members, found.get(key)) for key, members in cases.items()]


def _judged(one: _Asking, offers: Offers, *, is_finished: bool) -> Case:
    needs: list[Need] = []
    if one.asker is not None:
        within = find_matches(one.asker, offers)
        anyhow = find_matches(one.asker, offers, plan=oca.NO_PLAN)
        for match, other in zip(within, anyhow, strict=True):
            if match.max_ret != 0:
                need = _need(match, other, offers, is_finished=is_finished)
                needs.append(replace(need, plan_days=_plan_days(one.asker, match.label)))
    return Case(one.night, one.raw_type, one.setup, one.frames, needs, is_finished)


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
    if state is not PlanState.OK and not is_finished:
        state, reason = PlanState.PENDING, f"{reason}; the day's calibrations are not finished"
    return Need(match.label, state, found, delta, reason, is_required)


def _expiries(one: _Asking, offers: Offers, at: dt.datetime) -> list[Expiry]:
    """Say of each calibration that science of a setup needs now, how long it keeps the plan."""
    if one.asker is None:
        return []
    now = datetime_to_mjd(at)
    found = []
    for match in find_matches(one.asker, offers, mjd=now, plan=oca.NO_PLAN):
        windows = one.asker.plan.windows_of(one.asker.action.name, match.label)
        if match.max_ret == 0 or match.min_ret == 0 or not windows:
            continue
        best = next(iter(match.chosen), None)
        offer = offers.by_id[best.candidate.id] if best else None
        ends = None
        if best is not None and best.candidate.mjd is not None:
            ends = mjd_to_datetime(best.candidate.mjd - windows[0].first_days)
        left = (ends - at) / dt.timedelta(days=1) if ends else None
        found.append(Expiry(one.raw_type, one.setup, match.label, offer, ends, left))
    return found
