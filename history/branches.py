"""Branches of one load: written aside, published by moving main."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from contracts.errors import CommitConflictError

_PREFIX = "audit_"


def branch_name(batch_id: str) -> str:
    """The audit branch of a batch."""
    return _PREFIX + re.sub(r"\W", "_", batch_id)


def branch_of(table: str, branch: str) -> str:
    """The identifier under which a branch is written."""
    return f"{table}.branch_{branch}"


def start(spark: SparkSession, table: str, branch: str, snapshot_id: int) -> None:
    """Begin the branch at a snapshot, in place of one that an earlier try left."""
    spark.sql(
        f"ALTER TABLE {table} CREATE OR REPLACE BRANCH `{branch}` AS OF VERSION {snapshot_id}"
    )


def drop(spark: SparkSession, table: str, branch: str) -> None:
    """Forget the branch; its unpublished files go with the next snapshot expiry."""
    spark.sql(f"ALTER TABLE {table} DROP BRANCH IF EXISTS `{branch}`")


def head(spark: SparkSession, table: str, branch: str) -> int:
    """The snapshot at the head of a branch."""
    name = branch.replace("'", "")
    rows = spark.sql(f"SELECT snapshot_id FROM {table}.refs WHERE name = '{name}'").collect()  # noqa: S608
    return int(rows[0].snapshot_id)


def publish(spark: SparkSession, table: str, branch: str) -> None:
    """Move main to the branch's head, if main is where the branch began.

    Raises:
        CommitConflictError: Another writer published in between.
    """
    catalog, _, rest = table.partition(".")
    try:
        spark.sql(f"CALL {catalog}.system.fast_forward('{rest}', 'main', '{branch}')").collect()
    except (Py4JJavaError, PySparkException) as error:
        text = str(error)
        if "ancestor" not in text and "CommitFailed" not in text and "onflict" not in text:
            raise
        raise CommitConflictError(
            where=table,
            expected="the table as it was when the load was planned",
            found="that another writer published first",
            next_step="Run the load again; it is planned anew on what was published.",
        ) from None


@contextmanager
def summary(spark: SparkSession, properties: Mapping[str, str]) -> Iterator[None]:
    """Put the properties into the summary of every snapshot written inside.

    They hold for the whole session: loads that run side by side need a session each.
    """
    names = {f"spark.sql.iceberg.snapshot-property.{name}": v for name, v in properties.items()}
    for name, text in names.items():
        spark.conf.set(name, text)
    try:
        yield
    finally:
        for name in names:
            spark.conf.unset(name)


def append(frame: DataFrame, target: str, properties: Mapping[str, str]) -> None:
    """Append rows to a table or branch with the properties in the snapshot's summary."""
    writer = frame.writeTo(target)
    for name, text in properties.items():
        writer = writer.option(f"snapshot-property.{name}", text)
    writer.append()
