"""A contract as Spark schemas: of its source, of its events, of its target."""

from __future__ import annotations

from pyspark.sql import types as T

from contracts.model import Column, Contract, Ledger
from contracts.schemas.contract_to_spark_types import data_type, stored_type
from contracts.schemas.protection_in_words import protection_text

FILLED_BY_HISTORY = frozenset(
    {
        *("surrogate_key", "valid_from", "valid_to", "is_current", "recorded_at", "changed_at"),
        "read_at",
    }
)
"""The transformations whose columns the history engine fills itself."""


def source_schema(contract: Contract) -> T.StructType:
    """The source rows as the contract promises them, columns in the contract's order."""
    return T.StructType(
        [
            T.StructField(column.name, data_type(column.type), column.nullable)
            for column in contract.source.columns
        ]
    )


def event_schema(contract: Contract) -> T.StructType:
    """One change event as it is staged: the target columns that history does not fill itself."""
    return T.StructType(
        [
            T.StructField(column.name, stored_type(column), column.nullable)
            for column in contract.columns
            if column.transformation.name not in FILLED_BY_HISTORY
        ]
    )


def target_schema(contract: Contract) -> T.StructType:
    """All columns of the target in stored types, with their comments for the catalog."""
    return T.StructType(
        [
            T.StructField(
                column.name, stored_type(column), column.nullable, {"comment": comment(column)}
            )
            for column in contract.columns
        ]
    )


def ledger_schema(ledger: Ledger) -> T.StructType:
    """The columns of a ledger."""
    return T.StructType(
        [
            T.StructField(
                column.name,
                data_type(column.type),
                column.nullable,
                {"comment": column.description},
            )
            for column in ledger.columns
        ]
    )


def comment(column: Column) -> str:
    """The catalog's comment of a column: its meaning, classification and protection."""
    protection = f", {protection_text(column)}" if column.protection else ""
    return f"{column.description.strip()} [{column.classification}{protection}]"
