"""Finds each block's calibrations among the products of other blocks and the files on disk."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from pipelines.domain import oca
from pipelines.models import (
    AssociationBlock,
    CalibrationLink,
    Completeness,
    FailureKind,
    Instrument,
    NextStep,
    ProcessStatus,
)

from .instruments import parsed, plan_of, settings_of
from .offers import HORIZON_DAYS, TOO_SMALL, Offer, Offers, Span, find_offers

_OPEN = [ProcessStatus.CREATED, ProcessStatus.QUEUED, ProcessStatus.BLOCKED]


def associate_blocks(
    instrument: Instrument, nights: Sequence[dt.date], at: dt.datetime
) -> list[int]:
    """Associate what has not run yet; return the blocks that can be advanced now.

    Blocks of other nights too: what has arrived may be nearer to them than what they had.

    A block that lacks a calibration is incomplete, and its own products do not count: so this goes
    on until nothing changes any more.
    """
    waiting = _waiting(instrument, nights)
    if not waiting:
        return []
    offers = _offers(instrument, waiting)
    levels = offers.levels()
    reasons = {block.pk: block.incomplete_reason for block in waiting}
    for block in waiting:
        if not block.incomplete_reason.startswith(TOO_SMALL):
            block.completeness, block.incomplete_reason = Completeness.COMPLETE, ""
    chosen = _settle(waiting, offers)
    _cut_circles(waiting, chosen)
    for block in waiting:
        block.cascade_level = _level(block, chosen, levels)
        # A person who has seen why it is incomplete is asked again only for a new reason.
        if block.incomplete_reason != reasons[block.pk] or block.created_at == at:
            block.needs_person = block.completeness == Completeness.INCOMPLETE
        _write(block, chosen[block.pk], at)
    ready = [block for block in waiting if block.next_step == NextStep.PROCESS]
    return [block.pk for block in sorted(ready, key=lambda one: (one.cascade_level, one.mjd_obs))]


def reassociate(block: AssociationBlock, at: dt.datetime) -> bool:
    """Choose again for one block whose calibration is gone; False when there is no better one."""
    with transaction.atomic():
        fresh = (
            AssociationBlock.objects.select_for_update(of=("self",))
            .select_related("rule_set", "instrument")
            .get(pk=block.pk)
        )
        if fresh.attempt != block.attempt or fresh.process_status not in _OPEN:
            return False
        offers = _offers(fresh.instrument, [fresh])
        chosen = _associate(fresh, offers, _users(fresh))
        if fresh.completeness == Completeness.INCOMPLETE:
            # Nothing else fits: keep waiting for the one that failed, so that the page shows why.
            return False
        fresh.cascade_level = _level(fresh, {fresh.pk: chosen}, offers.levels())
        _write(fresh, chosen, at)
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


def _waiting(instrument: Instrument, nights: Sequence[dt.date]) -> list[AssociationBlock]:
    """Return the blocks that have not run, or lack something, around some nights."""
    horizon = dt.timedelta(days=HORIZON_DAYS)
    return list(
        AssociationBlock.objects.filter(
            instrument=instrument,
            night__gte=min(nights) - horizon,
            night__lte=max(nights) + horizon,
            process_status__in=_OPEN,
        )
        # A worker that claims one of them meanwhile would be overwritten.
        .select_for_update(of=("self",))
        .select_related("rule_set", "instrument")
        .order_by("mjd_obs")
    )


def _offers(instrument: Instrument, blocks: Sequence[AssociationBlock]) -> Offers:
    actions = (action_of(block) for block in blocks)
    return find_offers(instrument, [one for one in actions if one], Span.of(blocks))


def action_of(block: AssociationBlock) -> oca.Action | None:
    """Return the action of a block, as the rules it was grouped by say it."""
    return parsed(block.rule_set.text).actions.get(block.action)


def group_of(block: AssociationBlock) -> oca.Group:
    """Return a block's frames as the organiser sees them."""
    members = tuple(
        oca.Frame(link.raw_file_id, link.raw_file.keywords)
        for link in block.block_frames.select_related("raw_file").order_by("raw_file__mjd_obs")
    )
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


def _settle(waiting: list[AssociationBlock], offers: Offers) -> dict[int, list[_Choice]]:
    lacking = {block.pk for block in waiting if block.completeness == Completeness.INCOMPLETE}
    while True:
        chosen = {block.pk: _associate(block, offers, lacking) for block in waiting}
        now = {block.pk for block in waiting if block.completeness == Completeness.INCOMPLETE}
        if now == lacking:
            return chosen
        lacking = now


def _associate(block: AssociationBlock, offers: Offers, barred: set[int]) -> list[_Choice]:
    """Return a block's choices; it becomes incomplete when a required one is missing.

    Products of the `barred` blocks do not count.
    """
    action, group = action_of(block), group_of(block)
    if action is None or not group.frames:
        return []

    def accept(candidate: oca.Candidate) -> bool:
        return candidate.producer is None or (
            candidate.producer != block.pk and candidate.producer not in barred
        )

    choices: list[_Choice] = []
    for match in oca.associate(
        action,
        group,
        offers.pool,
        settings_of(block.instrument),
        accept=accept,
        plan=plan_of(block.rule_set.levels),
    ):
        if match.is_missing and block.completeness == Completeness.COMPLETE:
            block.completeness = Completeness.INCOMPLETE
            block.incomplete_reason = match.text
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
    return choices


def _cut_circles(waiting: list[AssociationBlock], chosen: dict[int, list[_Choice]]) -> None:
    """Leave out choices by which a block would wait for itself: rules with wide pools allow that."""
    for block in waiting:
        kept = []
        for choice in chosen[block.pk]:
            producer = choice.offer.producer
            if producer is None or not _reaches(producer.pk, block.pk, chosen, set()):
                kept.append(choice)
            elif choice.is_required:
                block.completeness = Completeness.INCOMPLETE
                name = producer.ab_name
                block.incomplete_reason = f"{choice.label}: {name} needs this block itself"[:255]
        chosen[block.pk] = kept


def _reaches(start: int, target: int, chosen: Mapping[int, list[_Choice]], seen: set[int]) -> bool:
    """Return whether a block uses another one, directly or through others."""
    if start == target:
        return True
    seen.add(start)
    producers = (choice.offer.producer for choice in chosen.get(start, []))
    return any(
        _reaches(producer.pk, target, chosen, seen)
        for producer in producers
        if producer is not None and producer.pk not in seen
    )


def _level(
    block: AssociationBlock, chosen: dict[int, list[_Choice]], levels: dict[int, int]
) -> int:
    """Return the block's depth in the cascade: one more than the deepest of what it uses."""
    level = 0
    for choice in chosen.get(block.pk, []):
        producer = choice.offer.producer
        if producer is None:
            continue
        depth = _level(producer, chosen, levels) if producer.pk in chosen else levels[producer.pk]
        level = max(level, depth + 1)
    return level


def _write(block: AssociationBlock, choices: list[_Choice], at: dt.datetime) -> None:
    CalibrationLink.objects.filter(block=block).delete()
    CalibrationLink.objects.bulk_create(
        [
            CalibrationLink(
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
            for choice in choices
        ]
    )
    if block.completeness == Completeness.COMPLETE and block.recipe:
        block.process_status, block.next_step = ProcessStatus.QUEUED, NextStep.PROCESS
        block.failure_kind, block.reason, block.next_try_at = FailureKind.NONE, "", None
    else:
        block.process_status, block.next_step = ProcessStatus.CREATED, NextStep.REST
    block.changed_at = at
    block.save()
