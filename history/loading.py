"""Loading a batch of change events into a history table: plan, write aside, audit, publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.errors import CommitConflictError
from history import branches
from history.audit import audit
from history.columns import named
from history.events import DELETE, REASONS, REASONS_TYPE, gated, reason
from history.plan import gathered, instants
from history.refusal import quarantine as keep_refused
from history.refusal import refused_rows
from history.report import LoadReport
from history.settings import HistorySettings
from history.table import Published, ensure_table
from history.timeline import conflicting
from history.writing import Numbered, write_kept, write_versions

Announce = Callable[[str], None]


def load_changes(  # noqa: PLR0913 - one batch, said in full by keyword
    spark: SparkSession,
    changes: DataFrame,
    table: str,
    settings: HistorySettings,
    *,
    batch_id: str,
    batch_time: datetime,
    quarantine: str | None = None,
    source: str = "",
    properties: Mapping[str, str] | None = None,
    attempts: int = 5,
    announce: Announce | None = None,
) -> LoadReport:
    """Load change events into the history `table`, exactly once, in one atomic change.

    The table is created if need be: the surrogate key, the columns of the events but the
    operation, the interval, the flag and the time stamps. The result is the same in whatever
    order, batches and repetitions the events arrive.

    Args:
        spark: A session with the Iceberg extensions; loads side by side need one each.
        changes: The events, one row each. Read more than once, so it has to be deterministic: a
            table or file, not a live query.
        table: `catalog.namespace.name`.
        settings: Which columns identify, order, compare and date the versions.
        batch_id: Names this batch. A batch that was published before changes nothing.
        batch_time: When the batch was taken, for the time stamps; timezone-aware.
        quarantine: The table that refused rows are appended to; default `<table>__quarantine`.
        source: The name of the source, for the quarantine.
        properties: Further entries for the snapshot summary (a watermark, a digest).
        attempts: How often to plan anew when other writers publish first.
        announce: Called with 'planned', 'written', 'audited', 'published' as the load proceeds.

    Returns:
        What was opened, closed, found unchanged, late, deleted, repeated and refused.

    Raises:
        SettingsError: The settings do not fit the columns.
        SchemaDriftError: The table's columns are not those of the events.
        AuditError: The result broke a rule; nothing was published.
        CommitConflictError: Other writers came first `attempts` times.
    """
    columns = settings.event_columns(changes.columns)
    settings.check(changes.columns, table)
    judged = gated(changes, settings)
    events = judged.where(F.size(REASONS) == 0).drop(REASONS)
    schema = events.select(*[named(name) for name in columns]).schema
    say = announce or (lambda _step: None)
    load = _Load(spark, table, settings, columns, batch_id, batch_time, dict(properties or {}), say)
    state = ensure_table(spark, table, schema, settings)
    if batch_id in state.batches:
        return LoadReport(
            batch_id, state.snapshot_id, published=False, surrogate_high_water=state.high_water
        )
    refusal = _Refusal(spark, judged, quarantine or f"{table}__quarantine", source)
    for attempt in range(1, attempts + 1):
        try:
            report = load.attempt(events, state, refusal)
        except CommitConflictError:
            if attempt == attempts:
                raise
            state = ensure_table(spark, table, schema, settings)
            continue
        finally:
            load.release()
        return replace(report, attempts=attempt)
    message = "the last attempt returns or raises"
    raise AssertionError(message)


class _Load:
    """One batch on its way into one table."""

    def __init__(
        self,
        spark: SparkSession,
        table: str,
        settings: HistorySettings,
        columns: tuple[str, ...],
        batch_id: str,
        batch_time: datetime,
        properties: dict[str, str],
        say: Announce,
    ) -> None:
        self.spark, self.table, self.settings, self.columns = spark, table, settings, columns
        self.batch_id, self.batch_time, self.properties = batch_id, batch_time, properties
        self.say = say
        self.branch = branches.branch_name(batch_id)
        self._persisted: list[DataFrame] = []

    def attempt(self, events: DataFrame, state: Published, refusal: _Refusal) -> LoadReport:
        """Plan against a state, keep what is refused, write, audit and publish."""
        ranked = self._hold(
            gathered(self.spark, events, self.table, self.settings, state, self.columns)
        )
        plan = self._hold(instants(ranked, self.settings, self.columns))
        report = self._counted(events, plan, state)
        self.say("planned")
        # Before publishing: once it is published, the batch is known and nothing of it runs again.
        report = replace(report, refused=refusal.keep(self, conflicting(ranked)))
        if not report.published:
            return report
        numbered = Numbered.of(plan, self.settings, state.high_water, report.opened)
        try:
            kept = write_kept(self, plan, state)
            write_versions(self, numbered, state, kept)
            self.say("written")
            written = self.spark.table(branches.branch_of(self.table, self.branch))
            touched = plan.select(*[named(name) for name in self.settings.key]).distinct()
            audit(written, touched, self.settings, where=self.table)
            self.say("audited")
            branches.publish(self.spark, self.table, self.branch)
        except CommitConflictError:
            self.clean()
            raise
        snapshot = branches.head(self.spark, self.table, "main")
        self.clean()
        self.say("published")
        return replace(report, snapshot_id=snapshot, surrogate_high_water=numbered.high_water)

    def clean(self) -> None:
        """Drop the branches of this load that nothing published needs."""
        branches.drop(self.spark, self.table, self.branch)

    def release(self) -> None:
        """Give back the memory of the plan."""
        for frame in self._persisted:
            frame.unpersist()
        self._persisted.clear()

    def _hold(self, frame: DataFrame) -> DataFrame:
        held = frame.persist(StorageLevel.MEMORY_AND_DISK)
        self._persisted.append(held)
        return held

    def _counted(self, events: DataFrame, plan: DataFrame, state: Published) -> LoadReport:
        action, main = F.col("__action"), F.col("__main")
        still_open = named(self.settings.is_current) & action.isin("update", "replace")
        new = F.col("__new") > 0

        def count(condition: Column) -> Column:
            return F.count(F.when(condition, 1))

        row = plan.agg(
            F.count(F.coalesce("__action", "__keep")).alias("changes"),
            F.coalesce(F.sum("__new"), F.lit(0)).alias("events"),
            F.coalesce(F.sum("__refused"), F.lit(0)).alias("conflicting"),
            F.coalesce(F.sum("__superseded"), F.lit(0)).alias("superseded"),
            count(action.isin("add", "replace")).alias("opened"),
            count(main["is_current"] & action.isNotNull() & ~still_open).alias("closed"),
            count(new & (F.col("__op") == DELETE)).alias("deleted"),
            count(new & F.col("__unchanged")).alias("unchanged"),
            count(new & F.col("__behind")).alias("late"),
        ).collect()[0]
        return LoadReport(
            batch_id=self.batch_id,
            snapshot_id=state.snapshot_id,
            published=row.changes > 0,
            events=row.events,
            opened=row.opened,
            closed=row.closed,
            deleted=row.deleted,
            unchanged=row.unchanged,
            late=row.late,
            repeated=events.count() - row.events - row.superseded - row.conflicting,
            superseded=row.superseded,
            surrogate_high_water=state.high_water,
        )


class _Refusal:
    """The refused rows of one batch on their way into quarantine."""

    def __init__(self, spark: SparkSession, judged: DataFrame, target: str, source: str) -> None:
        self.spark, self.judged, self.target, self.source = spark, judged, target, source

    def keep(self, load: _Load, conflicts: DataFrame) -> dict[str, int]:
        """Append what was refused, each row once; returns the counts by reason."""
        columns = [named(name) for name in load.columns]
        reasons = F.array(reason("decided", "")).cast(REASONS_TYPE).alias(REASONS)
        refused = (
            self.judged.where(F.size(REASONS) > 0)
            .select(*columns, F.col(REASONS))
            .unionByName(conflicts.select(*columns, reasons))
        )
        by_reason = refused.select(F.explode(REASONS).alias("r")).groupBy("r.check").count()
        counts = {row.check: row["count"] for row in by_reason.collect()}
        if counts:
            shaped = refused_rows(
                refused,
                load.settings,
                load.columns,
                table=load.table,
                batch_id=load.batch_id,
                source=self.source,
                refused_at=load.batch_time,
            )
            keep_refused(self.spark, shaped, self.target)
        return counts
