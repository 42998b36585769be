"""Frames of a night become association blocks, and each finds its master calibrations.

Incremental: a night is organised again whenever frames arrive. A rejected block is left alone; any
other that has run and gets more frames runs again, and its new result needs a new decision.
"""

import datetime as dt
import itertools
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from django.db import transaction

from pipelines.domain import oca
from pipelines.domain.recipe_call import safe_name, split_parameters
from pipelines.domain.times import datetime_to_mjd
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
from .offers import AWAITS, TOO_SMALL

logger = logging.getLogger(__name__)

_NOT_ASSOCIATED = "not associated yet"
# A template that says nothing for so long was broken off: what there is of it is processed.
PATIENCE = dt.timedelta(hours=3)
_Key: TypeAlias = tuple[str, str, str]


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
            instrument = Instrument.objects.select_for_update(no_key=True).get(pk=instrument_id)
            fresh = RawFile.objects.filter(
                instrument=instrument, night__in=ones, organised_at=None, recorded_at__lte=at
            )
            for night in ones:
                _organise_night(instrument, night, at, done)
                reopen_for_arrivals(instrument, night, at)
            done.to_advance += associate_blocks(instrument, ones, at, fresh)
            fresh.update(organised_at=at)
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
        .select_for_update(of=("self",), no_key=True)
        .select_related("rule_set", "instrument")
        .prefetch_related("block_frames")
        .order_by("pk")
    }
    organiser_frames = [oca.Frame(pk, frame.keywords) for pk, frame in frames.items()]
    taken: set[_Key] = set()
    for group in oca.organise(rules, organiser_frames, settings):
        # By time, then by name; ids say only in which order the files were found.
        members = sorted(
            (frames[int(frame.id)] for frame in group.frames),
            key=lambda one: (one.mjd_obs, one.name, one.pk),
        )
        key = _free_key(group, members, taken)
        block = known.get(key) or _of_same_frames(key, members, known, taken)
        taken.add(key)
        if block is None:
            block = _new_block(rule_set, group, key[2], members, at)
            done.n_new += 1
        _set_frames(block, members, at)
        _await_template(block, group, members, at)
    _empty(rule_set, [block for key, block in known.items() if key not in taken], at)


def _of_same_frames(
    key: _Key, members: list[RawFile], known: dict[_Key, AssociationBlock], taken: set[_Key]
) -> AssociationBlock | None:
    """Return the block of the frames a group had so far, where new rules group by other keywords.

    It is kept, and known by the new key from now on, so that frames to come join it.
    """
    frames = {frame.pk for frame in members if frame.organised_at is not None}
    if not frames:
        return None
    for old, block in known.items():
        have = {link.raw_file_id for link in block.block_frames.all()}
        if old not in taken and old[:2] == key[:2] and have == frames:
            known[key] = known.pop(old)
            block.group_key = key[2]
            block.save(update_fields=["group_key"])
            return block
    return None


def _free_key(group: oca.Group, members: list[RawFile], taken: set[_Key]) -> _Key:
    """Return what a block is known by when its night is organised again."""
    values: list[object] = list(group.key)
    if group.is_alone:
        values.append(("", members[0].name))
    if group.nth_select:
        # Two selects may start one action for the same template: with the second is said which.
        values.append(("select", group.nth_select + 1))
    for place in itertools.count(1):
        # Two files may have one name.
        told_apart = [*values, ("again", place)] if place > 1 else values
        key = (group.action, members[0].raw_type, _as_text(told_apart))
        if key not in taken:
            return key
    raise AssertionError("there is always a next number")


def _as_text(values: list[object]) -> str:
    """Return the values of the rule's ``group by`` as one canonical text."""
    return json.dumps(values, separators=(",", ":"))


def _new_block(
    rule_set: RuleSet, group: oca.Group, group_key: str, members: list[RawFile], at: dt.datetime
) -> AssociationBlock:
    first = members[0]
    action = parsed(rule_set.text).actions.get(group.action)
    recipe = action.recipes[0] if action and action.recipes else None
    block = AssociationBlock(
        instrument=rule_set.instrument,
        night=first.night,
        ab_name=_ab_name(first, group),
        raw_type=first.raw_type,
        setup=first.setup,
        action=group.action,
        group_key=group_key,
        event=group.label[:32],
        recipe=recipe.name[:64] if recipe else "",
        parameters=list(split_parameters(list(recipe.parameters))) if recipe else [],
        min_frames=group.min_ret,
        rule_set=rule_set,
        mjd_obs=first.mjd_obs,
        mjd_mid=first.mjd_obs,
        completeness=Completeness.INCOMPLETE,
        incomplete_reason=_NOT_ASSOCIATED,
        created_at=at,
        changed_at=at,
    )
    _describe(block, members)
    block.save()
    return block


