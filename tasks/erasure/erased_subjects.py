"""The ledger of erased persons: what a load must not bring back.

Promise: a person is listed before the first row is erased, so that no load in between, and none
after an erasure that was stopped, keeps a row about them. A table nobody was erased from costs its
loads one look whether the ledger is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from history.iceberg.history_table import exists
from tasks.observability.ledger_tables import append, ensure_ledger
from tasks.run.run_context import ledger_table
from tasks.transforms.subject_digests import SUBJECT_DIGEST, names_literal

ERASED_SUBJECTS = "erased_subjects"


def erased_digests(
    spark: SparkSession, settings: RunSettings, target: str
) -> Mapping[tuple[str, ...], DataFrame]:
    """The digests of the persons erased from a table, by the columns that named them.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where the ledger lies.
        target: The history table, with its catalog.

    Returns:
        Frames with `SUBJECT_DIGEST`, each person once.
    """
    table = ledger_table(settings, ERASED_SUBJECTS)
    if not exists(spark, table):
        return {}
    erased = spark.table(table).where(is_erased(target))
    named_by = [tuple(row[0]) for row in erased.select("subject_columns").distinct().collect()]
    return {
        columns: erased.where(F.col("subject_columns") == names_literal(columns))
        .select(SUBJECT_DIGEST)
        .distinct()
        for columns in sorted(named_by)
    }


def is_erased(target: str) -> Column:
    """Whether a row of the ledger keeps a person of the table away."""
    return (F.col("target_table") == target) & F.col("lifted_at").isNull()


def record_erased(
    spark: SparkSession,
    settings: RunSettings,
    target: str,
    columns: tuple[str, ...],
    digests: DataFrame,
    *,
    erasure_id: str,
    at: datetime,
) -> None:
    """List persons as erased, by their `SUBJECT_DIGEST`; those that are listed stay as they are.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where the ledger lies.
        target: The history table.
        columns: The subject columns.
        digests: The persons.
        erasure_id: The erasure.
        at: When it began; timezone-aware.
    """
    ensure_ledger(spark, settings, ERASED_SUBJECTS)
    table = ledger_table(settings, ERASED_SUBJECTS)
    listed = spark.table(table).where(is_erased(target))
    listed = listed.where(F.col("subject_columns") == names_literal(columns)).select(SUBJECT_DIGEST)
    new = digests.select(SUBJECT_DIGEST).distinct().join(listed, SUBJECT_DIGEST, "left_anti")
    rows = new.select(
        F.lit(target).alias("target_table"),
        names_literal(columns).alias("subject_columns"),
        F.col(SUBJECT_DIGEST),
        F.lit(erasure_id).alias("erasure_id"),
        F.lit(at).alias("erased_at"),
        *[F.lit(None).cast("timestamp").alias(name) for name in ("verified_at", "lifted_at")],
    )
    append(rows, table)


def unverified(
    spark: SparkSession,
    settings: RunSettings,
    target: str,
    columns: tuple[str, ...],
    digests: DataFrame,
) -> frozenset[str]:
    """Those of the persons that an erasure began with and did not end."""
    table = ledger_table(settings, ERASED_SUBJECTS)
    if not exists(spark, table):
        return frozenset()
    begun = spark.table(table).where(is_erased(target) & F.col("verified_at").isNull())
    begun = begun.where(F.col("subject_columns") == names_literal(columns))
    rows = begun.join(digests.select(SUBJECT_DIGEST), SUBJECT_DIGEST, "left_semi")
    return frozenset(row[0] for row in rows.select(SUBJECT_DIGEST).distinct().collect())


def record_verified(
    spark: SparkSession,
    settings: RunSettings,
    target: str,
    columns: tuple[str, ...],
    digests: DataFrame,
    *,
    at: datetime,
) -> None:
    """Note that no row about the persons was found any more."""
    _set(spark, settings, target, columns, digests, "verified_at", at)


def lift(
    spark: SparkSession,
    settings: RunSettings,
    target: str,
    columns: tuple[str, ...],
    digests: DataFrame,
    *,
    at: datetime,
) -> int:
    """Let loads keep rows about the persons again; returns how many of them were listed."""
    table = ledger_table(settings, ERASED_SUBJECTS)
    if not exists(spark, table):
        return 0
    listed = spark.table(table).where(is_erased(target))
    listed = listed.where(F.col("subject_columns") == names_literal(columns))
    listed = listed.join(digests.select(SUBJECT_DIGEST), SUBJECT_DIGEST, "left_semi")
    count = listed.select(SUBJECT_DIGEST).distinct().count()
    if count:
        _set(spark, settings, target, columns, digests, "lifted_at", at)
    return count


def _set(
    spark: SparkSession,
    settings: RunSettings,
    target: str,
    columns: tuple[str, ...],
    digests: DataFrame,
    name: str,
    at: datetime,
) -> None:
    table, view = ledger_table(settings, ERASED_SUBJECTS), "strandline_erased_subjects"
    persons = digests.select(SUBJECT_DIGEST).distinct()
    persons.withColumn("columns", names_literal(columns)).createOrReplaceTempView(view)
    try:
        spark.sql(
            f"MERGE INTO {table} t USING {view} s ON t.target_table = :target "
            f"AND t.subject_columns = s.columns AND t.{SUBJECT_DIGEST} = s.{SUBJECT_DIGEST} "
            f"AND t.lifted_at IS NULL AND t.{name} IS NULL "
            f"WHEN MATCHED THEN UPDATE SET {name} = :at",
            {"target": target, "at": at},
        )
    finally:
        spark.catalog.dropTempView(view)
