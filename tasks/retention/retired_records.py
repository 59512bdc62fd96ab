"""The ledger of retired records: what no load may bring back, and what is anonymised already.

Promise: a record is listed before it is anonymised or deleted. Which anonymised record had which
key can't be told from the ledger: both are listed by digests, in the order of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from history.iceberg.history_table import exists
from tasks.observability.ledger_tables import append, ensure_ledger
from tasks.run.run_context import ledger_table
from tasks.transforms.record_digests import RECORD_DIGEST, RETIRED_UNTIL

RETIRED_RECORDS = "retired_records"


@dataclass(frozen=True, slots=True)
class Retirement:
    """One run of retention over one table.

    Attributes:
        target: The history table.
        run_id: The run.
        at: When it is applied; timezone-aware.
    """

    target: str
    run_id: str
    at: datetime


def retired_records(spark: SparkSession, settings: RunSettings, target: str) -> DataFrame | None:
    """The records of a table that retention has retired, each once; None: there is none.

    Returns:
        `RECORD_DIGEST`, and `RETIRED_UNTIL`, up to which no event of it is taken.
    """
    table = ledger_table(settings, RETIRED_RECORDS)
    if not exists(spark, table):
        return None
    is_retired = (F.col("target_table") == target) & F.col(RETIRED_UNTIL).isNotNull()
    listed = spark.table(table).where(is_retired)
    if listed.isEmpty():
        return None
    return listed.groupBy(RECORD_DIGEST).agg(F.max(RETIRED_UNTIL).alias(RETIRED_UNTIL))


def anonymised_records(spark: SparkSession, settings: RunSettings, target: str) -> DataFrame | None:
    """The digests of the records that took the place of anonymised ones; None: no ledger yet."""
    table = ledger_table(settings, RETIRED_RECORDS)
    if not exists(spark, table):
        return None
    is_anonymised = (F.col("target_table") == target) & F.col(RETIRED_UNTIL).isNull()
    return spark.table(table).where(is_anonymised).select(RECORD_DIGEST).distinct()


def list_retired(
    spark: SparkSession,
    settings: RunSettings,
    retirement: Retirement,
    records: DataFrame,
    *,
    until: datetime | None,
) -> None:
    """List records by their `RECORD_DIGEST`.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where the ledger lies.
        retirement: The run.
        records: The records.
        until: No event of theirs up to then is taken; timezone-aware. None: they took the place of
            anonymised records.
    """
    ensure_ledger(spark, settings, RETIRED_RECORDS)
    rows = records.select(
        F.lit(retirement.target).alias("target_table"),
        F.col(RECORD_DIGEST),
        F.lit(until).cast("timestamp").alias(RETIRED_UNTIL),
        F.lit(retirement.at).alias("retired_at"),
        F.lit(retirement.run_id).alias("run_id"),
    )
    # In the order of the digests: that of two appends must not tell which belong together.
    append(rows.orderBy(RECORD_DIGEST), ledger_table(settings, RETIRED_RECORDS))
