"""Appending to the tables about the runs themselves: lineage, metrics, quarantine."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from blocks.run_settings import RunSettings
from contracts.loader import LEDGERS, load_ledger
from contracts.model import Ledger
from contracts.schemas.target_ddl import add_columns, create_ledger
from history.iceberg.history_table import find_schema
from history.iceberg.java_table import schema_of_table
from history.spark.column_quoting_and_comparison import quoted
from tasks.run.run_context import ledger_table

NAMES = ("data_lineage", "run_metrics", "quarantine", "quality_findings", "unusual_rows")

_creation_lock = threading.Lock()


def ensure_namespaces_and_ledgers(
    spark: SparkSession, settings: RunSettings, namespace: str
) -> None:
    """Create what is missing: the namespaces of a run, the target's among them, and ledgers.

    One load of a process at a time: a catalog in a database fails when two create the same.
    """
    with _creation_lock:
        for name in (settings.governance_namespace, settings.stage_namespace, namespace):
            spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {settings.lakehouse.catalog}.{name}")
        _ensure_ledgers(spark, settings)


def _ensure_ledgers(spark: SparkSession, settings: RunSettings) -> None:
    for name in NAMES:
        ensure_ledger(spark, settings, name)


def ensure_ledger(spark: SparkSession, settings: RunSettings, name: str) -> None:
    """Create one ledger, or add the columns that it has gained since it was created."""
    table = ledger_table(settings, name)
    schema = find_schema(spark, table)
    if schema is None:
        spark.sql(create_ledger(_contract(name), table))
    else:
        _add_missing_columns(spark, _contract(name), table, {*schema.fieldNames()})


@cache
def _contract(name: str) -> Ledger:
    return load_ledger(LEDGERS / f"{name}.yaml")


def _add_missing_columns(
    spark: SparkSession, ledger: Ledger, table: str, existing: set[str]
) -> None:
    """Add the columns that a ledger has gained since its table was created."""
    missing = [column.name for column in ledger.columns if column.name not in existing]
    if missing:
        spark.sql(add_columns(ledger, missing, table))


def append(rows: DataFrame, table: str) -> None:
    """Append rows in the table's own column types."""
    schema = schema_of_table(rows.sparkSession, table)
    # As text: column by column, these were a tenth of all calls to the JVM in a small load.
    rows.selectExpr(*[_cast(quoted(f.name), f) for f in schema.fields]).writeTo(table).append()


def append_row(spark: SparkSession, table: str, values: Mapping[str, object]) -> None:
    """Append one row of plain values; columns without one are null."""
    fields = schema_of_table(spark, table).fields
    row = spark.sql(
        "SELECT " + ", ".join(_cast(f":{field.name}", field) for field in fields),
        {field.name: _argument(values.get(field.name)) for field in fields},
    )
    row.writeTo(table).append()


def _argument(value: object) -> object:
    """A value as an argument of a statement, which takes a map as a column alone."""
    if not isinstance(value, Mapping):
        return value
    return F.create_map(*[F.lit(each) for pair in value.items() for each in pair])


def _cast(value: str, field: T.StructField) -> str:
    return f"CAST({value} AS {field.dataType.simpleString()}) AS {quoted(field.name)}"
