"""A history that another tool kept, as change events: ready for `history.load_changes`.

Versions of a key that are valid at the same time contradict each other, and the data does not tell
which of them is right. They become events with an operation that no load accepts, so that the load
puts them into its quarantine and counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contracts.errors import SettingsError
from history.planning.event_validation import DELETE, UPSERT
from history.spark.column_quoting_and_comparison import content, named, per

OVERLAPPING = "overlapping"
"""The operation of a version that is valid at the same time as another one of its key."""
EMPTY = "ends at or before its start"
"""The operation of a version that is never valid."""


def events_of_versions(
    versions: DataFrame,
    *,
    key: Sequence[str],
    valid_from: str,
    valid_to: str,
    sequence: str = "event_time",
    operation: str = "operation",
    open_end: datetime | None = None,
    keep_values: bool = False,
) -> DataFrame:
    """The events that a history of half-open intervals came from.

    Args:
        versions: One row a version. Columns that a load fills itself (a flag, a surrogate key) and
            those that belong to the table and not to the record have to be dropped before. Rows
            that are equal in all columns are one.
        key: Columns that identify a record.
        valid_from: The column of the inclusive start.
        valid_to: The column of the exclusive end; null while a version is open.
        sequence: The name for the column of the events' times.
        operation: The name for the column of their operation.
        open_end: A far end that stands for null in this history.
        keep_values: A delete has the values of the version that it ends, and not nulls.

    Returns:
        The columns of the versions but the interval, with `sequence` and `operation`: an upsert at
        each start, and a delete, its other columns null, at each end that no other version of the
        key begins at. A version that overlaps another one of its key, or ends at or before its
        start, is one row with `OVERLAPPING` or `EMPTY` as its operation, which a load refuses
        (`operation_known`). One without key or start is an upsert, which a load refuses for that.

    Raises:
        SettingsError: A named column is missing, or the versions have a column with the name of
            the sequence or the operation.
    """
    interval = (valid_from, valid_to)
    stored = [name for name in versions.columns if name not in interval]
    _check(versions.columns, stored, (*key, *interval), (sequence, operation))
    classified = _classified(versions, key, interval, open_end)
    sequence_type = versions.schema[valid_from].dataType
    begins = F.struct(F.col("__operation_found").alias("op"), named(valid_from).alias("at"))
    ends = F.struct(
        F.lit(DELETE).alias("op"), F.col("__effective_to").cast(sequence_type).alias("at")
    )
    events = classified.withColumn(
        "__event",
        F.explode(
            F.filter(F.array(begins, F.when(F.col("__closes"), ends)), lambda e: e.isNotNull())
        ),
    )
    event = F.col("__event")
    upserts = event["op"] != DELETE
    columns = [
        named(name) if keep_values or name in key else F.when(upserts, named(name)).alias(name)
        for name in stored
    ]
    return events.select(*columns, event["at"].alias(sequence), event["op"].alias(operation))


def _classified(
    versions: DataFrame, key: Sequence[str], interval: tuple[str, str], open_end: datetime | None
) -> DataFrame:
    """The distinct versions, with their operation as events.

    Adds `__operation_found` (their operation), `__effective_to` (null: open) and
    `__closes` (a delete follows).
    """
    schema, (valid_from, valid_to) = versions.schema, interval
    start, end = named(valid_from), named(valid_to)
    end_or_null = end if open_end is None else F.when(end != F.lit(open_end), end)
    complete = start.isNotNull()
    for name in key:
        complete = complete & named(name).isNotNull()
    copies = per("__content").orderBy(F.lit(0))
    distinct = (
        versions.withColumn("__content", content(versions.columns, schema))
        .withColumn("__copy", F.row_number().over(copies))
        .where(F.col("__copy") == 1)
        .withColumn("__effective_to", end_or_null)
        .withColumn(
            "__holds",
            complete & (F.col("__effective_to").isNull() | (start < F.col("__effective_to"))),
        )
    )
    timeline = per(*key, "__holds").orderBy(start)
    before = timeline.rowsBetween(Window.unboundedPreceding, -1)
    latest_end, following = F.max("__effective_to").over(before), F.lead(start).over(timeline)
    still_open = F.coalesce(F.max(F.col("__effective_to").isNull()).over(before), F.lit(False))
    # The next row begins no earlier; a null `following` means that there is none.
    overlaps = (
        still_open
        | F.coalesce(start < latest_end, F.lit(False))
        | F.coalesce(following < F.col("__effective_to"), F.lit(False))
        | (following.isNotNull() & F.col("__effective_to").isNull())
    )
    classified = distinct.withColumn(
        "__operation_found", _operation(complete, F.col("__holds"), overlaps)
    )
    same_operation = per(*key, "__operation_found", "__holds").orderBy(start)
    ends_alone = ~F.lead(start).over(same_operation).eqNullSafe(F.col("__effective_to"))
    is_valid = (F.col("__operation_found") == UPSERT) & F.col("__holds")
    return classified.withColumn(
        "__closes", is_valid & F.col("__effective_to").isNotNull() & ends_alone
    )


def _operation(complete: Column, holds: Column, overlaps: Column) -> Column:
    return (
        F.when(~complete, F.lit(UPSERT))
        .when(~holds, F.lit(EMPTY))
        .when(overlaps, F.lit(OVERLAPPING))
        .otherwise(F.lit(UPSERT))
    )


def _check(
    columns: Sequence[str], stored: Sequence[str], required: Sequence[str], added: Sequence[str]
) -> None:
    missing, clash = sorted(set(required) - set(columns)), sorted(set(added) & set(stored))
    if missing or clash:
        raise SettingsError(
            where="events_of_versions",
            expected="versions with the key and the interval, and no column that is made here",
            found=f"missing {missing}, there already {clash}",
            next_step="Correct the names, or drop or rename the columns.",
        )
