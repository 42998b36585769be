"""Frames of a night become association blocks, and each finds its master calibrations.

Incremental: a night is organised again whenever frames arrive. A rejected block is left alone; any
other that has run and gets more frames runs again, and its new result needs a new decision.
"""

import datetime as dt
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import transaction

from pipelines.domain import oca
from pipelines.domain.recipe_call import safe_name, split_parameters
from pipelines.models import (
    AssociationBlock,
    BlockFrame,
    Completeness,
    Instrument,
    NextStep,
    ProcessStatus,
    RawFile,
    RuleSet,
)

from .associate import associate_blocks
from .instruments import NoRulesError, parsed, rules_of, settings_of
from .nights import reopen_for_arrivals

logger = logging.getLogger(__name__)


@dataclass
class Organised:
    n_new: int = 0
    to_advance: list[int] = field(default_factory=list)


def organise_new(at: dt.datetime, instrument: Instrument | None = None) -> Organised:
    """Organise the nights that have frames nobody has organised yet, of one instrument or all."""
    new = RawFile.objects.filter(organised_at=None).order_by()
    if instrument is not None:
        new = new.filter(instrument=instrument)
    return organise_nights(new.values_list("instrument", "night").distinct(), at)


def organise_nights(nights: Iterable[tuple[int, dt.date]], at: dt.datetime) -> Organised:
    done = Organised()
    by_instrument: dict[int, list[dt.date]] = {}
    for instrument_id, night in sorted(nights):
        by_instrument.setdefault(instrument_id, []).append(night)
    for instrument_id, ones in by_instrument.items():
        with transaction.atomic():
            # One organiser an instrument at a time: a second one waits here.
            instrument = Instrument.objects.select_for_update().get(pk=instrument_id)
            for night in ones:
                _organise_night(instrument, night, at, done)
                reopen_for_arrivals(instrument, night, at)
            done.to_advance += associate_blocks(instrument, ones, at)
            RawFile.objects.filter(
                instrument=instrument, night__in=ones, organised_at=None, recorded_at__lte=at
            ).update(organised_at=at)
    return done


def _organise_night(
    instrument: Instrument, night: dt.date, at: dt.datetime, done: Organised
) -> None:
    try:
        rule_set = rules_of(instrument, night)
    except NoRulesError as error:
        logger.warning("%s", error)
        return
    rules, settings = parsed(rule_set.text), settings_of(instrument)
    frames = {
        frame.pk: frame
        for frame in RawFile.objects.of_night(instrument, night)
        .filter(is_science=False, hidden_at=None)
        .exclude(raw_type="")
    }
    known = {
        (block.action, block.raw_type, block.group_key): block
        for block in AssociationBlock.objects.filter(instrument=instrument, night=night)
        .select_for_update()
        .prefetch_related("block_frames")
    }
    organiser_frames = [oca.Frame(pk, frame.keywords) for pk, frame in frames.items()]
    for group in oca.organise(rules, organiser_frames, settings):
        members = [frames[int(frame.id)] for frame in group.frames]
        key = (group.action, members[0].raw_type, group_text(group))
        block = known.get(key)
        if block is None:
            block = _new_block(rules, rule_set, group, members, at)
            done.n_new += 1
        _set_frames(block, members, at)
        known.pop(key, None)
    _empty_hidden(known.values(), at)


def group_text(group: oca.Group) -> str:
    """Return what tells a group from others of its action, as one canonical text.

    These are the values of the rule's ``group by``; where there are none, the file; and which of
    several selects made it.
    """
    parts: list[object] = list(group.key)
    if group.is_alone:
        parts.append(("FILE", group.reference.id))
    if group.nth_select:
        parts.append(("SELECT", group.nth_select))
    return json.dumps(parts, separators=(",", ":"))


