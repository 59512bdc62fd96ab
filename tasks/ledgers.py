"""Appending to the tables about the runs themselves: lineage, metrics, quarantine."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from blocks.run_settings import RunSettings
from contracts.loader import LEDGERS, load_ledger
from contracts.schema import create_ledger
from history.table import exists
from tasks.run import ledger_table

NAMES = ("data_lineage", "run_metrics", "quarantine")


def ensure_ledgers(spark: SparkSession, settings: RunSettings) -> None:
    """Create the ledgers that are not there yet, as their contracts say."""
    missing = [name for name in NAMES if not exists(spark, ledger_table(settings, name))]
    if missing:
        namespace = f"{settings.lakehouse.catalog}.{settings.governance_namespace}"
        spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {namespace}")
    for name in missing:
        ledger = load_ledger(LEDGERS / f"{name}.yaml")
        spark.sql(create_ledger(ledger, ledger_table(settings, name)))


def append(rows: DataFrame, table: str) -> None:
    """Append rows in the table's own column types."""
    wanted = rows.sparkSession.table(table).schema
    rows.select(*[rows[f.name].cast(f.dataType).alias(f.name) for f in wanted.fields]).writeTo(
        table
    ).append()
