"""Recomputing versions from their events: repairs broken rows and applies changed settings.

The events of a key are its versions, each an upsert at its sequence, and its kept events. The
history is a function of them and of the settings, so it can be computed anew at any time. The
differences are planned, written on a branch, audited and published like a load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import CommitConflictError, NotFoundError
from history.iceberg.current_snapshot import (
    BATCH_ID,
    WATERMARK,
    CurrentState,
    is_strandline_property,
)
from history.iceberg.history_table import ensure_table, exists
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.model.load_report import REPORT, LoadReport
from history.model.recorded_source_reads import READ
from history.planning import key_range_pruning
from history.planning.event_timeline import EventTimeline, checkpoint_timeline
from history.planning.event_validation import conflict_reason
from history.planning.key_range_pruning import KeyRange
from history.planning.merge_plan import MergePlan, plan_timeline, undecided_events
from history.planning.scd2_versions import mark_unique_instants
from history.planning.versions_of_batch_keys import (
    StoredVersions,
    broadcast_if_small,
    rows_of_keys,
    stored_versions,
)
from history.restatement.rebuild_scope import RebuildScope
from history.restatement.repair_broken_versions import (
    one_row_per_version,
    rebuild_counts,
    with_repairs,
)
from history.schema_evolution.evolve_table import record_tracked, settings_for_rebuild
from history.spark.checkpoint import checkpoint, unpersist, unpersisting
from history.spark.column_quoting_and_comparison import named
from history.write_audit_publish import (
    audit_changes,
    publish_changes,
    write_plan_to_branch,
)
from history.writing.quarantine_table import quarantine_events
from history.writing.write_result import WriteResult

Announce = Callable[[str], None]

PREFIX = "rebuild-"
"""How the batch ids of rebuilds begin."""

BATCH_ENTRIES = frozenset({BATCH_ID, READ, REPORT, "strandline.pipeline"})
"""Entries of a snapshot's summary that describe its own batch, and not the table.

The last one describes a pipeline's run: carried over, it would be recorded as another run.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReport:
    """What one rebuild did to a history, or would do as long as it is not published.

    Attributes:
        batch_id: Names the rebuild in the snapshot's summary.
        snapshot_id: The published snapshot; before publishing the one to publish.
        published: Whether anything differed.
        instants: Instants of the chosen keys that have an event.
        versions: Stored rows of these instants.
        added: Versions that were missing.
        changed: Versions with another interval, flag or value than their events imply.
        removed: Versions that the events do not imply.
        surplus: Stored rows of a version beyond the first.
        kept: Changes of the kept events.
        refused: Quarantined events, by reason.
        surrogate_high_water: The greatest surrogate key in use afterwards.
        attempts: How often it was planned (more than 1: another writer published first).
    """

    batch_id: str
    snapshot_id: int | None
    published: bool
    instants: int = 0
    versions: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    surplus: int = 0
    kept: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    surrogate_high_water: int = 0
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """A rebuild on its branch: the write result of a batch, with counts of its own.

    `tracking` are the settings to record in the table's properties; None: the recorded ones stay.
    """

    written: WriteResult
    report: RebuildReport
    tracking: HistorySettings | None = None


def batch_of(
    table: str, settings: HistorySettings, *, time: datetime, quarantine: str | None = None
) -> Batch:
    """The batch of a rebuild at a time (timezone-aware)."""
    return Batch(
        table=table,
        settings=settings,
        id=f"{PREFIX}{time.astimezone(UTC):%Y%m%dT%H%M%S%fZ}",
        time=time,
        quarantine=quarantine or f"{table}__quarantine",
        source="rebuild",
    )


