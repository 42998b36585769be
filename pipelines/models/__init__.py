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
from .control import Act, ActKind, Hold, HoldScope
from .frames import RawFile, RefusedFile, Root
from .instruments import CertificationMode, Flavour, Instrument, RawType, RuleSet, Runner
from .machines import Chore, Worker
from .nights import NightEvent, NightEventKind, Round
from .runs import Attempt, Outcome, Preview, Product
from .waivers import Waiver, WaiverKind

__all__ = [
    "Act",
    "ActKind",
    "AssociationBlock",
    "Attempt",
    "BlockFrame",
    "CalibrationLink",
    "CertificationMode",
    "Chore",
    "Completeness",
    "FailureKind",
    "Flavour",
    "Hold",
    "HoldScope",
    "Instrument",
    "NextStep",
    "NightEvent",
    "NightEventKind",
    "Outcome",
    "Preview",
    "ProcessStatus",
    "Product",
    "RawFile",
    "RawType",
    "RefusedFile",
    "Root",
    "Round",
    "RuleSet",
    "Runner",
    "Waiver",
    "WaiverKind",
    "Worker",
]
