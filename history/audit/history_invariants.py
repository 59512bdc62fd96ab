"""The rules a history must keep, checked on a branch before anybody can read it.

Looked at are the versions of the keys a batch touched: what the branch appended is read back from
its files, what it left alone is as it was planned with, and what it removed is counted by the
table itself.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import AuditError
from history.audit.source_reconciliation import differences_from_source
from history.model.added_and_dropped_columns import EvolvedColumn
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.planning.event_validation import DELETE, UPSERT
from history.planning.merge_plan import MergePlan
from history.planning.scd2_versions import current_values
from history.spark.column_quoting_and_comparison import comparable, content, count_of, named, per
from history.writing.write_result import AuditEvidence

_VERSION, _EVENT = 0, 1


def audit_branch(spark: SparkSession, batch: Batch, evidence: AuditEvidence) -> None:
    """Check the branch of a batch by `broken_rules`, and by the table's own counts.

    Raises:
        AuditError: A rule is broken; the message names the rules and how many rows break them.
    """
    planned, growth = evidence.planned, evidence.growth
    broken = {
        "rows_appended": abs(growth.appended - planned.appended),
        "rows_removed": abs(growth.removed - planned.removed),
    }
    appended = (
        spark.read.option("start-snapshot-id", str(growth.appended_after))
        .option("end-snapshot-id", str(growth.head))
        .table(batch.table)
    )
    versions = appended.unionByName(_left_alone(planned, planned.settings))
    counts = broken_rules(
        versions,
        planned.settings,
        planned.columns,
        planned=planned.rows,
        is_newest=evidence.is_newest_read,
    )
    broken |= counts.collect()[0].asDict()
    if batch.opened is not None and evidence.is_newest_read:
        head = spark.read.option("versionAsOf", str(growth.head)).table(batch.table)
        broken |= differences_from_source(head, batch.opened, planned.settings)
    broken = {rule: count for rule, count in broken.items() if count}
    if broken:
        raise AuditError(
            where=batch.table,
            expected="no version that breaks a rule of the history",
            found=", ".join(f"{count} x {rule}" for rule, count in broken.items()),
            next_step="Nothing was published. Please report this with the contract concerned.",
        )


def broken_rules(
    versions: DataFrame,
    settings: HistorySettings,
    columns: tuple[str, ...],
    *,
    planned: DataFrame | None = None,
    is_newest: bool = False,
) -> DataFrame:
    """One row with how many rows break each rule.

    Args:
        versions: Versions with all columns of the table; all of a key's, or a stretch of them.
        settings: How the table is kept.
        columns: The event columns.
        planned: The plan that led to them (`timeline.planned`), for the rules about events.
        is_newest: They are what the latest read of the source found: each row that was accepted is
            what the open version of its key says.

    Returns:
        `one_current` (an open version beyond a key's first), `ends_after_start`, `overlap`,
        `flag_agrees` (the flag says open exactly when the end is open), `neighbours_differ`
        (adjacent versions state the same) and `surrogate_unique`. With a plan also
        `only_deletes_leave_gaps`, `upserts_stand` (each new upsert lies within a version that
        states it) and `deletes_end` (no new delete lies within a version); of the latest read of
        a source also `read_is_open` (a row that was read is stated by an open version).
    """
    line = _versions(versions, settings, columns)
    if planned is not None:
        line = line.unionByName(_events(planned, settings, columns, is_newest=is_newest))
    is_version = F.col("__kind") == _VERSION
    said, start, end = F.col("__content"), F.col("__effective_from"), F.col("__effective_to")
    version = F.when(is_version, F.struct("__content", "__known_values", "__effective_to"))
    opens = is_version & F.col("__current")
    # One order answers everything: each further one would sort all rows again.
    along = per(*_keys(settings)).orderBy("__effective_from", "__kind", "__effective_to")
    earlier = along.rowsBetween(Window.unboundedPreceding, -1)
    so_far = along.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    told = line.withColumns(
        {
            "__opens_version": F.sum(opens.cast("int")).over(so_far),
            "__was": F.last(version, ignorenulls=True).over(earlier),
            "__in": F.last(version, ignorenulls=True).over(so_far),
        }
    )
    before, within = F.col("__was"), F.col("__in")
    was_end = before["__effective_to"]
    covered = within.isNotNull() & (
        _is_open(within["__effective_to"], settings) | (within["__effective_to"] > start)
    )
    deletes = F.col("__op") == DELETE
    closed = is_version & ~_is_open(end, settings)
    follows = is_version & before.isNotNull()
    adjoins = follows & ~_is_open(was_end, settings) & was_end.eqNullSafe(start)
    rules = {
        "one_current": opens & (F.col("__opens_version") > 1),
        "ends_after_start": is_version & end.isNotNull() & (start >= end),
        "overlap": follows & (was_end.isNull() | (was_end > start)),
        "flag_agrees": is_version
        & (F.col("__current").isNull() | (F.col("__current") != _is_open(end, settings))),
        "neighbours_differ": follows
        & was_end.eqNullSafe(start)
        & said.eqNullSafe(before["__content"])
        & F.col("__known_values").eqNullSafe(before["__known_values"]),
    }
    sums = [count_of(rule).alias(name) for name, rule in rules.items()]
    if settings.surrogate_key is not None:
        number = F.when(is_version, F.col("__surrogate"))
        sums.append((count_of(is_version) - F.count_distinct(number)).alias("surrogate_unique"))
    if planned is not None:
        # A closed version has a gap behind it, unless the next one begins where it ends.
        gaps = count_of(closed) - count_of(adjoins)
        ended = ~is_version & deletes & within["__effective_to"].eqNullSafe(start)
        fresh = ~is_version & F.col("__fresh")
        states = covered & within["__content"].eqNullSafe(said)
        states = states & _agrees(within["__known_values"], settings, columns)
        sums += [
            F.greatest(gaps - count_of(ended), F.lit(0)).alias("only_deletes_leave_gaps"),
            count_of(fresh & (F.col("__op") == UPSERT) & ~states).alias("upserts_stand"),
            count_of(fresh & deletes & covered).alias("deletes_end"),
        ]
    if is_newest:
        read = ~is_version & F.col("__fresh") & (F.col("__op") == UPSERT)
        stands = F.coalesce(_is_open(within["__effective_to"], settings), F.lit(False))
        sums.append(count_of(read & ~stands).alias("read_is_open"))
    return told.agg(*sums)


def _keys(settings: HistorySettings) -> list[str]:
    return [f"__key{position}" for position in range(len(settings.key))]


def _named_keys(settings: HistorySettings) -> list[Column]:
    return [
        named(column).alias(name)
        for column, name in zip(settings.key, _keys(settings), strict=True)
    ]


def _versions(
    versions: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    surrogate = F.lit(None) if settings.surrogate_key is None else named(settings.surrogate_key)
    return versions.select(
        *_named_keys(settings),
        F.lit(_VERSION).alias("__kind"),
        named(settings.valid_from).alias("__effective_from"),
        named(settings.valid_to).alias("__effective_to"),
        named(settings.is_current).alias("__current"),
        *_said(settings, columns, versions.schema),
        surrogate.cast("bigint").alias("__surrogate"),
        F.lit(None).cast("string").alias("__op"),
        F.lit(False).alias("__fresh"),
    )


def _events(
    planned: DataFrame, settings: HistorySettings, columns: tuple[str, ...], *, is_newest: bool
) -> DataFrame:
    """The new upserts and all deletes of a plan, in the columns of `_versions`.

    What the latest read found holds at the read, whatever its stamps say. Of an earlier read it
    may be that a change which was seen later is dated before it, so that only what opened or ended
    a version can be asked for.
    """
    op, fresh, schema = F.col("__op"), F.col("__new") > 0, planned.schema
    sequence, kind = named(settings.sequence), schema[settings.sequence].dataType
    upserts, at = fresh & (op == UPSERT), F.col("__effective_from")
    if settings.stamp is not None:
        upserts = upserts & (F.lit(is_newest) | F.col("__boundary"))
        at = F.when(F.lit(is_newest) & (op == UPSERT), sequence).otherwise(at)
    deletes = op == DELETE
    if settings.stamp is not None:
        # That a key was not there when it was read is no reason against an older stamp of it.
        deletes = deletes & ~F.col("__deletes_nothing")
    return planned.where(deletes | upserts).select(
        *_named_keys(settings),
        F.lit(_EVENT).alias("__kind"),
        at.alias("__effective_from"),
        F.lit(None).cast(kind).alias("__effective_to"),
        F.lit(None).cast("boolean").alias("__current"),
        *_said(settings, columns, schema),
        F.lit(None).cast("bigint").alias("__surrogate"),
        op.alias("__op"),
        fresh.alias("__fresh"),
    )


def _said(
    settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType
) -> list[Column]:
    """What is compared: what every event knows, and what not every one does (l0, u0, ...)."""
    told = [F.lit(0).alias("none")]
    for at, each in enumerate(_learned(settings, columns)):
        value = comparable(named(each.column), schema[each.column].dataType)
        told += [value.alias(f"l{at}"), each.unknown(named(settings.sequence)).alias(f"u{at}")]
    plain = content(settings.plain(settings.compared(columns)), schema)
    return [plain.alias("__content"), F.struct(*told).alias("__known_values")]


def _learned(settings: HistorySettings, columns: tuple[str, ...]) -> list[EvolvedColumn]:
    compared = settings.compared(columns)
    return [each for each in settings.partly_known(columns) if each.column in compared]


def _agrees(told: Column, settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    """A version says of each learned column what the event says, if the event knows it."""
    own, agrees = F.col("__known_values"), F.lit(True)
    for at, _ in enumerate(_learned(settings, columns)):
        agrees = agrees & (own[f"u{at}"] | own[f"l{at}"].eqNullSafe(told[f"l{at}"]))
    return agrees


def _left_alone(planned: MergePlan, settings: HistorySettings) -> DataFrame:
    """The versions that the plan was made with and that it does not touch, as the table's rows."""
    main, latest = F.col("__version"), current_values(settings, planned.columns)
    dates = {
        settings.valid_from: main["valid_from"],
        settings.valid_to: main["valid_to"],
        settings.is_current: main["is_current"],
    }
    others = {name: main["other"][f"r{at}"] for at, name in enumerate(planned.extra)}
    untouched = planned.rows.where(main.isNotNull() & F.col("__version_action").isNull())
    return untouched.select(
        *[latest.get(name, named(name)).alias(name) for name in planned.columns],
        *[each.alias(name) for name, each in (dates | others).items()],
    )


def _is_open(end: Column, settings: HistorySettings) -> Column:
    if settings.open_end is None:
        return end.isNull()
    return end.eqNullSafe(F.lit(settings.open_end))
