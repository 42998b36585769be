"""Finds each block's calibrations among the products of other blocks and the files on disk."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet, prefetch_related_objects

from pipelines.domain import oca
from pipelines.domain.block_graph import depths_of, in_order, reaches
from pipelines.models import (
    AssociationBlock,
    BlockFrame,
    CalibrationLink,
    Completeness,
    FailureKind,
    Instrument,
    NextStep,
    ProcessStatus,
    RawFile,
)

from .instruments import parsed, plan_of, settings_of
from .nights import closed_nights, reopen_changed
from .offers import HORIZON_DAYS, NOT_YET, Offer, Offers, Span, find_offers

_OPEN = [ProcessStatus.CREATED, ProcessStatus.QUEUED, ProcessStatus.BLOCKED]


_FRAMES = Prefetch("block_frames", BlockFrame.objects.select_related("raw_file"))


def associate_blocks(
    instrument: Instrument,
    nights: Sequence[dt.date],
    at: dt.datetime,
    fresh: QuerySet[RawFile] | None = None,
) -> list[int]:
    """Associate what has not run yet; return the blocks that can be advanced now.

    Blocks of other nights too: what has arrived may be nearer to them than what they had.

    A block that lacks a calibration is incomplete, and its own products do not count: so this goes
    on until nothing changes any more. `fresh` are frames that have come, or were hidden or shown:
    a calibration among them may serve blocks of any night.
    """
    with transaction.atomic():
        # First the instrument, then blocks: the order in which everybody takes them.
        Instrument.objects.select_for_update(no_key=True).get(pk=instrument.pk)
        waiting = _waiting(instrument, nights, fresh)
        return _associate_all(instrument, waiting, at) if waiting else []


def _associate_all(
    instrument: Instrument, waiting: Sequence[AssociationBlock], at: dt.datetime
) -> list[int]:
    offers = _offers(instrument, waiting)
    links = _links_of_all(waiting)
    before = {block.pk: _state(block, links.get(block.pk, [])) for block in waiting}
    reasons = {block.pk: block.incomplete_reason for block in waiting}
    depths = {block.pk: block.cascade_level for block in waiting}
    for block in waiting:
        if not block.incomplete_reason.startswith(NOT_YET):
            block.completeness, block.incomplete_reason = Completeness.COMPLETE, ""
    chosen = _Choosing(waiting, offers).chosen()
    levels = depths_of(_producers_of_all(chosen), offers.levels())
    changed: list[AssociationBlock] = []
    for block in waiting:
        block.cascade_level = levels[block.pk]
        # A person who has seen why it is incomplete is asked again only for a new reason.
        if block.incomplete_reason != reasons[block.pk] or block.created_at == at:
            block.needs_person = block.completeness == Completeness.INCOMPLETE
        _queue_or_rest(block)
        now = [_link(block, choice) for choice in chosen[block.pk]]
        if _state(block, now) != before[block.pk]:
            _write(block, now, at)
            changed.append(block)
        elif block.cascade_level != depths[block.pk]:
            AssociationBlock.objects.filter(pk=block.pk).update(cascade_level=block.cascade_level)
    _reopen(instrument, changed, at)
    ready = [block for block in waiting if block.next_step == NextStep.PROCESS]
    return [block.pk for block in sorted(ready, key=lambda one: (one.cascade_level, one.mjd_obs))]


def reassociate(block: AssociationBlock, at: dt.datetime) -> bool:
    """Choose again for one block whose calibration is gone; False when there is no better one."""
    with transaction.atomic():
        Instrument.objects.select_for_update(no_key=True).get(pk=block.instrument_id)
        fresh = (
            AssociationBlock.objects.select_for_update(of=("self",), no_key=True)
            .select_related("rule_set", "instrument")
            .get(pk=block.pk)
        )
        tries_again = (
            fresh.process_status == ProcessStatus.FAILED and fresh.next_step == NextStep.PROCESS
        )
        if fresh.attempt != block.attempt or not (tries_again or fresh.process_status in _OPEN):
            return False
        offers = _offers(fresh.instrument, [fresh])
        chosen = _associate(fresh, group_of(fresh), offers, _users(fresh) | offers.incomplete())
        if fresh.completeness == Completeness.INCOMPLETE:
            # Nothing else fits: keep waiting for the one that failed, so that the page shows why.
            return False
        fresh.cascade_level = depths_of({fresh.pk: _producers(chosen)}, offers.levels())[fresh.pk]
        _queue_or_rest(fresh)
        _write(fresh, [_link(fresh, choice) for choice in chosen], at)
    return True


def _users(block: AssociationBlock) -> set[int]:
    """Return the blocks that use this one, directly or through others."""
    users: set[int] = set()
    newest = {block.pk}
    while newest:
        found = CalibrationLink.objects.filter(producer__in=newest).values_list("block", flat=True)
        newest = set(found) - users
        users |= newest
    return users


def _waiting(
    instrument: Instrument, nights: Sequence[dt.date], fresh: QuerySet[RawFile] | None
) -> list[AssociationBlock]:
    """Return the blocks that have not run, or lack something, around some nights.

    A fresh calibration on disk may be what a block of any night lacks, or what it had chosen.
    """
    horizon = dt.timedelta(days=HORIZON_DAYS)
    wanted = Q(night__gte=min(nights) - horizon, night__lte=max(nights) + horizon)
    if fresh is not None:
        wanted |= Q(pk__in=CalibrationLink.objects.filter(file__in=fresh).values("block"))
        if fresh.exclude(pro_catg="").exists():
            wanted |= Q(completeness=Completeness.INCOMPLETE)
    found = (
        AssociationBlock.objects.filter(wanted, instrument=instrument, process_status__in=_OPEN)
        .exclude(is_cancelled=True)  # a person took it out
        # A worker that claims one of them meanwhile would be overwritten.
        .select_for_update(of=("self",), no_key=True)
        .select_related("rule_set", "instrument")
        .prefetch_related(_FRAMES)
        .order_by("pk")
    )
    return sorted(found, key=lambda one: one.mjd_obs)


def _offers(instrument: Instrument, blocks: Sequence[AssociationBlock]) -> Offers:
    actions = (action_of(block) for block in blocks)
    return find_offers(instrument, [one for one in actions if one], Span.of(blocks))


def action_of(block: AssociationBlock) -> oca.Action | None:
    """Return the action of a block, as the rules it was grouped by say it."""
    return parsed(block.rule_set.text).actions.get(block.action)


def group_of(block: AssociationBlock) -> oca.Group:
    """Return a block's frames as the organiser sees them."""
    prefetch_related_objects([block], _FRAMES)
    frames = sorted(
        (link.raw_file for link in block.block_frames.all()),
        key=lambda one: (one.mjd_obs, one.name, one.pk),
    )
    members = tuple(oca.Frame(frame.pk, frame.keywords) for frame in frames)
    # What its own night makes is certified, or not, together with it.
    return oca.Group(
        block.action, block.event, "", (), members, block.min_frames, 0,
        batch=block.night.isoformat(),
    )  # fmt: skip


