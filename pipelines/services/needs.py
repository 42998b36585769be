"""What a group of frames needs and finds at a time, beside its block: science has no block.

Serves the calibration plan, association trees, and the question why a calibration was not taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.domain import oca
from pipelines.models import AssociationBlock, Completeness, Instrument, RawFile, RuleSet

from .instruments import parsed, plan_of, settings_of
from .offers import Offer, Offers, Span, find_offers


@dataclass(frozen=True)
class Asker:
    """Frames with the rules that say what they need."""

    instrument: Instrument
    rule_set: RuleSet
    action: oca.Action
    group: oca.Group

    @property
    def plan(self) -> oca.AssociationPlan:
        return plan_of(self.rule_set.levels)


def askers(
    instrument: Instrument, rule_set: RuleSet, frames: Sequence[RawFile]
) -> list[tuple[Asker, list[RawFile]]]:
    """Group frames by the rules, as blocks would be; only groups that some action is defined for."""
    rules = parsed(rule_set.text)
    by_id = {frame.pk: frame for frame in frames}
    found = []
    seen = [oca.Frame(frame.pk, frame.keywords) for frame in frames]
    for group in oca.organise(rules, seen, settings_of(instrument)):
        action = rules.actions.get(group.action)
        if action is not None:
            members = [by_id[int(frame.id)] for frame in group.frames]
            of_night = replace(group, batch=members[0].night.isoformat())
            found.append((Asker(instrument, rule_set, action, of_night), members))
    return found


def offers_for(
    instrument: Instrument,
    ones: Sequence[Asker],
    frames: Sequence[RawFile],
    *,
    counts_rejected: bool = False,
) -> Offers:
    """Return all that some groups may choose from; what is rejected only where it is asked for."""
    times = [frame.mjd_obs for frame in frames]
    nights = [frame.night for frame in frames]
    span = Span(min(times), max(times), min(nights), max(nights))
    actions = [one.action for one in ones]
    return find_offers(instrument, actions, span, counts_rejected=counts_rejected)


def find_matches(
    one: Asker,
    offers: Offers,
    *,
    mjd: float | None = None,
    plan: oca.AssociationPlan | None = None,
    but: AssociationBlock | None = None,
) -> list[oca.Match]:
    """Return what a group finds, select by select.

    Products of incomplete blocks do not count, unless the instrument counts them.

    Parameters
    ----------
    mjd
        As if it were taken at that time.
    plan
        Instead of the instrument's own.
    but
        A block whose products do not count: the group's own.
    """
    group = one.group if mjd is None else _moved(one.group, mjd)
    settings = settings_of(one.instrument)

    def accept(candidate: oca.Candidate) -> bool:
        producer = offers.by_id[candidate.id].producer
        if producer is None:
            return True
        is_own = but is not None and producer.pk == but.pk
        return not is_own and (settings.count_incomplete_producers or not is_incomplete(producer))

    return oca.associate(
        one.action,
        group,
        offers.pool,
        settings,
        accept=accept,
        plan=one.plan if plan is None else plan,
    )


def is_incomplete(producer: AssociationBlock | None) -> bool:
    return producer is not None and producer.completeness == Completeness.INCOMPLETE


def _moved(group: oca.Group, mjd: float) -> oca.Group:
    """Return a group as if its frames were taken at a time."""
    frames = tuple(
        replace(frame, keywords={**frame.keywords, "MJD-OBS": mjd}) for frame in group.frames
    )
    return replace(group, frames=frames)


@dataclass(frozen=True)
class Loser:
    """A candidate that was not taken: what it is, how far away, and what spoke against it.

    `bare` are the reasons without values of headers; the same where they hold none.
    """

    offer: Offer
    delta_days: float | None
    reasons: tuple[str, ...]
    bare: tuple[str, ...]
    level: int | None = None

    @property
    def has_values(self) -> bool:
        return self.reasons != self.bare


@dataclass(frozen=True)
class Explained:
    """One select with what it took and what it nearly took."""

    select: oca.FileSelect
    match: oca.Match
    condition: str
    chosen: list[tuple[Offer, oca.Chosen]]
    losers: list[Loser]
    windows: tuple[oca.Window, ...] = ()
    """In time, of levels.toml; none: any distance is within the plan."""


def asker_of(block: AssociationBlock, group: oca.Group, action: oca.Action) -> Asker:
    return Asker(block.instrument, block.rule_set, action, group)


def explain(
    one: Asker, offers: Offers, but: AssociationBlock | None = None, limit: int = 5
) -> list[Explained]:
    """Say of each select what it takes now, and why the next ones were not taken."""
    found = []
    matches = find_matches(one, offers, but=but)
    for select, match in zip(one.action.files, matches, strict=True):
        chosen = [(offers.by_id[c.candidate.id], c) for c in match.chosen]
        condition = oca.print_expression(select.condition) if select.condition else "any file"
        losers = [*_passed(one, select, match, offers, but), *_missed(one, select, offers)]
        losers = [
            lost for lost in losers if lost.offer.producer is None or lost.offer.producer != but
        ]
        windows = one.plan.windows_of(one.action.name, select.label)
        found.append(Explained(select, match, condition, chosen, losers[:limit], windows))
    return found


def _passed(
    one: Asker,
    select: oca.FileSelect,
    match: oca.Match,
    offers: Offers,
    but: AssociationBlock | None,
) -> list[Loser]:
    """Return candidates that fulfil the condition and were not taken, the nearest first."""
    settings = settings_of(one.instrument)
    reference = oca.reference_keywords(one.group.frames, settings)
    test = oca.compile_condition(select.condition, settings)
    taken = {chosen.candidate.id for chosen in match.chosen}
    found = []
    for candidate in offers.pool.candidates(select.pool, oca.index_key(select.condition)):
        if candidate.id in taken or not test(candidate.keywords, reference):
            continue
        delta = _delta(candidate, reference)
        reason = _why_not(one, select, offers.by_id[candidate.id], delta, reference)
        level = one.plan.level(one.action.name, select.label, delta)
        found.append(Loser(offers.by_id[candidate.id], delta, (reason,), (reason,), level))
    return sorted(found, key=_distance)


def _missed(one: Asker, select: oca.FileSelect, offers: Offers) -> list[Loser]:
    """Return near misses: of the right category, with the parts of the condition that failed."""
    settings = settings_of(one.instrument)
    reference = oca.reference_keywords(one.group.frames, settings)
    misses = oca.near_misses(select, one.group, offers.pool, settings, limit=3)
    found = []
    for miss in misses:
        delta = _delta(miss.candidate, reference)
        level = one.plan.level(one.action.name, select.label, delta)
        offer = offers.by_id[miss.candidate.id]
        found.append(Loser(offer, delta, miss.failed, miss.bare, level))
    return found


def _delta(candidate: oca.Candidate, reference: oca.Keywords) -> float | None:
    start = reference.get("MJD-OBS")
    if candidate.mjd is None or not isinstance(start, (int, float)):
        return None
    return candidate.mjd - start


def _distance(lost: Loser) -> float:
    return float("inf") if lost.delta_days is None else abs(lost.delta_days)


def _why_not(
    one: Asker,
    select: oca.FileSelect,
    offer: Offer,
    delta: float | None,
    reference: oca.Keywords,
) -> str:
    producer, settings = offer.producer, settings_of(one.instrument)
    counts = settings.count_incomplete_producers
    if producer is not None and is_incomplete(producer) and not counts:
        return f"its block is incomplete: {producer.incomplete_reason}"
    if one.plan.level(one.action.name, select.label, delta) is None:
        return "farther away than levels.toml allows"
    certified = settings.certified
    is_own = offer.candidate.batch == one.group.batch
    if certified is not oca.Certified.IGNORE and not (offer.candidate.is_certified or is_own):
        return "nobody has certified it; certified ones come first"
    start = reference.get("MJD-OBS")
    cut = None
    if isinstance(start, (int, float)):
        cut = one.plan.parted_by(offer.pro_catg, offer.candidate.mjd, float(start))
    if cut is not None:
        return f"beyond a breakpoint: {cut.reason}"
    return "others rank before it"
