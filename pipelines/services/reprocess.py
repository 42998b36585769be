"""Runs blocks again: alone or with all that depends on them, with other parameters if wanted."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from django.contrib.auth.models import User
from django.db import transaction

from pipelines.domain.recipe_parameters import (
    ParameterValue,
    RecipeParameter,
    argument_name,
    may_be_chosen,
    parameter_from_dict,
    parse_value,
)
from pipelines.models import (
    ActKind,
    AssociationBlock,
    CalibrationLink,
    Completeness,
    Instrument,
    NextStep,
    Runner,
)
from pipelines.recipes.metadata import MetadataError, native_parameters, read_parameters

from .associate import reassociate
from .control import record
from .inputs import links_of
from .requests import request_again
from .reuse import forget_inputs


class ParameterError(Exception):
    """Values that a recipe does not take: `problems` by parameter."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


@dataclass(frozen=True)
class Requested:
    """What became of a request: what is queued, and what was left, with the reason."""

    queued: list[AssociationBlock] = field(default_factory=list)
    left: list[tuple[AssociationBlock, str]] = field(default_factory=list)


def parameters_of(block: AssociationBlock) -> list[RecipeParameter]:
    """Return what one may choose for a block's recipe: as declared, else as the recipe says."""
    declared = block.instrument.recipes.get(block.recipe, {}).get("parameters", [])
    if declared:
        known = [parameter_from_dict(one) for one in declared]
    elif block.instrument.runner == Runner.NATIVE:
        known = native_parameters(block.recipe)
    else:
        known = list(_asked(block.instrument.pipeline, block.recipe)) if block.recipe else []
    # Some recipes list a parameter twice, once for each of their steps.
    by_name = {one.name: one for one in reversed(known) if may_be_chosen(one)}
    return list(reversed(by_name.values()))


@lru_cache(maxsize=200)
def _asked(pipeline: str, recipe: str) -> tuple[RecipeParameter, ...]:
    try:
        return tuple(read_parameters(pipeline, recipe))
    except MetadataError:
        return ()  # not installed beside the web server: the rules' parameters stand


def values_of(block: AssociationBlock) -> dict[str, ParameterValue]:
    """Return the parameters the next run is given, where they are not the recipe's defaults."""
    of_rules: dict[str, ParameterValue] = {
        argument_name(one): one.partition("=")[2] or True for one in block.parameters
    }
    of_rules.update(block.chosen_parameters)
    return of_rules


def read_choices(block: AssociationBlock, typed: Mapping[str, str]) -> dict[str, ParameterValue]:
    """Return the values in `typed` that differ from what the rules and the recipe would give.

    Raises
    ------
    ParameterError
        Values that the recipe does not take.
    """
    known = {one.name: one for one in parameters_of(block)}
    of_rules = {argument_name(one): one.partition("=")[2] or "true" for one in block.parameters}
    chosen: dict[str, ParameterValue] = {}
    problems: dict[str, str] = {}
    for name, text in typed.items():
        if name not in known:
            problems[name] = f"{block.recipe} has no parameter {name}"
            continue
        try:
            value = parse_value(known[name], text)
        except ValueError as error:
            problems[name] = str(error)
            continue
        if value != _usual(known[name], of_rules):
            chosen[name] = value
    if problems:
        raise ParameterError(problems)
    return chosen


def _usual(parameter: RecipeParameter, of_rules: Mapping[str, str]) -> ParameterValue:
    if parameter.name not in of_rules:
        return parameter.default
    try:
        return parse_value(parameter, of_rules[parameter.name])
    except ValueError:
        return of_rules[parameter.name]


def dependents(blocks: Iterable[AssociationBlock]) -> list[AssociationBlock]:
    """Return all blocks that use the products of some blocks, directly or through others."""
    found: set[int] = set()
    newest = {block.pk for block in blocks}
    own = frozenset(newest)
    while newest:
        users = CalibrationLink.objects.filter(producer__in=newest).values_list("block", flat=True)
        newest = set(users) - found - own
        found |= newest
    return list(
        AssociationBlock.objects.filter(pk__in=found).select_related("instrument")
        .in_cascade_order()
    )  # fmt: skip