def _describe(block: AssociationBlock, members: list[RawFile]) -> None:
    """Write what the frames say of a block: its times, its setup, and what it will make."""
    first = members[0]
    block.mjd_obs, block.mjd_mid, block.setup = first.mjd_obs, _mid(members), first.setup
    action = parsed(block.rule_set.text).actions.get(block.action)
    # Where rules promise nothing, what an earlier run has made stays on offer.
    if action is not None and action.products:
        frames = tuple(oca.Frame(frame.pk, frame.keywords) for frame in members)
        group = oca.Group(block.action, block.event, "", (), frames, block.min_frames, 0)
        block.virtual_products = [
            {"label": product.label, "keywords": dict(product.keywords)}
            for product in oca.products(action, group, settings_of(block.instrument))
        ]


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
    have = {link.raw_file_id for link in block.block_frames.all()}
    fresh = [frame for frame in members if frame.pk not in have]
    left = have - {frame.pk for frame in members}
    BlockFrame.objects.filter(block=block, raw_file__in=left).delete()
    BlockFrame.objects.bulk_create([BlockFrame(block=block, raw_file=frame) for frame in fresh])
    _count_frames(block, len(members))
    replaced = any(frame.organised_at is None for frame in members if frame.pk in have)
    if fresh or replaced or left:
        _start_anew(block, at)
        _describe(block, members)
        block.save()


def _await_template(
    block: AssociationBlock, group: oca.Group, members: list[RawFile], at: dt.datetime
) -> None:
    """Keep a block that rules start with a whole template until that is whole, or given up."""
    if block.is_withdrawn or not group.waits_for_template:
        return
    last = max(frame.mjd_obs + (frame.exptime_s or 0) / 86400 for frame in members)
    is_late = datetime_to_mjd(at) > last + PATIENCE / dt.timedelta(days=1)
    if group.awaited and not is_late and not block.incomplete_reason.startswith(TOO_SMALL):
        _rest(block, f"{AWAITS} {group.awaited} more of its template")
    elif block.incomplete_reason.startswith(AWAITS):
        block.incomplete_reason = _NOT_ASSOCIATED
    else:
        return
    block.save()


def _empty(rule_set: RuleSet, blocks: Iterable[AssociationBlock], at: dt.datetime) -> None:
    """Take out of blocks that no group stands for any more what belongs elsewhere now.

    Those of older rules keep their frames: new rules make blocks of their own.
    """
    for block in (one for one in blocks if not one.is_withdrawn):
        links = BlockFrame.objects.filter(block=block)
        if block.rule_set_id != rule_set.pk:
            links = links.filter(raw_file__hidden_at__isnull=False)
        n_left, _ = links.delete()
        if n_left and not BlockFrame.objects.filter(block=block).exists():
            _count_frames(block, 0)
            _start_anew(block, at)
            block.save()


def _count_frames(block: AssociationBlock, n: int) -> None:
    needed = max(block.min_frames, 1)
    if n < needed:
        _rest(block, f"{TOO_SMALL} {n} of {needed}")
    elif block.incomplete_reason.startswith(TOO_SMALL):
        block.incomplete_reason = _NOT_ASSOCIATED


def _rest(block: AssociationBlock, reason: str) -> None:
    """Make a block wait for more frames."""
    block.completeness, block.incomplete_reason = Completeness.INCOMPLETE, reason
    block.process_status, block.next_step = ProcessStatus.CREATED, NextStep.REST


def _start_anew(block: AssociationBlock, at: dt.datetime) -> None:
    if block.attempt:
        block.process_status = ProcessStatus.CREATED
        block.next_step = NextStep.REST
        block.is_degraded = False
        block.is_certified = False
        block.lease_until = None
        block.n_failures = 0
    block.changed_at = at
