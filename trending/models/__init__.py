"""What is measured and how it is judged: QC1 tables, rows and values, rules, scores, reports."""

from .events import EventKind, QualityEvent, ReferenceValue
from .facts import known_at
from .marks import ActKind, Mark, MarkKind, ScoreAct
from .qc1 import (
    STANDING,
    ColumnRole,
    ColumnType,
    Origin,
    ParameterClass,
    QC1Import,
    QC1Parameter,
    QC1Row,
    QC1Table,
    QC1Value,
    Series,
    Setup,
    ValueState,
)
from .reports import Dataset, Panel, Report, ReportGroup
from .rescoring import Rescoring
from .scores import (
    AverageKind,
    BaselineChoice,
    BlockScore,
    RuleOrigin,
    Score,
    ScoreRule,
)

__all__ = [
    "STANDING",
    "ActKind",
    "AverageKind",
    "BaselineChoice",
    "BlockScore",
    "ColumnRole",
    "ColumnType",
    "Dataset",
    "EventKind",
    "Mark",
    "MarkKind",
    "Origin",
    "Panel",
    "ParameterClass",
    "QC1Import",
    "QC1Parameter",
    "QC1Row",
    "QC1Table",
    "QC1Value",
    "QualityEvent",
    "ReferenceValue",
    "Report",
    "ReportGroup",
    "Rescoring",
    "RuleOrigin",
    "Score",
    "ScoreAct",
    "ScoreRule",
    "Series",
    "Setup",
    "ValueState",
    "known_at",
]
