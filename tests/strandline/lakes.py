"""Real histories and ledgers for the command line to read."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from pyspark.sql import SparkSession

from blocks.embedded_postgres import EmbeddedPostgres
from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lakehouse import Lakehouse
from blocks.run_settings import RunSettings
from blocks.spark_runtime import SparkRuntime
from contracts.loader import LEDGERS, load_ledger
from contracts.model import Contract, Protection
from contracts.model.reserved_column_names import OPERATION
from contracts.schemas.spark_schemas import event_schema
from contracts.schemas.target_ddl import create_ledger, create_table
from history import LoadReport, Read, load_changes
from tasks.compiler.contract_to_history_settings import history_settings
from tests.quick_spark import QUICK, QUICK_JAVA
from tests.strandline.examples import NOW


def run_settings_in(folder: Path, postgres: EmbeddedPostgres, catalog: str) -> RunSettings:
    """Settings of a run on this machine: the catalog's pointers in a new database of its name,
    everything else in the folder."""
    postgres.create_database(catalog)
    return RunSettings(
        spark=SparkRuntime(
            master="local[2]",
            log_directory=folder,
            shuffle_partitions=2,
            configuration={**QUICK, "spark.driver.extraJavaOptions": QUICK_JAVA},
        ),
        lakehouse=Lakehouse(
            catalog=catalog,
            warehouse=str(folder / "warehouse"),
            uri=f"jdbc:postgresql://127.0.0.1:{postgres.port}/{catalog}",
            user=postgres.user,
            password=postgres.password,
        ),
        key_ring=LocalKeyRing(
            path=folder / "keys.json", key_encryption_key=base64.b64encode(b"k" * 32).decode()
        ),
        state_directory=folder,
    )


def load_events(
    spark: SparkSession,
    contract: Contract,
    table: str,
    events: Iterable[dict],
    *,
    batch_id: str = "b1",
    quarantine: str | None = None,
    watermark: datetime | None = None,
) -> LoadReport:
    """Load events of the contract, each a dict of the columns that matter, into the table."""
    fields = event_schema(contract).fields
    schema = ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in fields)
    usual = {"batch_id": batch_id, "data_quality_score": Decimal("1.00"), OPERATION: "upsert"}
    rows = [
        tuple((usual | event).get(name) for name in (*(f.name for f in fields), OPERATION))
        for event in events
    ]
    spark.sql(create_table(contract, table))
    return load_changes(
        spark,
        spark.createDataFrame(rows, f"{schema}, {OPERATION} string"),
        table,
        history_settings(contract),
        batch_id=batch_id,
        batch_time=NOW,
        quarantine=quarantine,
        source=contract.source.relation,
        read=Read(at=NOW, full=False) if contract.source.is_state else None,
        watermark=watermark.isoformat() if watermark else None,
    )


def flight(tail: str, at: datetime, airport: str, carrier: str = "UA", **more) -> dict:
    """One movement of an aircraft."""
    said = f"{airport}{carrier}"
    return {
        "tail_number": tail,
        "departed_at": at,
        "airport": airport,
        "carrier": carrier,
        "source_checksum": said,
    } | more


def create_ledgers(spark: SparkSession, namespace: str, *names: str) -> None:
    """The ledgers as their contracts say."""
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {namespace}")
    for name in names:
        ledger = load_ledger(LEDGERS / f"{name}.yaml")
        spark.sql(create_ledger(ledger, f"{namespace}.{name}"))


def append(spark: SparkSession, table: str, rows: Iterable[dict]) -> None:
    """Append rows, each a dict of some of the columns."""
    schema = spark.table(table).schema
    values = [tuple(row.get(name) for name in schema.fieldNames()) for row in rows]
    spark.createDataFrame(values, schema).writeTo(table).append()


def protecting(contract: Contract, name: str, protection: Protection) -> Contract:
    """The contract with that column protected."""
    columns = tuple(
        replace(column, protection=protection) if column.name == name else column
        for column in contract.columns
    )
    return replace(contract, columns=columns)
