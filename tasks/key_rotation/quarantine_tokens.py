"""The tokens of one table's refused rows, encrypted again in the quarantine.

Promise: written on a branch of the ledger, audited there, published by one move of `main`. All but
the tokens stays as it is, to the letter, in settled rows as in those that are held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.errors import CommitConflictError
from history.iceberg import branches
from history.iceberg.current_snapshot import current_snapshot
from history.iceberg.history_table import exists
from history.model.change_batch import audit_branch_name
from history.spark.checkpoint import checkpoint
from history.upkeep.rewrite_values import refuse_other_meaning, row_totals
from history.writing.quarantine_table import EVENT_FORM, SOURCE_FORM
from tasks.transforms.protection.column_protection import ColumnProtection
from tasks.transforms.protection.token_reencryption import (
    Reencryption,
    meaning_of_texts,
    reencrypted_texts,
)
from tasks.transforms.rows_from_quarantine import form

_ATTEMPTS = 5
_ID = "concat_ws('/', {0}batch_id, {0}row_digest, sha2({0}row, 256))"


@dataclass(frozen=True, slots=True)
class QuarantinedTable:
    """The refused rows of one table.

    Attributes:
        ledger: The quarantine's table.
        target: The table whose rows they are, with its catalog.
        protection: Which fields of them are protected.
    """

    ledger: str
    target: str
    protection: ColumnProtection

    def rows(self, spark: SparkSession, snapshot_id: int) -> DataFrame:
        """They as they are in one snapshot."""
        ledger = spark.read.option("versionAsOf", snapshot_id).table(self.ledger)
        return ledger.where(F.col("target_table") == self.target)


def quarantined_rows(spark: SparkSession, table: QuarantinedTable) -> int:
    """How many refused rows of the table there are, settled ones among them."""
    if not exists(spark, table.ledger):
        return 0
    return spark.table(table.ledger).where(F.col("target_table") == table.target).count()


def reencrypt_quarantine(
    spark: SparkSession, table: QuarantinedTable, how: Reencryption, *, run_id: str
) -> int:
    """Encrypt again what other keys encrypted; returns how many rows changed.

    Loads of other tables write to the ledger too: where one was faster, it is done again.

    Raises:
        AuditError: The rows do not mean the same afterwards; nothing was published.
        CommitConflictError: Others were faster each time.
        KeyUnavailableError: No key of the ring made a token.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _reencrypt(spark, table, how, run_id)
        except CommitConflictError:
            if attempt == _ATTEMPTS:
                raise
    return 0


def _reencrypt(spark: SparkSession, table: QuarantinedTable, how: Reencryption, run_id: str) -> int:
    base = current_snapshot(spark, table.ledger)
    if base is None:
        return 0
    branch = audit_branch_name(f"rewrite-{run_id}")
    rows = table.rows(spark, base)
    again = F.coalesce(*_by_form(table, reencrypted_texts, how))
    changed = rows.select(F.expr(_ID.format("")).alias("__id"), again.alias("__row"))
    found = checkpoint(
        changed.where(F.col("__row").isNotNull()).dropDuplicates(["__id"]),
        {"rows": F.count(F.lit(1))},
    )
    count = int(found.counts["rows"])
    if not count:
        return 0
    branches.create(spark, table.ledger, branch, base)
    try:
        _merge(spark, table, found.rows, branch, run_id)
        head = branches.head(spark, table.ledger, branch)
        totals = [row_totals(_meaning(table, spark, each, how)) for each in (base, head)]
        refuse_other_meaning(f"{table.ledger}, rows of {table.target}", *totals)
        branches.fast_forward(spark, table.ledger, branch)
    finally:
        branches.drop(spark, table.ledger, branch)
    return count


def _merge(
    spark: SparkSession, table: QuarantinedTable, rows: DataFrame, branch: str, run_id: str
) -> None:
    view = f"strandline_rewrite_{run_id.replace('-', '')}"
    rows.createOrReplaceTempView(view)
    try:
        spark.sql(
            f"MERGE INTO {branches.branch_of(table.ledger, branch)} t USING {view} s "
            f"ON t.target_table = :target AND {_ID.format('t.')} = s.__id "
            "WHEN MATCHED THEN UPDATE SET row = s.__row",
            {"target": table.target},
        )
    finally:
        spark.catalog.dropTempView(view)


def _meaning(
    table: QuarantinedTable, spark: SparkSession, snapshot_id: int, how: Reencryption
) -> DataFrame:
    rows = table.rows(spark, snapshot_id)
    texts = _by_form(table, meaning_of_texts, how)
    return rows.withColumn("row", F.coalesce(*texts, F.col("row")))


def _by_form(
    table: QuarantinedTable, change: Callable[..., Column], how: Reencryption
) -> list[Column]:
    """What `change` makes of rows of the source, and of events; each null for the other."""
    kind = form(table.protection.sources)
    fields = {
        SOURCE_FORM: table.protection.tokens_of_source_rows,
        EVENT_FORM: {name: name for name in table.protection.encrypted},
    }
    return [
        change(F.when(kind == each, F.col("row")), how, names, url_safe=each == SOURCE_FORM)
        for each, names in fields.items()
    ]
