"""Stages that no note tells of: of runs whose machine, or whose state directory, is gone.

Promise: a stage that a run is writing, or that waits for a decision, stays: only one that neither a
note nor a batch that was kept back names goes, three days after its last write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from history.iceberg.drop_table import drop_with_files
from history.iceberg.history_table import exists
from history.iceberg.table_metadata import table_metadata
from history.upkeep.snapshot_expiry import Retention
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.unexpected_errors import without_unexpected_errors

HELD_BATCHES = "held_batches"
_STAGE = re.compile(r"__batch_\d{8}_\d{6}_\w+$")
"""How the names of stages end: what somebody else keeps in their namespace is no stage."""


@dataclass(frozen=True, slots=True)
class AgedStages:
    """Stages: those there are, those that stay, and the names of those that went or would."""

    found: int
    kept: int
    dropped: tuple[str, ...]


@task(name="age-stages", cache_policy=NO_CACHE, persist_result=False)
@without_unexpected_errors("age-stages")
def age_stages(settings: str, *, now: datetime, dry_run: bool) -> AgedStages:
    """Drop stages that nobody knows of any more.

    Args:
        settings: The name of the run settings block.
        now: The time from which ages are counted; timezone-aware.
        dry_run: Only say which would be dropped.
    """
    block = block_lookup.settings(settings)
    block.lakehouse.check()
    with map_spark_errors(block.lakehouse.catalog, "stages", publishes=True):
        spark = block.spark.session(block.lakehouse, shared=False)
        names = _stages(spark, block)
        noted, held = _noted(block), _held(spark, block, now)
        before = now - timedelta(hours=Retention().unfinished_hours)
        old = [
            each
            for each in names
            if each not in held
            and each.rpartition("__")[2].upper() not in noted
            and _is_old(spark, block, each, before)
        ]
        if not dry_run:
            for each in old:
                drop_with_files(spark, _table(block, each))
    return AgedStages(len(names), len(names) - len(old), tuple(old))


def _stages(spark: SparkSession, settings: RunSettings) -> list[str]:
    catalog, namespace = settings.lakehouse.catalog, settings.stage_namespace
    if not spark.catalog.databaseExists(f"{catalog}.{namespace}"):
        return []
    rows = spark.sql(f"SHOW TABLES IN {catalog}.{namespace}").collect()
    return sorted(row.tableName for row in rows if _STAGE.search(row.tableName))


def _noted(settings: RunSettings) -> frozenset[str]:
    """The batches that notes of this machine's runs name, in upper case."""
    folder = settings.state_directory / "in-flight"
    return frozenset(path.stem.upper() for path in folder.rglob("*.json"))


def _held(spark: SparkSession, settings: RunSettings, now: datetime) -> frozenset[str]:
    """The stages of batches that were kept back and may still be published."""
    table = ledger_table(settings, HELD_BATCHES)
    if not exists(spark, table):
        return frozenset()
    waiting = spark.table(table).where(F.col("held_until") > F.lit(now))
    rows = waiting.select("stage_table").collect()
    return frozenset(row.stage_table.rpartition(".")[2] for row in rows)


def _is_old(spark: SparkSession, settings: RunSettings, name: str, before: datetime) -> bool:
    snapshots = table_metadata(spark, _table(settings, name)).snapshots.values()
    return bool(snapshots) and max(each.committed for each in snapshots) < before


def _table(settings: RunSettings, name: str) -> str:
    return f"{settings.lakehouse.catalog}.{settings.stage_namespace}.{name}"