def run_again(
    blocks: Iterable[AssociationBlock],
    at: dt.datetime,
    by: User | None,
    *,
    reason: str = "",
    chosen: Mapping[str, ParameterValue] | None = None,
    is_anew: bool = False,
) -> Requested:
    """Queue blocks for another run and record who asked.

    Parameters
    ----------
    chosen
        parameters from now on, in the place of those chosen before; None leaves them
    is_anew
        take nothing over from earlier runs, though nothing has changed
    """
    done = Requested()
    for block in blocks:
        with transaction.atomic():
            if not request_again(block, at):
                done.left.append((block, why_left(block)))
                continue
            if chosen is not None and chosen != block.chosen_parameters:
                AssociationBlock.objects.filter(pk=block.pk).update(chosen_parameters=dict(chosen))
                record(ActKind.PARAMETERS, at, by, block=block, reason=reason,
                       former=block.chosen_parameters, chosen=dict(chosen))  # fmt: skip
            if is_anew:
                forget_inputs(block)
            record(ActKind.REPROCESS, at, by, block=block, reason=reason)
            done.queued.append(block)
    return done


def why_left(block: AssociationBlock) -> str:
    """Say why a block cannot be queued."""
    if block.next_step != NextStep.REST:
        return "it is being worked on"
    if block.completeness == Completeness.INCOMPLETE:
        return f"incomplete, {block.incomplete_reason}"
    return "no recipe is named for it"


@dataclass(frozen=True)
class Replacement:
    """What a block would be given in the place of a calibration that was withdrawn."""

    block: AssociationBlock
    former: list[str]
    instead: list[str]
    lacks: str = ""


# Each is associated anew, and the instrument is held meanwhile: so many at once.
MOST_REPLACED = 50


def replacements(withdrawn: AssociationBlock, at: dt.datetime) -> list[Replacement]:
    """Return what blocks that used a withdrawn calibration would use now; nothing is changed.

    At most `MOST_REPLACED`, those at rest first.
    """
    users = sorted(users_of(withdrawn), key=lambda one: one.next_step != NextStep.REST)
    with transaction.atomic():
        _hold_still(withdrawn)
        return [_replacement(block, withdrawn, at) for block in users[:MOST_REPLACED]]


def _hold_still(block: AssociationBlock) -> None:
    """Let nobody else associate blocks of the instrument until the transaction is over.

    Before any block is touched: whoever associates takes the instrument first, then its blocks.
    """
    Instrument.objects.select_for_update(no_key=True).get(pk=block.instrument_id)


def users_of(block: AssociationBlock) -> list[AssociationBlock]:
    """Return the blocks that a block's products were given to."""
    return list(
        AssociationBlock.objects.filter(calibrations__producer=block)
        .select_related("instrument", "current_attempt")
        .distinct()
        .in_cascade_order()
    )


def _replacement(
    block: AssociationBlock, withdrawn: AssociationBlock, at: dt.datetime
) -> Replacement:
    labels = {link.label for link in links_of(block) if link.producer == withdrawn}
    former = _named(block, labels)
    with transaction.atomic():
        # Done and taken back: what would come of it is what the association says, not a guess.
        if not request_again(block, at):
            return Replacement(block, former, [], why_left(block))
        fresh = AssociationBlock.objects.select_related("instrument").get(pk=block.pk)
        is_chosen = reassociate(fresh, at)
        instead = _named(fresh, labels) if is_chosen else former
        transaction.set_rollback(True)
    lacks = "" if is_chosen and instead != former else "nothing else fits"
    return Replacement(block, former, [] if lacks else instead, lacks)


def _named(block: AssociationBlock, labels: set[str]) -> list[str]:
    """Return the calibrations that a block is given under some labels."""
    return [str(link.producer or link.file) for link in links_of(block) if link.label in labels]


def replace_withdrawn(
    withdrawn: AssociationBlock,
    chosen: Iterable[AssociationBlock],
    at: dt.datetime,
    by: User | None,
    reason: str = "",
) -> Requested:
    """Queue blocks that used a withdrawn calibration; their runs take the next best one.

    Left are those for which nothing else fits, and all when it is not withdrawn any more.
    """
    done = Requested()
    with transaction.atomic():
        _hold_still(withdrawn)
        is_withdrawn = AssociationBlock.objects.filter(pk=withdrawn.pk, is_withdrawn=True).exists()
        for n, block in enumerate(chosen):
            why = _why_not_replaced(block, withdrawn, at, is_withdrawn=is_withdrawn, n=n)
            if why or not request_again(block, at):
                done.left.append((block, why or why_left(block)))
                continue
            record(ActKind.REPLACE, at, by, block=block, reason=reason,
                   withdrawn=withdrawn.ab_name)  # fmt: skip
            done.queued.append(block)
    return done


def _why_not_replaced(
    block: AssociationBlock,
    withdrawn: AssociationBlock,
    at: dt.datetime,
    *,
    is_withdrawn: bool,
    n: int,
) -> str:
    if not is_withdrawn:
        return f"{withdrawn.ab_name} is not withdrawn any more"
    if n >= MOST_REPLACED:
        return f"{MOST_REPLACED} are replaced at once"
    return _replacement(block, withdrawn, at).lacks
