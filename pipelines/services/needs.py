"""What a group of frames needs and finds at a time, beside its block: science has no block.

Serves the calibration plan, association trees, and the question why a calibration was not taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.domain import oca
from pipelines.models import AssociationBlock, Completeness, Instrument, RawFile, RuleSet

from .instruments import parsed, plan_of, settings_of
from .offers import Offers, Span, find_offers


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
            found.append((Asker(instrument, rule_set, action, group), members))
    return found


def offers_for(instrument: Instrument, ones: Sequence[Asker], frames: Sequence[RawFile]) -> Offers:
    """Return all that some groups may choose from."""
    times = [frame.mjd_obs for frame in frames]
    nights = [frame.night for frame in frames]
    span = Span(min(times), max(times), min(nights), max(nights))
    return find_offers(instrument, [one.action for one in ones], span)


def find_matches(
    one: Asker,
    offers: Offers,
    *,
    mjd: float | None = None,
    plan: oca.AssociationPlan | None = None,
    but: AssociationBlock | None = None,
) -> list[oca.Match]:
    """Return what a group finds, select by select; products of incomplete blocks do not count.

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

    def accept(candidate: oca.Candidate) -> bool:
        producer = offers.by_id[candidate.id].producer
        if producer is None:
            return True
        is_own = but is not None and producer.pk == but.pk
        return producer.completeness == Completeness.COMPLETE and not is_own

    return oca.associate(
        one.action,
        group,
        offers.pool,
        settings_of(one.instrument),
        accept=accept,
        plan=one.plan if plan is None else plan,
    )


def _moved(group: oca.Group, mjd: float) -> oca.Group:
    """Return a group as if its frames were taken at a time."""
    frames = tuple(
        replace(frame, keywords={**frame.keywords, "MJD-OBS": mjd}) for frame in group.frames
    )
    return replace(group, frames=frames)
