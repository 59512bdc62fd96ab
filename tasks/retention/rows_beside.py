"""What lies beside a history: refused rows, unusual rows, stages of unpublished batches.

Promise: what is older than the table's retention goes, files and all: deletes here rewrite files,
and snapshots of these ledgers that are a day old expire. While anybody of the table is under legal
hold, nothing here goes: whom such a row is about can't always be told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from history.iceberg import branches
from history.iceberg.drop_table import drop_with_files
from history.iceberg.history_table import exists
from history.iceberg.snapshot_log import snapshot_log
from history.upkeep.snapshot_expiry import expire_snapshots, plan_release
from tasks.run.run_context import ledger_table

_DATED = {"quarantine": "refused_at", "unusual_rows": "judged_at"}
_STAGES = "held_batches"
_STILL_READ = timedelta(days=1)
"""A load of another table may still read a snapshot of a ledger so old."""


@dataclass(frozen=True, slots=True)
class RowsBeside:
    """How much of it is older than the retention.

    Attributes:
        refused: Rows of the quarantine.
        unusual: Rows of the ledger of unusual rows.
        stages: The stage tables.
    """

    refused: int = 0
    unusual: int = 0
    stages: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is something."""
        return bool(self.refused or self.unusual or self.stages)


def old_rows_beside(
    spark: SparkSession, settings: RunSettings, target: str, before: datetime
) -> RowsBeside:
    """What of a table's is from before a moment; timezone-aware."""
    counts = {}
    for name, column in _DATED.items():
        table = ledger_table(settings, name)
        is_old = (F.col("target_table") == target) & (F.col(column) < F.lit(before))
        counts[name] = spark.table(table).where(is_old).count() if exists(spark, table) else 0
    return RowsBeside(
        counts["quarantine"], counts["unusual_rows"], _stages(spark, settings, target, before)
    )


def stages_with(
    spark: SparkSession, settings: RunSettings, target: str, records: DataFrame
) -> tuple[str, ...]:
    """The stages of batches that were not published and have rows of the records.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where stages and ledgers lie.
        target: The history table.
        records: The keys of records, as they are stored.
    """
    keys = records.columns
    found = []
    for stage in _stages(spark, settings, target, None):
        rows = spark.table(stage)
        if {*keys} <= {*rows.columns} and not rows.join(records, keys, "left_semi").isEmpty():
            found.append(stage)
    return tuple(found)


def drop_stages(spark: SparkSession, stages: Iterable[str]) -> None:
    """Drop stages: their batches can't be published any more, and have to be loaded again."""
    for stage in stages:
        drop_with_files(spark, stage)


def remove_rows_beside(
    spark: SparkSession, settings: RunSettings, target: str, found: RowsBeside, before: datetime
) -> None:
    """Remove what was found."""
    for name, count in (("quarantine", found.refused), ("unusual_rows", found.unusual)):
        if not count:
            continue
        table = ledger_table(settings, name)
        branches.alter(
            spark, f"ALTER TABLE {table} SET TBLPROPERTIES ('{_DELETE_MODE}' = 'copy-on-write')"
        )
        spark.sql(
            f"DELETE FROM {table} WHERE target_table = :target AND {_DATED[name]} < :before",  # noqa: S608
            {"target": target, "before": before},
        )
    drop_stages(spark, found.stages)


_DELETE_MODE = "write.delete.mode"


def forget_rows_beside(spark: SparkSession, settings: RunSettings, now: datetime) -> int:
    """Expire the ledgers' snapshots that are a day old, where one was rewritten; says how many."""
    expired = 0
    for name in _DATED:
        table = ledger_table(settings, name)
        if not exists(spark, table):
            continue
        mode = spark.sql(f"SHOW TBLPROPERTIES {table} ('{_DELETE_MODE}')").collect()[0].value
        if mode != "copy-on-write":
            continue
        release = plan_release(snapshot_log(spark, table), now - _STILL_READ)
        expire_snapshots(spark, table, release)
        expired += len(release.expired)
    return expired


def _stages(
    spark: SparkSession, settings: RunSettings, target: str, before: datetime | None
) -> tuple[str, ...]:
    """The stages that there are of batches that were kept back, before a moment if one is given."""
    table = ledger_table(settings, _STAGES)
    if not exists(spark, table):
        return ()
    batches = spark.table(table).where(F.col("target_table") == target)
    if before is not None:
        batches = batches.where(F.col("held_at") < F.lit(before))
    rows = batches.select("stage_table").distinct().collect()
    return tuple(sorted(row.stage_table for row in rows if exists(spark, row.stage_table)))
