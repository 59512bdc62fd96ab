"""Erasing rows of a ledger, which all tables share and loads of others write to meanwhile."""

from __future__ import annotations

import time

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from contracts.errors import CommitConflictError
from history.spark.checkpoint import checkpoint
from history.upkeep.compaction import rewrite_data_files
from history.upkeep.erase_rows import ANY_DELETE
from history.upkeep.purge_states import PurgedStates, purge_table

_ATTEMPTS = 8
_VIEW = "strandline_erased_ledger_rows"


def erase_ledger_rows(
    spark: SparkSession, ledger: str, rows: DataFrame, condition: str
) -> PurgedStates:
    """Delete rows of a ledger, and with them every older state of it.

    Args:
        spark: A session with the lakehouse's catalog.
        ledger: The ledger's table.
        rows: What the rows to delete are told by.
        condition: When a row `t` of the ledger is one of the rows `s`, in SQL.

    Raises:
        CommitConflictError: Others wrote to the ledger each time.
    """
    checkpoint(rows.distinct()).rows.createOrReplaceTempView(_VIEW)
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                spark.sql(
                    f"MERGE INTO {ledger} t USING {_VIEW} s ON {condition} WHEN MATCHED THEN DELETE"
                )
                rewrite_data_files(spark, ledger, "main", (), ANY_DELETE)
                break
            except (Py4JJavaError, PySparkException) as error:
                if not any(word in str(error) for word in ("onflict", "CommitFailed")):
                    raise
                if attempt == _ATTEMPTS:
                    raise _others_were_faster(ledger) from None
                time.sleep(0.2 * attempt)
    finally:
        spark.catalog.dropTempView(_VIEW)
    return purge_table(spark, ledger)


def _others_were_faster(ledger: str) -> CommitConflictError:
    return CommitConflictError(
        where=ledger,
        expected="a moment without other writers",
        found=f"that loads wrote to it {_ATTEMPTS} times meanwhile",
        next_step="Run the command again; it goes on where it stopped.",
    )
