"""Orphan files: files in a table's directory that no snapshot references, of broken-off loads.

Finding them lists the directory. That is skipped if the snapshots show that nothing was written
since the last search.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

LOOKED = "strandline.orphans-looked-for-at"
"""The table property with the time of the last search for orphan files."""
_OBJECT_STORES = ("s3://", "s3a://", "s3n://")


def is_due(spark: SparkSession, table: str, now: datetime, before: datetime) -> bool:
    """Whether there may be new orphan files since the last search.

    Args:
        spark: The session.
        table: The table.
        now: The time from which ages are counted.
        before: Files older than this count as orphans.
    """
    row = spark.sql(f"SHOW TBLPROPERTIES {table} ('{LOOKED}')").collect()[0]
    last_search = _parsed_time(row.value)
    if last_search is None:
        return True
    # The last search skipped files that were young then; every later write has a snapshot.
    since = last_search - (now - before)
    newest = spark.table(f"{table}.snapshots").agg(F.max(F.unix_micros("committed_at"))).collect()
    micros = newest[0][0]
    return micros is not None and timedelta(microseconds=micros) > since - _EPOCH


def remove_orphan_files(
    spark: SparkSession, table: str, *, now: datetime, before: datetime, dry_run: bool
) -> int:
    """Remove the table's files that no snapshot references and that are older than `before`.

    Returns:
        How many there were.
    """
    catalog, _, name = table.partition(".")
    # Hadoop, by which a directory is listed, knows nothing of a store that Iceberg itself reads.
    by_prefix = str(_location(spark, table).startswith(_OBJECT_STORES)).lower()
    files = spark.sql(
        f"CALL {catalog}.system.remove_orphan_files(table => '{name}', "
        f"older_than => TIMESTAMP '{before.isoformat()}', dry_run => {str(dry_run).lower()}, "
        f"prefix_listing => {by_prefix})"
    ).collect()
    if not dry_run:
        spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('{LOOKED}' = '{now.isoformat()}')")
    return len(files)


def _location(spark: SparkSession, table: str) -> str:
    """Where the table's files lie."""
    rows = spark.sql(f"DESCRIBE TABLE EXTENDED {table}").where("col_name = 'Location'").collect()
    return str(rows[0].data_type) if rows else ""


def _parsed_time(text: str) -> datetime | None:
    """The time in the property; None where it is not set, for which Spark returns a sentence."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
