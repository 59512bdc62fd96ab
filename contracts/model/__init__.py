"""A contract as frozen values, and the closed registries that it may name.

No file is read here and no SQL is written: `contracts.loader` makes the values from YAML,
`contracts.schemas` makes Spark schemas and DDL of them, `tasks.source` the SQL that reads the
source.
"""

from __future__ import annotations

from contracts.model.anomaly_settings import AnomalySettings, Feature
from contracts.model.contract import (
    Absence,
    Argument,
    Check,
    Classification,
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
    "Absence",
    "AnomalySettings",
    "Argument",
    "Check",
    "Classification",
    "ClosingLimit",
    "Column",
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
    "Scalar",
    "ServiceLevel",
    "Severity",
    "Source",
    "SourceColumn",
    "SourceKind",
    "Threshold",
    "Transformation",
    "Unit",
]