def rebuild(
    spark: SparkSession,
    table: str,
    settings: HistorySettings,
    *,
    time: datetime,
    scope: RebuildScope | None = None,
    quarantine: str | None = None,
    attempts: int = 5,
    announce: Announce | None = None,
) -> RebuildReport:
    """Recompute the versions of some keys from their events, and publish what differs.

    A sound table that is kept by the same settings does not change: no snapshot is published.

    Args:
        spark: A session with the Iceberg extensions; writers side by side need one each.
        table: `catalog.namespace.name` of the history.
        settings: How the history is to be kept; they may differ from those it was loaded by.
        time: When it is rebuilt, for the batch's name and the time stamps; timezone-aware.
        scope: The keys to rebuild; None: all of them.
        quarantine: The table that refused events are appended to; default `<table>__quarantine`.
        attempts: How often to plan anew when other writers publish first.
        announce: Called with 'written', 'audited', 'published' as the rebuild proceeds.

    Raises:
        NotFoundError: There is no such table.
        SettingsError: The settings do not fit the table's columns, or its fingerprints were made
            of other tracked columns.
        SchemaDriftError: The table lacks columns that the settings name.
        AuditError: The result broke a rule; nothing was published.
        CommitConflictError: Other writers published first `attempts` times.
    """
    batch = batch_of(table, settings, time=time, quarantine=quarantine)
    notify = announce or (lambda _step: None)
    for attempt in range(1, attempts + 1):
        rebuilt = write_rebuild(spark, batch, scope or RebuildScope())
        notify("written")
        audit_changes(spark, batch, rebuilt.written)
        notify("audited")
        try:
            snapshot = publish_rebuild(spark, batch, rebuilt)
        except CommitConflictError:
            if attempt == attempts:
                raise
            continue
        notify("published")
        return replace(rebuilt.report, snapshot_id=snapshot, attempts=attempt)
    message = "at least one attempt returns or raises"
    raise AssertionError(message)


def write_rebuild(spark: SparkSession, batch: Batch, scope: RebuildScope) -> RebuildResult:
    """Plan the rebuild against the published state, and write it to a branch.

    This changes nothing that readers see. The branch's head is `report.snapshot_id`, and
    `history.reading.published_snapshots.changed_rows` compares it with the published state.
    Next come `audit_changes` and `publish_rebuild`; for arguments and errors see `rebuild`.
    """
    columns, schema = event_columns(spark, batch)
    everything = scope.keys is None and scope.since is None
    settings, tracks_others = settings_for_rebuild(
        spark, batch.table, batch.settings, everything=everything
    )
    batch = replace(batch, settings=settings)
    state = ensure_table(spark, batch.table, schema, settings)
    if batch.id in state.batches:
        unchanged = LoadReport(batch.id, state.snapshot_id, published=False)
        return _result(replace(unchanged, surrogate_high_water=state.high_water))
    stored = stored_versions(spark, batch, state, columns, schema)
    stored = replace(stored, main=with_key_and_sequence(stored.main, settings))
    with unpersisting():
        keys, key_range = _chosen_keys(scope, stored, schema, settings)
        timeline = _timeline_of_keys(stored, keys, key_range, settings, columns)
        plan = with_repairs(plan_timeline(timeline, settings, columns), settings, columns)
        planned = checkpointed_plan(plan, stored, key_range, settings, columns)
        report = _load_report(batch, state, planned)
        if planned.counts["condemned"]:
            undecided = checkpoint(
                undecided_events(timeline, settings, columns), {"rows": F.count(F.lit(1))}
            )
            report = replace(report, refused={conflict_reason(settings): undecided.counts["rows"]})
            quarantine_events(spark, batch, undecided.rows, columns)
    tracking = settings if tracks_others else None
    if not report.published:
        unpersist(planned.rows)
        return replace(_result(report, planned), tracking=tracking)
    written = write_plan_to_branch(
        spark, _with_carried_properties(batch, state), planned, state, report
    )
    return replace(_result(written.report, planned, written), tracking=tracking)


def publish_rebuild(spark: SparkSession, batch: Batch, rebuilt: RebuildResult) -> int | None:
    """Publish a written rebuild, and record the tracked columns in the table's properties.

    Returns:
        The published snapshot.

    Raises:
        CommitConflictError: Another writer published first; write the rebuild anew.
    """
    snapshot = publish_changes(spark, batch, rebuilt.written).snapshot_id
    if rebuilt.tracking is not None:
        columns, _ = event_columns(spark, batch)
        record_tracked(spark, batch.table, rebuilt.tracking, columns)
    return snapshot


def event_columns(spark: SparkSession, batch: Batch) -> tuple[tuple[str, ...], T.StructType]:
    """The event columns of the table, and their types."""
    settings = batch.settings
    if not exists(spark, batch.table):
        raise NotFoundError(
            where=batch.table,
            expected="a history that was loaded at least once",
            found="no such table",
            next_step="Load it first.",
        )
    schema = spark.table(batch.table).schema
    fields = [each for each in schema.fields if each.name not in settings.filled]
    columns = tuple(each.name for each in fields)
    operation = () if settings.operation is None else (settings.operation,)
    settings.check((*columns, *operation), batch.table)
    return columns, T.StructType(fields)


