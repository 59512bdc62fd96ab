"""The green table of a release: made beside the published history, begun as a copy of it, dropped.

Green is a history like any other, `<table>__green` with its own kept events, so that whatever
loads, reads and compares histories does so with green. A branch of the published table was not
chosen: it would have that table's columns, and loads plan against main (decision 60).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import SettingsError, TableBusyError
from history.iceberg import branches
from history.iceberg.current_snapshot import (
    BATCH_ID,
    HIGH_WATER,
    KEPT_SNAPSHOT,
    CurrentState,
)
from history.iceberg.drop_table import drop_with_files
from history.iceberg.history_table import ensure_kept, ensure_table, exists, kept_events
from history.iceberg.table_properties import (
    TableProperties,
    strandline_properties,
    write_properties,
)
from history.model.history_settings import HistorySettings
from history.model.recorded_source_reads import READ, READS, sorted_reads
from history.model.recorded_source_reads import Read as SourceRead
from history.reading.published_snapshots import read_state
from history.release.release_record import RECORD, Release, green_table, release_of
from history.schema_evolution.alter_table_statements import ColumnChanges, alter_table
from history.schema_evolution.evolve_table import settings_of_table
from history.spark.column_quoting_and_comparison import named

SEED = "seed-"
"""How the batch ids of copies begin."""

OF_ONE_BATCH = frozenset(
    {BATCH_ID, READ, "strandline.batch-digest", "strandline.report", "strandline.pipeline"}
)
"""Entries of a snapshot's summary that describe its own batch, and not the table."""


def create_green(
    spark: SparkSession, release: Release, schema: T.StructType, *, format_version: int
) -> None:
    """Create the empty green table with the release's record, in one commit.

    `format_version` is Iceberg's, as `HistorySettings` has it.

    Raises:
        SettingsError: Something else has that name.
        TableBusyError: Another release of the table is on.
    """
    empty = spark.createDataFrame([], T.StructType([_nullable(each) for each in schema.fields]))
    writer = empty.writeTo(release.green).using("iceberg")
    writer = writer.tableProperty("format-version", str(format_version))
    try:
        writer.tableProperty(RECORD, release.to_text).create()
    except (PySparkException, Py4JJavaError):
        if not exists(spark, release.green):
            raise
        raise _taken(spark, release.table) from None


def _nullable(field: T.StructField) -> T.StructField:
    return T.StructField(field.name, field.dataType)


def _taken(spark: SparkSession, table: str) -> SettingsError | TableBusyError:
    other = release_of(spark, table)
    if other is None:
        return SettingsError(
            where=green_table(table),
            expected="a name that is free for the green table",
            found="a table that no release made",
            next_step="Rename or drop it, and start the release again. Nothing was changed.",
        )
    return TableBusyError(
        where=table,
        expected="no other release of this table",
        found=f"the release {other.id}, {other.state}, started by {other.started_by}",
        next_step=f"Promote it or roll it back first: strandline release status {other.contract}",
    )


def copy_history(
    spark: SparkSession,
    release: Release,
    state: CurrentState,
    settings: HistorySettings,
    properties: Mapping[str, str],
) -> None:
    """Begin green as a copy of a published state: versions, kept events, reads and watermark.

    Args:
        spark: The session.
        release: The release; its green table exists and is empty.
        state: The published state.
        settings: How the published history is kept.
        properties: Further entries for the snapshot's summary.
    """
    table, green = release.table, release.green
    settings = settings_of_table(spark, table, settings)
    versions = read_state(spark, table, state.snapshot_id)
    columns = [each for each in versions.schema.fields if each.name not in settings.filled]
    events = T.StructType(columns)
    before = strandline_properties(spark, table)
    adopted = TableProperties.from_settings(settings, events.fieldNames())
    recorded = TableProperties.from_properties(before, adopted)
    write_properties(spark, green, strandline_properties(spark, green), recorded)
    if state.reads:
        _remember_reads(spark, green, state.reads)
    ensure_table(spark, green, events, settings)
    kept = copy_kept(spark, table, state, green, settings, branch="seed")
    summary = {
        **{name: text for name, text in state.properties.items() if name not in OF_ONE_BATCH},
        **properties,
        BATCH_ID: f"{SEED}{release.id}",
        HIGH_WATER: str(state.high_water),
        KEPT_SNAPSHOT: str(kept or ""),
    }
    keys = [named(name) for name in settings.key]
    branches.append_rows(versions.repartitionByRange(*keys), green, summary)


def copy_kept(
    spark: SparkSession,
    source: str,
    state: CurrentState,
    target: str,
    settings: HistorySettings,
    *,
    branch: str,
) -> int | None:
    """Copy the kept events of a state into another history's, where no reader of that sees them.

    Returns:
        Their snapshot there, for the summary of the versions' snapshot that they belong to.
    """
    if state.kept_snapshot is None:
        return None
    rows = spark.read.option("versionAsOf", str(state.kept_snapshot)).table(kept_events(source))
    base = ensure_kept(spark, target, rows.schema, settings)
    kept = kept_events(target)
    alter_table(spark, kept, ColumnChanges.between(spark.table(kept).schema, rows.schema, ()))
    there = {*rows.columns}
    rows = rows.select(
        *[
            (named(each.name) if each.name in there else F.lit(None))
            .cast(each.dataType)
            .alias(each.name)
            for each in spark.table(kept).schema.fields
        ]
    )
    branches.create(spark, kept, branch, base)
    branches.overwrite_rows(rows, branches.branch_of(kept, branch), {})
    pinned = branches.head(spark, kept, branch)
    branches.alter(
        spark, f"ALTER TABLE {kept} CREATE OR REPLACE TAG `kept_{pinned}` AS OF VERSION {pinned}"
    )
    branches.drop(spark, kept, branch)
    return pinned


def _remember_reads(spark: SparkSession, green: str, reads: tuple[SourceRead, ...]) -> None:
    """Record the reads of a copied history: the copy is one snapshot, which has room for one."""
    text = json.dumps([json.loads(read.to_json) for read in sorted_reads(reads)])
    value = text.replace("'", "\\'")
    branches.alter(spark, f"ALTER TABLE {green} SET TBLPROPERTIES ('{READS}' = '{value}')")


def drop_green(spark: SparkSession, table: str) -> None:
    """Drop the green table of a release with its kept events and its files; the record last.

    Raises:
        SettingsError: The table of that name was not made by a release.
    """
    green = green_table(table)
    if not exists(spark, green):
        return
    if release_of(spark, table) is None:
        raise _taken(spark, table)
    drop_with_files(spark, kept_events(green))
    drop_with_files(spark, green)
