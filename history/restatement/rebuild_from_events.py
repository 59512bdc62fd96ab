"""Recomputing versions from their events: what others broke is mended, other settings take hold.

The events of a key are its versions, each an upsert at its sequence, and its kept events. The
history is a function of them and of the settings, so it can be computed anew at any time. What
differs is planned, written on a branch, audited and published as a load is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import CommitConflictError, NotFoundError
from history.iceberg.current_state import (
    BATCH_ID,
    DIGEST,
    WATERMARK,
    CurrentState,
    is_strandline_property,
)
from history.iceberg.history_table import ensure_table, exists
from history.model.applied_source_reads import READ
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.model.load_report import REPORT, LoadReport
from history.planning import key_range_pruning
from history.planning.event_timeline import EventTimeline, checkpoint_timeline
from history.planning.event_validation import conflict_reason
from history.planning.key_range_pruning import KeyRange
from history.planning.merge_plan import MergePlan, plan_timeline
from history.planning.scd2_versions import mark_unique_instants
from history.planning.versions_of_batch_keys import (
    StoredVersions,
    broadcast_if_small,
    rows_of_keys,
    stored_versions,
)
from history.restatement.broken_versions import one_row_per_version, rebuild_counts, with_repairs
from history.restatement.rebuild_scope import RebuildScope
from history.schema_evolution.evolve_table import record_tracked, settings_for_rebuild
from history.spark.checkpoint import checkpoint, unpersist, unpersisting
from history.spark.column_quoting_and_comparison import named
from history.write_audit_publish import (
    audit_changes,
    publish_changes,
    quarantine_events,
    undecided_events,
    write_plan_to_branch,
)
from history.writing.write_result import WriteResult

Announce = Callable[[str], None]

PREFIX = "rebuild-"
"""How the batch ids of rebuilds begin."""

_OF_A_BATCH = frozenset({BATCH_ID, DIGEST, READ, REPORT, "strandline.pipeline"})
"""Entries of a snapshot's summary that tell of its own batch, and not of the table.

