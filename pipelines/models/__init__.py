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
from .frames import RawFile, RefusedFile
from .instruments import CertificationMode, Instrument, RawType, RuleSet, Runner
from .runs import Attempt, Outcome, Product

__all__ = [
    "AssociationBlock",
    "Attempt",
    "BlockFrame",
    "CalibrationLink",
    "CertificationMode",
    "Completeness",
    "FailureKind",
    "Instrument",
    "NextStep",
    "Outcome",
    "ProcessStatus",
    "Product",
    "RawFile",
    "RawType",
    "RefusedFile",
    "RuleSet",
    "Runner",
]
