"""A contract as frozen values, and the closed registries that it may name.

No file is read here and no SQL is written: `contracts.loader` makes the values from YAML,
`contracts.schemas` makes Spark schemas and DDL of them, `tasks.source` the SQL that reads the
source.
"""

from __future__ import annotations

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
    Protection,
    ProtectionKind,
    Scalar,
    ServiceLevel,
    Severity,
    Source,
    SourceColumn,
    SourceKind,
    Transformation,
)

__all__ = [
    "Absence",
    "Argument",
    "Check",
    "Classification",
    "ClosingLimit",
    "Column",
    "Condition",
    "Contract",
    "History",
    "Ledger",
    "LedgerColumn",
    "LoadKind",
    "NullWatermark",
    "Operator",
    "Protection",
    "ProtectionKind",
    "Scalar",
    "ServiceLevel",
    "Severity",
    "Source",
    "SourceColumn",
    "SourceKind",
    "Transformation",
]
