"""Loads what an instrument's folder says; rules become versions."""

import datetime as dt
import hashlib
from functools import lru_cache

from django.db import transaction

from pipelines.domain import oca
from pipelines.domain.instrument_file import InstrumentDefinition
from pipelines.domain.plan_file import parse_plan
from pipelines.models import Instrument, RawType, RuleSet


def load_instrument(
    definition: InstrumentDefinition, rules: str, levels: str, digest: str, at: dt.datetime
) -> Instrument:
    """Write an instrument, its raw types and, when they changed, a new version of its rules."""
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
                "recipes": {
                    name: {
                        "timeout_s": limits.timeout_s,
                        "memory_mb": limits.memory_mb,
                        "products": limits.products,
                        "tags": limits.tags,
                        "parameters": [one.as_dict() for one in limits.parameters],
                    }
                    for name, limits in definition.recipes.items()
                },
                "digest": digest,
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


def _load_rules(instrument: Instrument, text: str, levels: str, at: dt.datetime) -> None:
    digest = hashlib.sha256(f"{text}\0{levels}".encode()).hexdigest()
    newest = instrument.rule_sets.order_by("-version").first()
    if newest is None or newest.digest != digest:
        version = newest.version + 1 if newest else 1
        RuleSet.objects.create(
            instrument=instrument,
            version=version,
            text=text,
            levels=levels,
            digest=digest,
            recorded_at=at,
        )


def current_rules(instrument: Instrument) -> RuleSet:
    return instrument.rule_sets.order_by("-version")[:1].get()


@lru_cache(maxsize=64)
def parsed(text: str) -> oca.RuleFile:
    """Return the tree of a rule text; the same text is parsed once."""
    return oca.parse(text)


@lru_cache(maxsize=64)
def plan_of(levels: str) -> oca.AssociationPlan:
    """Return the association plan of a ``levels.toml``; the same text is read once."""
    return parse_plan("levels.toml", levels) if levels else oca.NO_PLAN
