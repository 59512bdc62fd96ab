"""What a plan of whole keys has to mend beyond dates: rows that lie there twice, or say otherwise.

A plan compares the dates and the type-1 values of a version, since loads change nothing else. What
something else than a load has done to the table is found here, by pure functions.
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
    """Versions (`plan.stored`) that know how often their instant is stored, and what they say.

    Returns:
        The rows; `__version` is the same for all of one instant (of the least surrogate key) and
        has two more fields: `copies`, how many rows are stored there, and `shown`, their columns
        but those that may show a later event's values.
    """
    instant = whole(per(*settings.key, settings.sequence))
    main = F.col("__version").withField("shown", _shown(versions.schema, settings, columns))
    first = F.min(F.struct(main["other"].alias("other"), main.alias("main"))).over(instant)
    copies = F.count(F.lit(1)).over(instant)
    return versions.withColumn("__version", first["main"].withField("copies", copies))


def with_repairs(plan: DataFrame, settings: HistorySettings, columns: tuple[str, ...]) -> DataFrame:
    """The plan of whole keys, with an update for versions that are there twice or say otherwise.

    Each event counts as new, so that the audit asks for each whether the history states it.

    Args:
        plan: `timeline.planned` of versions of `known_once`.
        settings: How the history is kept.
        columns: The event columns.
    """
    main = F.col("__version")
    said = _shown(plan.schema, settings, columns)
    wrong = main.isNotNull() & ((main["copies"] > 1) | ~main["shown"].eqNullSafe(said))
    action = F.when(F.col("__version_action").isNull() & wrong, F.lit("update"))
    return plan.withColumns(
        {"__version_action": F.coalesce(F.col("__version_action"), action), "__new": F.lit(1)}
    )


def rebuild_counts(settings: HistorySettings) -> Mapping[str, Column]:
    """What is counted of a plan of whole keys: as of any, and what was wrong."""
    main, touched = (
        F.col("__version"),
        F.col("__version_action").isin("update", "remove", "replace"),
    )
    surplus = F.sum(F.when(touched, main["copies"] - 1))
    return {
        **plan_counts(settings),
        # No flag is trusted: what is replaced is found by its instant, open or not.
        "touched_closed": count_of(touched),
        "surplus": F.coalesce(surplus, F.lit(0)),
        "condemned": count_of((F.col("__op") == CONTESTED) & main.isNotNull()),
        "versions": F.coalesce(F.sum(main["copies"]), F.lit(0)),
        "instants": F.count(F.lit(1)),
    }


def _shown(schema: T.StructType, settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    later = set(settings.shown(columns))
    return content([name for name in columns if name not in later], schema)
