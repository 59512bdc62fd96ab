"""Repairs in a plan of whole keys beyond intervals: duplicate rows and rows with other values.

A plan compares the interval and the type-1 values of a version, since loads change nothing else.
These pure functions detect other changes of the table, which no load has made.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.history_settings import HistorySettings
from history.planning.event_validation import CONTESTED
from history.planning.merge_plan import plan_counts
from history.spark.column_quoting_and_comparison import content, count_of, per, whole


def one_row_per_version(
    versions: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """Stored versions (`stored_versions`) with their content and the number of rows per instant.

    Returns:
        The rows; `__version` is the same for all rows of one instant (that of the least surrogate
        key) and has two more fields: `copies`, how many rows the instant has, and `shown`, their
        columns without those that may show a later event's values.
    """
    instant = whole(per(*settings.key, settings.sequence))
    version = F.col("__version").withField("shown", _shown(versions.schema, settings, columns))
    first = F.min(F.struct(version["other"].alias("other"), version.alias("main"))).over(instant)
    copies = F.count(F.lit(1)).over(instant)
    return versions.withColumn("__version", first["main"].withField("copies", copies))


def with_repairs(plan: DataFrame, settings: HistorySettings, columns: tuple[str, ...]) -> DataFrame:
    """The plan of whole keys, with an update for duplicate versions and those with other values.

    Each event counts as new, so that the audit checks for each that the history shows it.

    Args:
        plan: The result of `plan_timeline` for versions of `one_row_per_version`.
        settings: How the history is kept.
        columns: The event columns.
    """
    version = F.col("__version")
    shown = _shown(plan.schema, settings, columns)
    wrong = version.isNotNull() & ((version["copies"] > 1) | ~version["shown"].eqNullSafe(shown))
    action = F.when(F.col("__version_action").isNull() & wrong, F.lit("update"))
    return plan.withColumns(
        {"__version_action": F.coalesce(F.col("__version_action"), action), "__new": F.lit(1)}
    )


def rebuild_counts(settings: HistorySettings) -> Mapping[str, Column]:
    """The counts of a plan of whole keys: those of any plan, and those of broken rows."""
    version, touched = (
        F.col("__version"),
        F.col("__version_action").isin("update", "remove", "replace"),
    )
    surplus = F.sum(F.when(touched, version["copies"] - 1))
    return {
        **plan_counts(settings),
        # The flags may be wrong: replaced rows are matched by their instant, open or not.
        "touched_closed": count_of(touched),
        "surplus": F.coalesce(surplus, F.lit(0)),
        "condemned": count_of((F.col("__op") == CONTESTED) & version.isNotNull()),
        "versions": F.coalesce(F.sum(version["copies"]), F.lit(0)),
        "instants": F.count(F.lit(1)),
    }


def _shown(schema: T.StructType, settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    later = set(settings.shown(columns))
    return content([name for name in columns if name not in later], schema)
