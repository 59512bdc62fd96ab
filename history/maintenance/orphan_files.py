"""Files in a table's directory that no snapshot knows: of loads that ended halfway.

Looking for them lists the directory. That is left out where nothing was written since the last
look, as far as snapshots tell.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

LOOKED = "strandline.orphans-looked-for-at"
"""The table property that says when files left over were last looked for."""


def is_due(spark: SparkSession, table: str, now: datetime, before: datetime) -> bool:
    """Whether files may have been left over since the last look.

    Args:
        spark: The session.
        table: The table.
        now: The time from which ages are counted.
        before: The age from which a file counts as left over.
    """
    row = spark.sql(f"SHOW TBLPROPERTIES {table} ('{LOOKED}')").collect()[0]
    looked = _moment_of(row.value)
    if looked is None:
        return True
    # The last look spared what was young then; anything since is seen by its snapshot.
    since = looked - (now - before)
    newest = spark.table(f"{table}.snapshots").agg(F.max(F.unix_micros("committed_at"))).collect()
    micros = newest[0][0]
    return micros is not None and timedelta(microseconds=micros) > since - _EPOCH


def remove_orphan_files(
    spark: SparkSession, table: str, *, now: datetime, before: datetime, dry_run: bool
) -> int:
    """Remove the table's files that no snapshot knows and that are older than `before`.

    Returns:
        How many there were.
    """
    catalog, _, rest = table.partition(".")
    found = spark.sql(
        f"CALL {catalog}.system.remove_orphan_files(table => '{rest}', "
        f"older_than => TIMESTAMP '{before.isoformat()}', dry_run => {str(dry_run).lower()})"
    ).collect()
    if not dry_run:
        spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('{LOOKED}' = '{now.isoformat()}')")
    return len(found)


def _moment_of(text: str) -> datetime | None:
    """Where the property is not set, Spark answers with a sentence that says so."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