@dataclass(frozen=True)
class _Choice:
    label: str
    offer: Offer
    delta_days: float | None
    level: int
    is_required: bool


@dataclass
class _Choosing:
    """Chooses for many blocks, until no choice rests on a block that lacks something itself."""

    waiting: Sequence[AssociationBlock]
    offers: Offers
    # What would make a block wait for itself, as (block, producer), with the label it was for.
    cuts: dict[tuple[int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._blocks = {block.pk: block for block in self.waiting}
        self._groups = {block.pk: group_of(block) for block in self.waiting}

    def chosen(self) -> dict[int, list[_Choice]]:
        """Return the choices of every block; blocks that miss something become incomplete."""
        chosen: dict[int, list[_Choice]] = {}
        barred = self.offers.incomplete() - self._blocks.keys()
        self._settle(set(self._blocks), chosen, barred)
        while cuts := _circles(self.waiting, chosen):
            self.cuts |= cuts
            self._settle({block for block, _ in cuts}, chosen, barred)
        return chosen

    def _settle(self, again: set[int], chosen: dict[int, list[_Choice]], barred: set[int]) -> None:
        """Choose for some blocks, and again for those that had chosen what is incomplete now."""
        barred |= self._lacking()
        while again:
            for block in (one for one in self.waiting if one.pk in again):
                mine = {p: label for (b, p), label in self.cuts.items() if b == block.pk}
                chosen[block.pk] = _associate(
                    block, self._groups[block.pk], self.offers, barred, mine
                )
            new = self._lacking() - barred
            barred |= new
            again = {
                pk for pk, choices in chosen.items() if not new.isdisjoint(_producers(choices))
            }

    def _lacking(self) -> set[int]:
        return {b.pk for b in self.waiting if b.completeness == Completeness.INCOMPLETE}


def _producers(choices: Sequence[_Choice]) -> set[int]:
    return {choice.offer.producer.pk for choice in choices if choice.offer.producer is not None}


def _producers_of_all(chosen: Mapping[int, list[_Choice]]) -> dict[int, set[int]]:
    return {pk: _producers(choices) for pk, choices in chosen.items()}


def _associate(
    block: AssociationBlock,
    group: oca.Group,
    offers: Offers,
    barred: set[int],
    cuts: Mapping[int, str] = MappingProxyType({}),
) -> list[_Choice]:
    """Return a block's choices; it becomes incomplete when a required one is missing.

    Products of the `barred` blocks do not count, or make the block incomplete if the instrument
    counts them; those of `cuts` wait for the block itself.
    """
    action, settings = action_of(block), settings_of(block.instrument)
    if action is None or not group.frames:
        return []

    def accept(candidate: oca.Candidate) -> bool:
        producer = candidate.producer
        return producer is None or (
            producer != block.pk
            and producer not in cuts
            and (settings.count_incomplete_producers or producer not in barred)
        )

    choices: list[_Choice] = []
    for match in oca.associate(
        action,
        group,
        offers.pool,
        settings,
        accept=accept,
        plan=plan_of(block.rule_set.levels),
    ):
        if match.is_missing:
            _lack(block, _why_missing(match, offers, cuts))
        choices += [
            _Choice(
                match.label,
                offers.by_id[one.candidate.id],
                one.delta_days,
                one.level,
                match.min_ret > 0,
            )
            for one in match.chosen
        ]
    for choice in choices:
        if choice.offer.producer is not None and choice.offer.producer.pk in barred:
            _lack(block, f"{choice.label} comes from an incomplete block")
    return choices


def _lack(block: AssociationBlock, reason: str) -> None:
    """Say what a block lacks; the first thing it lacks is its reason."""
    if block.completeness == Completeness.COMPLETE:
        block.completeness = Completeness.INCOMPLETE
        block.incomplete_reason = reason[:255]


def _why_missing(match: oca.Match, offers: Offers, cuts: Mapping[int, str]) -> str:
    names = {
        offer.producer.pk: offer.producer.ab_name
        for offer in offers.by_id.values()
        if offer.producer is not None
    }
    circular = [names[pk] for pk, label in cuts.items() if label == match.label]
    return f"{match.label}: {circular[0]} needs this block itself" if circular else match.text


def _circles(
    waiting: Sequence[AssociationBlock], chosen: Mapping[int, list[_Choice]]
) -> dict[tuple[int, int], str]:
    """Return choices by which blocks would wait for themselves: rules with wide pools allow that."""
    producers = _producers_of_all(chosen)
    ordered = set(in_order(producers))
    rest = {pk: used for pk, used in producers.items() if pk not in ordered}
    found: dict[tuple[int, int], str] = {}
    for block in (one for one in waiting if one.pk in rest):
        for choice in chosen[block.pk]:
            producer = choice.offer.producer
            if producer is not None and reaches(producer.pk, block.pk, rest):
                rest[block.pk].discard(producer.pk)
                found[block.pk, producer.pk] = choice.label
    return found


def _links_of_all(blocks: Sequence[AssociationBlock]) -> dict[int, list[CalibrationLink]]:
    found: dict[int, list[CalibrationLink]] = {}
    for link in CalibrationLink.objects.filter(block__in=blocks).order_by("pk"):
        found.setdefault(link.block_id, []).append(link)
    return found


def _link(block: AssociationBlock, choice: _Choice) -> CalibrationLink:
    return CalibrationLink(
        block=block,
        label=choice.label,
        pro_catg=choice.offer.pro_catg,
        producer=choice.offer.producer,
        file=choice.offer.file,
        nth=choice.offer.nth,
        delta_days=choice.delta_days,
        level=choice.level,
        is_required=choice.is_required,
    )


def _state(block: AssociationBlock, links: Sequence[CalibrationLink]) -> tuple[object, ...]:
    """Return what a block is given and why it waits: while that stays the same it is left alone."""
    return (
        block.completeness,
        block.incomplete_reason,
        block.next_step,
        block.needs_person,
        *(
            (
                link.label, link.pro_catg, link.producer_id, link.file_id, link.nth,
                link.delta_days, link.level, link.is_required,
            )
            for link in links
        ),
    )  # fmt: skip


def _queue_or_rest(block: AssociationBlock) -> None:
    block.status_at = None  # as of now
    if block.completeness == Completeness.COMPLETE and block.recipe:
        block.process_status, block.next_step = ProcessStatus.QUEUED, NextStep.PROCESS
        block.failure_kind, block.reason, block.next_try_at = FailureKind.NONE, "", None
    else:
        block.process_status, block.next_step = ProcessStatus.CREATED, NextStep.REST


def _write(block: AssociationBlock, links: Sequence[CalibrationLink], at: dt.datetime) -> None:
    CalibrationLink.objects.filter(block=block).delete()
    CalibrationLink.objects.bulk_create(links)
    block.changed_at = at
    block.status_at = block.status_at or at
    block.save()


def _reopen(instrument: Instrument, blocks: Sequence[AssociationBlock], at: dt.datetime) -> None:
    """Open the closed nights of blocks that have changed."""
    closed = {night for _, night in closed_nights((instrument.pk, one.night) for one in blocks)}
    for night in sorted(closed):
        names = sorted(one.ab_name for one in blocks if one.night == night)
        words = "block was" if len(names) == 1 else "blocks were"
        reopen_changed(
            instrument, night, f"{len(names)} {words} associated anew: {', '.join(names)}", at
        )
