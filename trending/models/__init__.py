"""What is measured and how it is judged: QC1 tables, rows and values, rules, scores, reports."""

from .qc1 import (
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
from .scores import AverageKind, BlockScore, Score, ScoreRule

__all__ = [
    "AverageKind",
    "BlockScore",
    "ColumnRole",
    "ColumnType",
    "Dataset",
    "Origin",
    "Panel",
    "ParameterClass",
    "QC1Import",
    "QC1Parameter",
    "QC1Row",
    "QC1Table",
    "QC1Value",
    "Report",
    "ReportGroup",
    "Score",
    "ScoreRule",
    "Series",
    "Setup",
    "ValueState",
]
