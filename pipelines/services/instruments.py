"""Loads what an instrument's folder says; rules become versions."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache

from django.db import transaction
from django.db.models import Max

from pipelines.domain import oca
from pipelines.domain.instrument_file import InstrumentDefinition, RuleText, read_settings
from pipelines.domain.plan_file import parse_plan
from pipelines.models import Flavour, Instrument, RawType, RuleSet


def load_instrument(
    definition: InstrumentDefinition,
    rules: Sequence[RuleText],
    levels: str,
    digest: str,
    folder: str,
    at: dt.datetime,
) -> Instrument:
    """Write an instrument, its raw types and, when they changed, new versions of its rules."""
    with transaction.atomic():
        instrument, _ = Instrument.objects.update_or_create(
            name=definition.name,
            defaults={
                "title": definition.title,
                "header_names": definition.header_names,
                "runner": definition.runner,
                "pipeline": definition.pipeline,
                "is_simulated": definition.is_simulated,
                "night_rollover_hour": definition.night_rollover_hour,
                "recipes": {name: limits.as_dict() for name, limits in definition.recipes.items()},
                "oca": definition.oca,
                "reasons": definition.reasons,
                "digest": digest,
                "folder": folder,
                "loaded_at": at,
            },
        )
        _load_raw_types(instrument, definition)
        _load_rules(instrument, rules, levels, at)
    return instrument


def _load_raw_types(instrument: Instrument, definition: InstrumentDefinition) -> None:
    for raw_type in definition.raw_types:
        RawType.objects.update_or_create(
            instrument=instrument,
            name=raw_type.name,
            defaults={
                "title": raw_type.title,
                "setup_keywords": raw_type.setup,
                "is_science": raw_type.is_science,
                "certification": raw_type.certification,
                "sample_percent": raw_type.sample_percent,
            },
        )
    kept = [raw_type.name for raw_type in definition.raw_types]
    instrument.raw_types.exclude(name__in=kept).delete()


def _load_rules(
    instrument: Instrument, rules: Sequence[RuleText], levels: str, at: dt.datetime
) -> None:
    """Put rule texts in force; those in force before are superseded where they say otherwise."""
    standing = {
        (one.flavour, one.valid_from): one
        for one in instrument.rule_sets.filter(superseded_at=None)
    }
    version = instrument.rule_sets.aggregate(Max("version"))["version__max"] or 0
    kept = set()
    for rule in rules:
        digest = hashlib.sha256(f"{rule.text}\0{levels}".encode()).hexdigest()
        old = standing.get((rule.flavour, rule.valid_from))
        if old is not None and old.digest == digest:
            kept.add(old.pk)
            continue
        if old is not None:
            RuleSet.objects.filter(pk=old.pk).update(superseded_at=at)
        version += 1
        made = RuleSet.objects.create(
            instrument=instrument,
            version=version,
            flavour=rule.flavour,
            valid_from=rule.valid_from,
            text=rule.text,
            levels=levels,
            digest=digest,
            source=rule.source[:255],
            recorded_at=at,
        )
        kept.add(made.pk)
    instrument.rule_sets.filter(superseded_at=None).exclude(pk__in=kept).update(superseded_at=at)


class NoRulesError(Exception):
    """No rule set of an instrument is in force for a night."""

    def __init__(self, instrument: Instrument, night: dt.date | None, flavour: str) -> None:
        super().__init__(
            f"{instrument.name} has no {flavour} rules for {night or 'today'}: add a rule file to "
            "its folder, then run load_instruments."
        )


def rules_of(instrument: Instrument, night: dt.date, flavour: str = Flavour.RAW2MASTER) -> RuleSet:
    """Return the rules in force for a night.

    Raises
    ------
    NoRulesError
        There are none of that flavour, or they begin later.
    """
    found = instrument.rule_sets.in_force(night, flavour).first()
    if found is None:
        raise NoRulesError(instrument, night, flavour)
    return found


def settings_of(instrument: Instrument) -> oca.OcaSettings:
    """Return how an instrument reads what OCA leaves open."""
    return _settings(json.dumps(instrument.oca, sort_keys=True), instrument.night_rollover_hour)


@lru_cache(maxsize=64)
def _settings(chosen: str, night_rollover_hour: int) -> oca.OcaSettings:
    return oca.OcaSettings(
        **read_settings(json.loads(chosen)), night_rollover_hour=night_rollover_hour
    )


@lru_cache(maxsize=64)
def parsed(text: str) -> oca.RuleFile:
    """Return the tree of a rule text; the same text is parsed once."""
    return oca.parse(text)


@lru_cache(maxsize=64)
def plan_of(levels: str) -> oca.AssociationPlan:
    """Return the association plan of a ``levels.toml``; the same text is read once."""
    return parse_plan("levels.toml", levels) if levels else oca.NO_PLAN
