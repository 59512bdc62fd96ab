"""A contract as frozen values, and the closed registries that it may name.

No file is read here and no SQL is written: `contracts.loader` makes the values from YAML,
`contracts.schemas` makes Spark schemas and DDL of them, `tasks.source` the SQL that reads the
source.
"""

from __future__ import annotations

from contracts.model.access.classification import Classification
from contracts.model.access.role import AboveLevel, ColumnRight, Role, RowRight, Shown, column_right
from contracts.model.anomaly_settings import AnomalySettings, Feature
from contracts.model.contract import (
    Absence,
    Argument,
    Check,
    ClosingLimit,
    Column,
    Condition,
    Contract,
    History,
    Ledger,
    LedgerColumn,
    LoadKind,
    NullWatermark,
    Operator,
    Period,
    Protection,
    ProtectionKind,
    RetentionAction,
    RetentionRule,
    RetentionStart,
    Scalar,
    ServiceLevel,
    Source,
    SourceColumn,
    SourceKind,
    Transformation,
)
from contracts.model.quality_gate import Comparison, QualityGate, Threshold, Unit
from contracts.model.severity import Severity

__all__ = [
    "AboveLevel",
    "Absence",
    "AnomalySettings",
    "Argument",
    "Check",
    "Classification",
    "ClosingLimit",
    "Column",
    "ColumnRight",
    "Comparison",
    "Condition",
    "Contract",
    "Feature",
    "History",
    "Ledger",
    "LedgerColumn",
    "LoadKind",
    "NullWatermark",
    "Operator",
    "Period",
    "Protection",
    "ProtectionKind",
    "QualityGate",
    "RetentionAction",
    "RetentionRule",
    "RetentionStart",
    "Role",
    "RowRight",
    "Scalar",
    "ServiceLevel",
    "Severity",
    "Shown",
    "Source",
    "SourceColumn",
    "SourceKind",
    "Threshold",
    "Transformation",
    "Unit",
    "column_right",
]
