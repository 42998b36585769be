"""What the pipelines know: instruments and their rules, frames, blocks, attempts, products."""

from .blocks import (
    AssociationBlock,
    BlockFrame,
    CalibrationLink,
    Completeness,
    FailureKind,
    NextStep,
    ProcessStatus,
)
from .frames import RawFile, RefusedFile, Root
from .instruments import CertificationMode, Flavour, Instrument, RawType, RuleSet, Runner
from .nights import NightEvent, NightEventKind, Round
from .runs import Attempt, Outcome, Product

__all__ = [
    "AssociationBlock",
    "Attempt",
    "BlockFrame",
    "CalibrationLink",
    "CertificationMode",
    "Completeness",
    "FailureKind",
    "Flavour",
    "Instrument",
    "NextStep",
    "NightEvent",
    "NightEventKind",
    "Outcome",
    "ProcessStatus",
    "Product",
    "RawFile",
    "RawType",
    "RefusedFile",
    "Root",
    "Round",
    "RuleSet",
    "Runner",
]
