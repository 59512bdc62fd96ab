"""The rules a history must keep, checked on a branch before readers can see it.

The audit covers the versions of the keys that a batch touched: appended ones are read back from the
branch's files, unchanged ones are taken from the plan, and removed ones are counted in the table's
metadata. Versions are compared by hashes of their values: two that differ are taken for equal once
in 2^64 comparisons.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import AuditError
from history.audit.reconcile_control_totals import reconcile
from history.audit.single_versions import broken_rules_of_single_versions, can_be_compared
from history.audit.version_columns import is_open, sums_of_halves, with_types_of
from history.model.added_and_dropped_columns import EvolvedColumn
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.planning.event_validation import DELETE, UPSERT
from history.planning.merge_plan import MergePlan
from history.planning.scd2_versions import current_values
from history.spark.column_quoting_and_comparison import (
    comparable,
    content_digest,
    count_of,
    named,
    per,
)
from history.spark.few_rows import in_one_partition_if_few
from history.writing.surrogate_keys import NewNumbers
from history.writing.write_result import AuditEvidence

_VERSION, _EVENT = 0, 1

_FEW = 100_000
"""So many surrogate keys are compared in one task."""


def audit_branch(spark: SparkSession, batch: Batch, evidence: AuditEvidence) -> None:
    """Check the branch of a batch by `broken_rules`, and by the table's own counts.

    Raises:
        AuditError: A rule is broken; the message names the rules and how many rows break them.
    """
    planned, changes = evidence.planned, evidence.changes
    broken = {
        "rows_appended": abs(changes.appended - planned.appended),
        "rows_removed": abs(changes.removed - planned.removed),
    }
    appended = (
        spark.read.option("start-snapshot-id", str(changes.appended_after))
        .option("end-snapshot-id", str(changes.head))
        .table(batch.table)
    )
    versions = appended
    if planned.counts["untouched"]:
        versions = appended.unionByName(_unchanged_versions(planned, planned.settings))
    single = evidence.one_version_a_key and can_be_compared(planned, versions.schema)
    few = planned.audited <= _FEW and not single
    if single:
        broken |= broken_rules_of_single_versions(versions, planned)
    else:
        counts = broken_rules(
            versions,
            planned.settings,
            planned.columns,
            planned=planned.rows,
            is_newest=evidence.is_newest_read,
            numbers=few,
            rows=planned.audited + planned.counts["events"],
        )
        broken |= counts.collect()[0].asDict()
    if not few and planned.settings.surrogate_key is not None:
        broken["surrogate_unique"] = repeated_numbers(
            versions, planned.settings, new=evidence.numbers
        )
    if batch.opened is not None and evidence.is_newest_read:
        head = spark.read.option("versionAsOf", str(changes.head)).table(batch.table)
        broken |= reconcile(head, batch.opened, planned.settings)
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
    numbers: bool = True,
    rows: int | None = None,
) -> DataFrame:
    """One row with how many rows break each rule.

    Args:
        versions: Versions with all columns of the table; all of a key's, or consecutive ones.
        settings: How the table is kept.
        columns: The event columns.
        planned: The plan that led to them (`plan_versions`), for the rules about events.
        is_newest: The batch is the latest read of the source: each accepted row must equal the open
            version of its key.
        numbers: Whether surrogate keys are compared here too, in one task; see `repeated_numbers`.
        rows: How many versions and new events there are about, if that is known.

    Returns:
        `one_current` (an open version beyond a key's first), `ends_after_start`, `overlap`,
        `flag_agrees` (the flag says open exactly when the end is open), `neighbours_differ`
        (adjacent versions have equal content) and, with `numbers`, `surrogate_unique`. With a plan
        also `only_deletes_leave_gaps`, `upserts_stand` (each new upsert lies within a version that
        shows it) and `deletes_end` (no new delete lies within a version); of the latest read of
        a source also `read_is_open` (each row that was read is shown by an open version).
    """
    timeline = _versions(versions, settings, columns)
    if planned is not None:
        compared = settings.plain(settings.compared(columns))
        events = with_types_of(versions.schema, planned, compared)
        timeline = timeline.unionByName(_events(events, settings, columns, is_newest=is_newest))
    if rows is not None:
        timeline = in_one_partition_if_few(timeline, rows)
    is_version = F.col("__kind") == _VERSION
    values, start, end = F.col("__content"), F.col("__effective_from"), F.col("__effective_to")
    version = F.when(is_version, F.struct("__content", "__known_values", "__effective_to"))
    opens = is_version & F.col("__current")
    # All rules share one window order: each further one would sort all rows again.
    ordered = per(*_keys(settings)).orderBy("__effective_from", "__kind", "__effective_to")
    earlier = ordered.rowsBetween(Window.unboundedPreceding, -1)
    up_to_now = ordered.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    ordered_rows = timeline.withColumns(
        {
            "__opens_version": F.sum(opens.cast("int")).over(up_to_now),
            "__was": F.last(version, ignorenulls=True).over(earlier),
            "__in": F.last(version, ignorenulls=True).over(up_to_now),
        }
    )
    previous, containing = F.col("__was"), F.col("__in")
    previous_end = previous["__effective_to"]
    covered = containing.isNotNull() & (
        is_open(containing["__effective_to"], settings) | (containing["__effective_to"] > start)
    )
    deletes = F.col("__op") == DELETE
    closed = is_version & ~is_open(end, settings)
    follows = is_version & previous.isNotNull()
    adjoins = follows & ~is_open(previous_end, settings) & previous_end.eqNullSafe(start)
    rules = {
        "one_current": opens & (F.col("__opens_version") > 1),
        "ends_after_start": is_version & end.isNotNull() & (start >= end),
        "overlap": follows & (previous_end.isNull() | (previous_end > start)),
        "flag_agrees": is_version
        & (F.col("__current").isNull() | (F.col("__current") != is_open(end, settings))),
        "neighbours_differ": follows
        & previous_end.eqNullSafe(start)
        & values.eqNullSafe(previous["__content"])
        & F.col("__known_values").eqNullSafe(previous["__known_values"]),
    }
    sums = [count_of(rule).alias(name) for name, rule in rules.items()]
    if numbers and settings.surrogate_key is not None:
        # A count of distinct values beside other aggregates would shuffle all rows by them.
        different = F.size(F.collect_set(F.when(is_version, F.col("__surrogate"))))
        sums.append((count_of(is_version) - different).alias("surrogate_unique"))
    if planned is not None:
        # A closed version is followed by a gap, unless the next one begins where it ends.
        gaps = count_of(closed) - count_of(adjoins)
        ended = ~is_version & deletes & containing["__effective_to"].eqNullSafe(start)
        new = ~is_version & F.col("__fresh")
        is_shown = covered & containing["__content"].eqNullSafe(values)
        is_shown = is_shown & _evolved_values_agree(containing["__known_values"], settings, columns)
        sums += [
            F.greatest(gaps - count_of(ended), F.lit(0)).alias("only_deletes_leave_gaps"),
            count_of(new & (F.col("__op") == UPSERT) & ~is_shown).alias("upserts_stand"),
            count_of(new & deletes & covered).alias("deletes_end"),
        ]
    if is_newest:
        observed = ~is_version & F.col("__fresh") & (F.col("__op") == UPSERT)
        in_open_version = F.coalesce(is_open(containing["__effective_to"], settings), F.lit(False))
        sums.append(count_of(observed & ~in_open_version).alias("read_is_open"))
    return ordered_rows.agg(*sums)


def repeated_numbers(versions: DataFrame, settings: HistorySettings, *, new: NewNumbers) -> int:
    """How many versions have the surrogate key of another one, or one that is none of theirs.

    Args:
        versions: As in `broken_rules`.
        settings: How the table is kept, with a surrogate key.
        new: The numbers that the batch gave to its new versions. They are not compared with each
            other, which would sort them all: their count, and the sum of their hashes, have to be
            those of unbroken runs, one for each strand, as long as the strand has numbers.
    """
    number = named(settings.surrogate_key or "")
    is_new = F.coalesce(number >= new.first, F.lit(False)) if new.count else F.lit(False)
    strand = F.when(is_new, F.pmod(number - new.first, F.lit(new.strands))).alias("strand")
    found = versions.groupBy(strand).agg(
        F.count(F.lit(1)).alias("rows"), *sums_of_halves(F.xxhash64(number))
    )
    told = {row.strand: row for row in found.collect()}
    others = told.pop(None, None)
    wrong = abs(sum(int(row.rows) for row in told.values()) - new.count)
    if told and not wrong:
        lengths = [told[each].rows if each in told else 0 for each in range(new.strands)]
        sums = tuple(sum(row[name] for row in told.values()) for name in ("low", "high"))
        wrong = int(_sums_of_strands(versions.sparkSession, new, lengths) != sums)
    if others is not None:
        different = versions.where(~is_new).agg(F.count_distinct(number)).collect()[0][0]
        wrong += int(others.rows) - int(different)
    return wrong


def _sums_of_strands(
    spark: SparkSession, new: NewNumbers, lengths: list[int]
) -> tuple[int | None, ...]:
    """The sums of the hashes of strands that are unbroken and so long."""
    place = F.floor((F.col("id") - new.first) / F.lit(new.strands))
    strand = ((F.col("id") - new.first) % F.lit(new.strands)).cast("int")
    numbers = spark.range(new.first, new.first + max(lengths) * new.strands)
    if new.strands > 1:
        numbers = numbers.where(place < F.get(F.lit(lengths), strand))
    return tuple(numbers.agg(*sums_of_halves(F.xxhash64("id"))).collect()[0])


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
        *_compared_values(settings, columns, versions.schema),
        surrogate.cast("bigint").alias("__surrogate"),
        F.lit(None).cast("string").alias("__op"),
        F.lit(False).alias("__fresh"),
    )


def _events(
    planned: DataFrame, settings: HistorySettings, columns: tuple[str, ...], *, is_newest: bool
) -> DataFrame:
    """The new upserts and all deletes of a plan, in the columns of `_versions`.

    The rows of the latest read hold at the read, whatever their stamps. A change that was observed
    after an earlier read can be dated before that read, so of such a read only events that open or
    end a version can be checked.
    """
    op, is_new, schema = F.col("__op"), F.col("__new") > 0, planned.schema
    sequence, sequence_type = named(settings.sequence), schema[settings.sequence].dataType
    upserts, at = is_new & (op == UPSERT), F.col("__effective_from")
    if settings.stamp is not None:
        upserts = upserts & (F.lit(is_newest) | F.col("__boundary"))
        at = F.when(F.lit(is_newest) & (op == UPSERT), sequence).otherwise(at)
    deletes = op == DELETE
    if settings.stamp is not None:
        # The absence of a key from a read does not contradict an older stamp of the key.
        deletes = deletes & ~F.col("__deletes_nothing")
    return planned.where(deletes | upserts).select(
        *_named_keys(settings),
        F.lit(_EVENT).alias("__kind"),
        at.alias("__effective_from"),
        F.lit(None).cast(sequence_type).alias("__effective_to"),
        F.lit(None).cast("boolean").alias("__current"),
        *_compared_values(settings, columns, schema),
        F.lit(None).cast("bigint").alias("__surrogate"),
        op.alias("__op"),
        is_new.alias("__fresh"),
    )


def _compared_values(
    settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType
) -> list[Column]:
    """The compared values: of columns that every event has, and of evolved ones (l0, u0, ...)."""
    evolved = [F.lit(0).alias("none")]
    for position, each in enumerate(_evolved_columns(settings, columns)):
        value = comparable(named(each.column), schema[each.column].dataType)
        evolved += [
            value.alias(f"l{position}"),
            each.unknown(named(settings.sequence)).alias(f"u{position}"),
        ]
    common = content_digest(settings.plain(settings.compared(columns)), schema)
    return [common.alias("__content"), F.struct(*evolved).alias("__known_values")]


def _evolved_columns(settings: HistorySettings, columns: tuple[str, ...]) -> list[EvolvedColumn]:
    compared = settings.compared(columns)
    return [each for each in settings.partly_known(columns) if each.column in compared]


def _evolved_values_agree(
    version_values: Column, settings: HistorySettings, columns: tuple[str, ...]
) -> Column:
    """Whether a version has the event's value in each evolved column that the event knows."""
    event_values, agrees = F.col("__known_values"), F.lit(True)
    for position, _ in enumerate(_evolved_columns(settings, columns)):
        agrees = agrees & (
            event_values[f"u{position}"]
            | event_values[f"l{position}"].eqNullSafe(version_values[f"l{position}"])
        )
    return agrees


def _unchanged_versions(planned: MergePlan, settings: HistorySettings) -> DataFrame:
    """The stored versions in the plan that it does not change, as the table's rows."""
    version, latest = F.col("__version"), current_values(settings, planned.columns)
    interval = {
        settings.valid_from: version["valid_from"],
        settings.valid_to: version["valid_to"],
        settings.is_current: version["is_current"],
    }
    others = {name: version["other"][f"r{at}"] for at, name in enumerate(planned.extra)}
    untouched = planned.rows.where(version.isNotNull() & F.col("__version_action").isNull())
    return untouched.select(
        *[latest.get(name, named(name)).alias(name) for name in planned.columns],
        *[each.alias(name) for name, each in (interval | others).items()],
    )
