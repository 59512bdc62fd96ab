"""The rules of a history in which each key has one event and one version, as a first load has them.

Then nothing has to be sorted: what is written has to be what was read, each row by itself, and no
key may have a second version. Compared are sums of 64-bit hashes, so that two sets of rows that
differ are taken for equal once in 2^64 comparisons, as versions are elsewhere.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.audit.version_columns import is_open, sums_of_halves, with_types_of
from history.model.history_settings import HistorySettings
from history.planning.event_validation import UPSERT
from history.planning.merge_plan import MergePlan
from history.spark.column_quoting_and_comparison import (
    content_digest,
    count_of,
    is_hashed_whole,
    named,
)


def can_be_compared(planned: MergePlan, versions: T.StructType) -> bool:
    """Whether all that identifies and opens a version is hashed: some types are not."""
    return is_hashed_whole(_compared(planned.settings, planned.columns), versions)


def broken_rules_of_single_versions(versions: DataFrame, planned: MergePlan) -> dict[str, int]:
    """By rule, how many versions break it.

    Args:
        versions: All versions, with the columns of the table.
        planned: Has the events as its rows (`history.planning.first_load.events_as_planned`).

    Returns:
        `upserts_stand` (versions and events are not the same rows, or a version starts after its
        event), `one_current` (versions beyond a key's first), `flag_agrees` (a version is not
        flagged as open), `only_deletes_leave_gaps` (it has an end).
    """
    settings, keys = planned.settings, [named(name) for name in planned.settings.key]
    names = _compared(settings, planned.columns)
    events = with_types_of(versions.schema, planned.rows.where(F.col("__op") == UPSERT), names)
    read = events.agg(F.count(F.lit(1)).alias("rows"), *_sums(names, events)).collect()[0]
    start, end = named(settings.valid_from), named(settings.valid_to)
    # It starts at its event, or at its stamp or first date, which lie before.
    late = start.isNull() | (start > named(settings.sequence))
    flag = named(settings.is_current)
    found = versions.agg(
        F.count(F.lit(1)).alias("rows"),
        *_sums(names, versions),
        count_of(late).alias("late"),
        count_of(flag.isNull() | ~flag).alias("not_flagged"),
        count_of(~is_open(end, settings)).alias("ended"),
    ).collect()[0]
    differing = abs(int(found.rows) - int(read.rows))
    if not differing:
        differing = int((found.low, found.high) != (read.low, read.high))
    again = versions.groupBy(*keys).agg(F.count(F.lit(1)).alias("rows")).where("rows > 1")
    repeated = again.agg(F.coalesce(F.sum(F.col("rows") - 1), F.lit(0))).collect()[0][0]
    return {
        "upserts_stand": differing + int(found.late),
        "one_current": int(repeated),
        "flag_agrees": int(found.not_flagged),
        "only_deletes_leave_gaps": int(found.ended),
    }


def _compared(settings: HistorySettings, columns: tuple[str, ...]) -> tuple[str, ...]:
    return (*settings.key, settings.sequence, *settings.compared(columns))


def _sums(names: tuple[str, ...], rows: DataFrame) -> list[Column]:
    return sums_of_halves(content_digest(names, rows.schema)["digest"])