def with_key_and_sequence(versions: DataFrame, settings: HistorySettings) -> DataFrame:
    """The rows that have a key and a sequence; others are no events and are ignored."""
    is_identified = F.lit(True)
    for name in (*settings.key, settings.sequence):
        is_identified = is_identified & named(name).isNotNull()
    return versions.where(is_identified)


def _chosen_keys(
    scope: RebuildScope, stored: StoredVersions, schema: T.StructType, settings: HistorySettings
) -> tuple[DataFrame | None, KeyRange]:
    """The checkpointed keys and their range; None and an unbounded range: all keys."""
    keys = scope.keys_of(stored, settings)
    if keys is None:
        return None, KeyRange(settings.key[0])
    counts: dict[str, Column] = {
        "rows": F.count(F.lit(1)),
        **key_range_pruning.key_bounds(settings, schema, F.lit(True)),
    }
    chosen = checkpoint(keys, counts)
    return broadcast_if_small(chosen.rows, int(chosen.counts["rows"])), key_range_pruning.key_range(
        settings, chosen.counts
    )


def _timeline_of_keys(
    stored: StoredVersions,
    keys: DataFrame | None,
    key_range: KeyRange,
    settings: HistorySettings,
    columns: tuple[str, ...],
) -> EventTimeline:
    """All versions and kept events of the keys on one timeline, as if each key had late events."""

    def of_keys(frame: DataFrame) -> DataFrame:
        return frame if keys is None else rows_of_keys(key_range.filter(frame), keys, settings)

    rows = one_row_per_version(of_keys(stored.main), settings, columns)
    if stored.kept is not None:
        rows = rows.unionByName(of_keys(stored.kept), allowMissingColumns=True)
    flags = {"__key_has_late": F.lit(True), "__arrives_late": F.lit(False)}
    return checkpoint_timeline(mark_unique_instants(rows.withColumns(flags), settings))


def checkpointed_plan(
    plan: DataFrame,
    stored: StoredVersions,
    key_range: KeyRange,
    settings: HistorySettings,
    columns: tuple[str, ...],
) -> MergePlan:
    """A plan of versions computed anew (`with_repairs`), held until it is published or dropped."""
    computed = checkpoint(plan, rebuild_counts(settings), lasting=True)
    surplus = int(computed.counts["surplus"])
    return MergePlan(
        computed.rows, computed.counts, columns, stored.extra, key_range, settings, surplus
    )


def _load_report(batch: Batch, state: CurrentState, planned: MergePlan) -> LoadReport:
    return LoadReport(
        batch_id=batch.id,
        snapshot_id=state.snapshot_id,
        published=planned.changes > 0,
        opened=planned.opened,
        closed=planned.counts["closed"],
        surrogate_high_water=state.high_water,
    )


def _with_carried_properties(batch: Batch, state: CurrentState) -> Batch:
    """The batch with the properties that later loads read from the newest snapshot, unchanged."""
    carried = {
        name: value
        for name, value in state.properties.items()
        if is_strandline_property(name) and name not in BATCH_ENTRIES
    }
    watermark = state.properties.get(WATERMARK)
    return replace(batch, watermark=watermark, properties={**carried, **batch.properties})


def _result(
    report: LoadReport, planned: MergePlan | None = None, written: WriteResult | None = None
) -> RebuildResult:
    counts = {} if planned is None else planned.counts
    head = report.snapshot_id
    if written is not None and written.evidence is not None:
        head = written.evidence.changes.head
    rebuild_report = RebuildReport(
        batch_id=report.batch_id,
        snapshot_id=head,
        published=report.published,
        instants=counts.get("instants", 0),
        versions=counts.get("versions", 0),
        added=counts.get("action_add", 0),
        changed=counts.get("action_update", 0) + counts.get("action_replace", 0),
        removed=counts.get("action_remove", 0),
        surplus=0 if planned is None else planned.surplus,
        kept=0 if planned is None else planned.keeps,
        refused=report.refused,
        surrogate_high_water=report.surrogate_high_water,
    )
    return RebuildResult(written or WriteResult(report), rebuild_report)