The last one is what a pipeline says of its run: carried on, it would be recorded as another one.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReport:
    """What one rebuild did to a history, or would do as long as it is not published.

    Attributes:
        batch_id: Names the rebuild in the snapshot's summary.
        snapshot_id: The published snapshot; before that the one that published would be.
        published: Whether anything differed.
        instants: Instants of the chosen keys that have an event.
        versions: Rows that were stored of them.
        added: Versions that were missing.
        changed: Versions with another interval, flag or value than their events imply.
        removed: Versions that the events do not imply.
        surplus: Rows beyond one that were stored of a version.
        kept: Changes of the kept events.
        refused: Events by the reason for which they went to quarantine.
        surrogate_high_water: The greatest surrogate key in use afterwards.
        attempts: How often it was planned (more than 1: another writer came first).
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
    """A rebuild on its branch: as any batch's, with counts of its own.

    `tracking` are the settings that the table has to say it is kept by from now on; None: those
    that it says already.
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

    A sound table that is kept by the same settings stays as it is: no snapshot is published.

    Args:
        spark: A session with the Iceberg extensions; writers side by side need one each.
        table: `catalog.namespace.name` of the history.
        settings: How the history is to be kept; they may differ from those it was loaded by.
        time: When it is rebuilt, for the batch's name and the time stamps; timezone-aware.
        scope: Which keys; None: all of them.
        quarantine: The table that refused events are appended to; default `<table>__quarantine`.
        attempts: How often to plan anew when other writers publish first.
        announce: Called with 'written', 'audited', 'published' as the rebuild proceeds.

    Raises:
        NotFoundError: There is no such table.
        SettingsError: The settings do not fit the table's columns, or its fingerprints were made
            of other tracked columns.
        SchemaDriftError: The table lacks columns that the settings name.
        AuditError: The result broke a rule; nothing was published.
        CommitConflictError: Other writers came first `attempts` times.
    """
    batch = batch_of(table, settings, time=time, quarantine=quarantine)
    say = announce or (lambda _step: None)
    for attempt in range(1, attempts + 1):
        rebuilt = write_rebuild(spark, batch, scope or RebuildScope())
        say("written")
        audit_changes(spark, batch, rebuilt.written)
        say("audited")
        try:
            snapshot = publish_rebuild(spark, batch, rebuilt)
        except CommitConflictError:
            if attempt == attempts:
                raise
            continue
        say("published")
        return replace(rebuilt.report, snapshot_id=snapshot, attempts=attempt)
    message = "at least one attempt returns or raises"
    raise AssertionError(message)


def write_rebuild(spark: SparkSession, batch: Batch, scope: RebuildScope) -> RebuildResult:
    """Plan the rebuild against what is published, and write it aside.

    Nothing that readers see has changed afterwards. The branch's head is `report.snapshot_id`, and
    `history.reading.published_snapshots.changed_rows` compares it with the published state.
    `audit_changes` and `publish_changes` go on from here; for arguments and errors see `rebuild`.
    """
    columns, schema = _event_columns(spark, batch)
    everything = scope.keys is None and scope.since is None
    settings, restates = settings_for_rebuild(
        spark, batch.table, batch.settings, everything=everything
    )
    batch = replace(batch, settings=settings)
    state = ensure_table(spark, batch.table, schema, settings)
    if batch.id in state.batches:
        nothing = LoadReport(batch.id, state.snapshot_id, published=False)
        return _rebuilt(replace(nothing, surrogate_high_water=state.high_water))
    known = stored_versions(spark, batch, state, columns, schema)
    known = replace(known, main=_identified(known.main, settings))
    with unpersisting():
        keys, within = _chosen(scope, known, schema, settings)
        line = _whole(known, keys, within, settings, columns)
        planned = _planned(line, known, within, settings, columns)
        report = _load_report(batch, state, planned)
        if planned.counts["condemned"]:
            lost = checkpoint(
                undecided_events(line, settings, columns), {"rows": F.count(F.lit(1))}
            )
            report = replace(report, refused={conflict_reason(settings): lost.counts["rows"]})
            quarantine_events(spark, batch, lost.rows, columns)
    tracking = settings if restates else None
    if not report.published:
        unpersist(planned.rows)
        return replace(_rebuilt(report, planned), tracking=tracking)
    written = write_plan_to_branch(spark, _carrying(batch, state), planned, state, report)
    return replace(_rebuilt(written.report, planned, written), tracking=tracking)


def publish_rebuild(spark: SparkSession, batch: Batch, rebuilt: RebuildResult) -> int | None:
    """Publish what a rebuild wrote, and let the table say what is tracked from now on.

    Returns:
        The published snapshot.

    Raises:
        CommitConflictError: Another writer published first; write the rebuild anew.
    """
    snapshot = publish_changes(spark, batch, rebuilt.written).snapshot_id
    if rebuilt.tracking is not None:
        columns, _ = _event_columns(spark, batch)
        record_tracked(spark, batch.table, rebuilt.tracking, columns)
    return snapshot


def _event_columns(spark: SparkSession, batch: Batch) -> tuple[tuple[str, ...], T.StructType]:
    """The columns of the table that events bring, and their types."""
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


def _identified(versions: DataFrame, settings: HistorySettings) -> DataFrame:
    """Only rows that have a key and a sequence are events; others are not looked at."""
    known = F.lit(True)
    for name in (*settings.key, settings.sequence):
        known = known & named(name).isNotNull()
    return versions.where(known)


def _chosen(
    scope: RebuildScope, known: StoredVersions, schema: T.StructType, settings: HistorySettings
) -> tuple[DataFrame | None, KeyRange]:
    """The keys, held, and where they lie; None: all keys, everywhere."""
    keys = scope.keys_of(known, settings)
    if keys is None:
        return None, KeyRange(settings.key[0])
    asked: dict[str, Column] = {
        "rows": F.count(F.lit(1)),
        **key_range_pruning.key_bounds(settings, schema, F.lit(True)),
    }
    found = checkpoint(keys, asked)
    return broadcast_if_small(found.rows, int(found.counts["rows"])), key_range_pruning.key_range(
        settings, found.counts
    )


def _whole(
    known: StoredVersions,
    keys: DataFrame | None,
    within: KeyRange,
    settings: HistorySettings,
    columns: tuple[str, ...],
) -> EventTimeline:
    """All versions and kept events of the keys on one line: each key as if it had late events."""

    def theirs(frame: DataFrame) -> DataFrame:
        return frame if keys is None else rows_of_keys(within.filter(frame), keys, settings)

    rows = one_row_per_version(theirs(known.main), settings, columns)
    if known.kept is not None:
        rows = rows.unionByName(theirs(known.kept), allowMissingColumns=True)
    flags = {"__key_has_late": F.lit(True), "__arrives_late": F.lit(False)}
    return checkpoint_timeline(mark_unique_instants(rows.withColumns(flags), settings))


def _planned(
    line: EventTimeline,
    known: StoredVersions,
    within: KeyRange,
    settings: HistorySettings,
    columns: tuple[str, ...],
) -> MergePlan:
    plan = with_repairs(plan_timeline(line, settings, columns), settings, columns)
    found = checkpoint(plan, rebuild_counts(settings), lasting=True)
    surplus = int(found.counts["surplus"])
    return MergePlan(found.rows, found.counts, columns, known.extra, within, settings, surplus)


def _load_report(batch: Batch, state: CurrentState, planned: MergePlan) -> LoadReport:
    return LoadReport(
        batch_id=batch.id,
        snapshot_id=state.snapshot_id,
        published=planned.changes > 0,
        opened=planned.opened,
        closed=planned.counts["closed"],
        surrogate_high_water=state.high_water,
    )


def _carrying(batch: Batch, state: CurrentState) -> Batch:
    """The batch with what later loads look up in the newest snapshot, as it was."""
    told = {
        name: text
        for name, text in state.properties.items()
        if is_strandline_property(name) and name not in _OF_A_BATCH
    }
    watermark = state.properties.get(WATERMARK)
    return replace(batch, watermark=watermark, properties={**told, **batch.properties})


def _rebuilt(
    report: LoadReport, planned: MergePlan | None = None, written: WriteResult | None = None
) -> RebuildResult:
    counts = {} if planned is None else planned.counts
    head = report.snapshot_id
    if written is not None and written.evidence is not None:
        head = written.evidence.growth.head
    told = RebuildReport(
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
    return RebuildResult(written or WriteResult(report), told)
