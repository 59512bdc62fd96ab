"""Which rows of a batch are valid events.

A row without a key or a sequence, or with an unknown operation, is refused with a reason and never
blocks the others.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import count_of, named, storable

UPSERT = "upsert"
DELETE = "delete"
CONTESTED = "contested"

KEY_PRESENT = "key_present"
SEQUENCE_PRESENT = "sequence_present"
OPERATION_KNOWN = "operation_known"
CONFLICT = "decided"
"""The reason of differing events of one instant that no tie-breaker decides between."""
ONE_ROW_A_KEY = "one_row_a_key"
"""The reason of differing rows of one key in one read of a state source."""
VALIDATION_REASONS = (KEY_PRESENT, SEQUENCE_PRESENT, OPERATION_KNOWN)

REASONS = "__reasons"
REASONS_TYPE = "array<struct<check:string,column:string>>"


def validate_events(changes: DataFrame, settings: HistorySettings) -> DataFrame:
    """The changes with `__op` (their operation); `is_event` tells which of them are events.

    Columns of types that a table can't have are cast to the type that it stores them in.
    """
    casts = {
        field.name: named(field.name).cast(storable(field.dataType))
        for field in changes.schema.fields
        if storable(field.dataType) != field.dataType
    }
    changes = changes.withColumns(casts) if casts else changes
    operation = F.lit(UPSERT)
    if settings.operation is not None:
        text = F.lower(F.trim(named(settings.operation)))
        operation = F.coalesce(text, F.lit(UPSERT))
    validated = changes.withColumn("__op", operation)
    return validated.drop(settings.operation) if settings.operation else validated


def failures(settings: HistorySettings) -> Mapping[str, Column]:
    """Of validated changes: by reason, whether a row is refused for it."""
    no_key = F.lit(False)
    for name in settings.key:
        no_key = no_key | named(name).isNull()
    return {
        KEY_PRESENT: no_key,
        SEQUENCE_PRESENT: named(settings.sequence).isNull(),
        OPERATION_KNOWN: ~F.col("__op").isin(UPSERT, DELETE),
    }


def is_event(settings: HistorySettings) -> Column:
    """Whether a validated change is an event: nothing speaks against it."""
    refused = F.lit(False)
    for failed in failures(settings).values():
        refused = refused | failed
    return ~refused


def validation_counts(settings: HistorySettings) -> Mapping[str, Column]:
    """How many changes were accepted ('accepted'), and how many were refused by each reason."""
    refused = {name: count_of(failed) for name, failed in failures(settings).items()}
    return {"accepted": count_of(is_event(settings)), **refused}


def reasons(settings: HistorySettings) -> Column:
    """Why a validated change is refused (`__reasons`); empty for an event.

    Only asked of refused rows: Spark compiles no plan that makes such lists.
    """
    failed = [F.when(named(name).isNull(), reason(KEY_PRESENT, name)) for name in settings.key]
    others = {SEQUENCE_PRESENT: settings.sequence, OPERATION_KNOWN: settings.operation or ""}
    failures_of = failures(settings)
    failed += [F.when(failures_of[check], reason(check, name)) for check, name in others.items()]
    found = F.filter(F.array(*failed), lambda each: each.isNotNull())
    return found.cast(REASONS_TYPE).alias(REASONS)


def conflict_reason(settings: HistorySettings) -> str:
    """The reason of rows that no tie-breaker decides between."""
    return CONFLICT if settings.stamp is None else ONE_ROW_A_KEY


def reason(check: str, column: str) -> Column:
    """One reason for a refusal: the failed check and its column."""
    return F.struct(F.lit(check).alias("check"), F.lit(column).alias("column"))
