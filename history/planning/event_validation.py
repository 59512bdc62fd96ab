"""The gate: which rows of a batch are events at all.

A row without a key or a sequence, or with an operation nobody knows, is refused with a reason and
never holds up the others.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import named, storable

UPSERT = "upsert"
DELETE = "delete"
CONTESTED = "contested"

KEY_PRESENT = "key_present"
SEQUENCE_PRESENT = "sequence_present"
OPERATION_KNOWN = "operation_known"
CONFLICT = "decided"
"""The reason of events of one instant that differ and that no tie-breaker decides between."""
ONE_ROW_A_KEY = "one_row_a_key"
"""The reason of rows of one key that one read of a table has found, and that differ."""
VALIDATION_REASONS = (KEY_PRESENT, SEQUENCE_PRESENT, OPERATION_KNOWN)

REASONS = "__reasons"
REASONS_TYPE = "array<struct<check:string,column:string>>"


def validate_events(changes: DataFrame, settings: HistorySettings) -> DataFrame:
    """The changes with `__op` (their operation) and `__reasons` (why a row is refused, or empty).

    Columns of types that a table can't have are given the type that it stores them in.

    Reasons: `key_present` and `sequence_present` for nulls, `operation_known`.
    """
    stored = {
        field.name: named(field.name).cast(storable(field.dataType))
        for field in changes.schema.fields
        if storable(field.dataType) != field.dataType
    }
    changes = changes.withColumns(stored) if stored else changes
    operation = F.lit(UPSERT)
    known = F.lit(True)
    if settings.operation is not None:
        given = F.lower(F.trim(named(settings.operation)))
        operation = F.coalesce(given, F.lit(UPSERT))
        known = operation.isin(UPSERT, DELETE)
    failed = [F.when(named(name).isNull(), reason(KEY_PRESENT, name)) for name in settings.key]
    sequence = named(settings.sequence)
    failed.append(F.when(sequence.isNull(), reason(SEQUENCE_PRESENT, settings.sequence)))
    failed.append(F.when(~known, reason(OPERATION_KNOWN, settings.operation or "")))
    reasons = F.filter(F.array(*failed), lambda each: each.isNotNull()).cast(REASONS_TYPE)
    gated_frame = changes.withColumns({"__op": operation, REASONS: reasons})
    return gated_frame.drop(settings.operation) if settings.operation else gated_frame


def conflict_reason(settings: HistorySettings) -> str:
    """The reason of rows that nothing decides between."""
    return CONFLICT if settings.stamp is None else ONE_ROW_A_KEY


def reason(check: str, column: str) -> Column:
    """One reason for a refusal: the check that failed and the column it failed on."""
    return F.struct(F.lit(check).alias("check"), F.lit(column).alias("column"))
