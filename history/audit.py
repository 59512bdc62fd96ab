"""The rules a history must keep, checked on a branch before anybody can read it.

Only the versions of the keys a batch touched are looked at, in one pass.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.errors import AuditError
from history.columns import content, named, per, same, whole
from history.settings import HistorySettings


def broken_rules(versions: DataFrame, settings: HistorySettings) -> DataFrame:
    """One row with how many versions break each rule.

    Rules: `one_current` (a key has more than one open version), `ends_after_start`, `overlap`,
    `flag_agrees` (the flag says open exactly when the end is open), `neighbours_differ` (adjacent
    versions state the same), `surrogate_unique`.
    """
    columns = tuple(versions.columns)
    start, end = named(settings.valid_from), named(settings.valid_to)
    current = named(settings.is_current)
    bare = settings.event_columns([name for name in columns if name not in settings.filled])
    line = per(*settings.key).orderBy(start, end)
    everything = whole(per(*settings.key))
    told = versions.withColumns(
        {
            "__said": content(settings.compared(bare), versions.schema),
            "__opens": F.sum(current.cast("int")).over(everything),
        }
    ).withColumns({"__end": F.lag(end).over(line), "__was": F.lag("__said").over(line)})
    adjacent = F.col("__end").eqNullSafe(start)
    rules = {
        "one_current": current & (F.col("__opens") > 1),
        "ends_after_start": end.isNotNull() & (start >= end),
        "overlap": F.col("__was").isNotNull()
        & (F.col("__end").isNull() | (F.col("__end") > start)),
        "flag_agrees": current.isNull() | (current != _is_open(end, settings)),
        "neighbours_differ": adjacent & F.col("__said").eqNullSafe(F.col("__was")),
    }
    sums = [F.count(F.when(rule, 1)).alias(name) for name, rule in rules.items()]
    if settings.surrogate_key is not None:
        surrogate = named(settings.surrogate_key)
        sums.append((F.count("*") - F.count_distinct(surrogate)).alias("surrogate_unique"))
    return told.agg(*sums)


def audit(
    versions: DataFrame, touched: DataFrame, settings: HistorySettings, *, where: str
) -> None:
    """Check the versions of the touched keys.

    Raises:
        AuditError: A rule is broken; the message names the rules and how many rows break them.
    """
    concerned = versions.alias("v").join(
        touched.alias("k"), same("v", "k", settings.key), "left_semi"
    )
    counts = broken_rules(concerned, settings).collect()[0].asDict()
    broken = {rule: count for rule, count in counts.items() if count}
    if broken:
        raise AuditError(
            where=where,
            expected="no version that breaks a rule of the history",
            found=", ".join(f"{count} x {rule}" for rule, count in broken.items()),
            next_step="Nothing was published. Please report this with the contract concerned.",
        )


def _is_open(end: Column, settings: HistorySettings) -> Column:
    if settings.open_end is None:
        return end.isNull()
    return end == F.lit(settings.open_end)