def _new_block(
    rules: oca.RuleFile,
    rule_set: RuleSet,
    group: oca.Group,
    members: list[RawFile],
    at: dt.datetime,
) -> AssociationBlock:
    first = members[0]
    action = rules.actions.get(group.action)
    recipe = action.recipes[0] if action and action.recipes else None
    block = AssociationBlock(
        instrument=rule_set.instrument,
        night=first.night,
        ab_name=_ab_name(first, group),
        raw_type=first.raw_type,
        setup=first.setup,
        action=group.action,
        group_key=group_text(group),
        event=group.label[:32],
        recipe=recipe.name[:64] if recipe else "",
        parameters=list(split_parameters(list(recipe.parameters))) if recipe else [],
        min_frames=group.min_ret,
        rule_set=rule_set,
        virtual_products=[
            {"label": product.label, "keywords": dict(product.keywords)}
            for product in (
                oca.products(action, group, settings_of(rule_set.instrument)) if action else []
            )
        ],
        mjd_obs=first.mjd_obs,
        mjd_mid=_mid(members),
        completeness=Completeness.INCOMPLETE,
        incomplete_reason="not associated yet",
        created_at=at,
        changed_at=at,
    )
    block.save()
    return block


def _ab_name(first: RawFile, group: oca.Group) -> str:
    """Return the block's name: its first raw file and the tag of the grouping rule.

    A file may be in blocks of two actions; the second one's name says which.
    """
    # Cut, so that what is added below has room: a file's name may be as long as the column.
    stem = safe_name(first.name.removesuffix(".fits"))[:150]
    name = f"{stem}_{group.prefix}" if group.prefix else stem
    if AssociationBlock.objects.filter(ab_name=f"{name}.ab").exists():
        name = f"{name}_{safe_name(group.action)}"
    if AssociationBlock.objects.filter(ab_name=f"{name}.ab").exists():
        name = f"{name}_{first.pk}"
    return f"{name}.ab"


def _mid(members: list[RawFile]) -> float:
    """Return the middle between the first start and the last end, the time associations use."""
    ends = (frame.mjd_obs + (frame.exptime_s or 0) / 86400 for frame in members)
    return (min(frame.mjd_obs for frame in members) + max(ends)) / 2


def _set_frames(block: AssociationBlock, members: list[RawFile], at: dt.datetime) -> None:
    """Bring a block's frames up to date; what has run runs again when its frames changed.

    A rejected block is left as it was rejected: its frames are those of its product.
    """
    if block.is_withdrawn:
        return
    have = {link.raw_file_id: link for link in block.block_frames.all()}
    fresh = [frame for frame in members if frame.pk not in have]
    BlockFrame.objects.bulk_create([BlockFrame(block=block, raw_file=frame) for frame in fresh])
    n_hidden = _drop_hidden(block) if have else 0
    _count_frames(block, len(members))
    replaced = any(frame.organised_at is None for frame in members if frame.pk in have)
    if fresh or replaced or n_hidden:
        _start_anew(block, at)
        block.mjd_mid = _mid(members)
        block.save()


def _drop_hidden(block: AssociationBlock) -> int:
    """Take hidden frames out of a block; return how many these were."""
    n, _ = BlockFrame.objects.filter(block=block, raw_file__hidden_at__isnull=False).delete()
    return n


def _empty_hidden(blocks: Iterable[AssociationBlock], at: dt.datetime) -> None:
    """Keep blocks all of whose frames are hidden now, as incomplete ones."""
    for block in blocks:
        if block.is_withdrawn or not _drop_hidden(block):
            continue
        if not BlockFrame.objects.filter(block=block).exists():
            _count_frames(block, 0)
            _start_anew(block, at)
            block.save()


def _count_frames(block: AssociationBlock, n: int) -> None:
    needed = max(block.min_frames, 1)
    if n < needed:
        block.completeness = Completeness.INCOMPLETE
        block.incomplete_reason = f"too_small {n} of {needed}"
        block.process_status, block.next_step = ProcessStatus.CREATED, NextStep.REST
    elif block.incomplete_reason.startswith("too_small"):
        block.incomplete_reason = "not associated yet"


def _start_anew(block: AssociationBlock, at: dt.datetime) -> None:
    if block.attempt:
        block.process_status = ProcessStatus.CREATED
        block.next_step = NextStep.REST
        block.is_degraded = False
        block.is_certified = False
        block.lease_until = None
        block.n_failures = 0
    block.changed_at = at
