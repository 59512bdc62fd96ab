"""First loads and loads of changes, here and on AWS, and plain statements for the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.aws.place import BUCKET, Place
from benchmarks.load.accounts import SPARK_DIGEST
from benchmarks.load.case import Case
from benchmarks.load.contract import CONNECTION, target
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from flows.load_table import load_table
from tasks.run.progress_listeners import Progress, listening
from tools.aws_double.aws_server import Kept

__all__ = ["PLAIN", "Measured", "measure"]

Say = Callable[[str], None]
PLAIN = "plain"
"""The namespace of the table that plain statements change."""
_OPENING = "before the first step"


@dataclass(slots=True)
class Measured:
    """What was measured.

    Attributes:
        seconds: Of each round's load, by where it was: `here` and `there`; moto's own included.
        calls: Of each round, the load's calls with their steps.
        plain: Of each round, the calls of the plain append and MERGE.
        right: Whether the open versions are the source's rows, in both.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"here": [], "there": []})
    calls: list[list[Kept]] = field(default_factory=list)
    plain: list[list[Kept]] = field(default_factory=list)
    right: bool = False


def measure(place: Place, case: Case, say: Say) -> Measured:
    """First loads, a round that warms up, then the measured rounds."""
    measured = Measured()
    for settings in (place.here, place.there):
        _load(place, settings, case)
    spark = place.there.spark.session(place.there.lakehouse)
    table = f"there.{PLAIN}.accounts"
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS there.{PLAIN}")
    spark.sql(
        f"CREATE TABLE {table} TBLPROPERTIES "
        "('format-version' = '3', 'write.merge.mode' = 'merge-on-read') "
        f"AS TABLE there.{target(case)}"
    )
    say(f"{case.rows:,} rows loaded twice, and a plain table of them")
    for number in case.numbers:
        before = place.accounts.now()
        changed = place.accounts.change(case, number)
        here = _load(place, place.here, case)
        mark = place.server.mark()
        there = _load(place, place.there, case)
        calls = place.server.since(mark)
        mark = place.server.mark()
        _plain(spark, table, _batch(spark, before))
        plain = place.server.since(mark)
        say(f"{changed.updated:,} changed: {len(calls)} calls, plain {len(plain)}")
        if number == case.numbers[0]:
            continue
        measured.seconds["here"].append(here)
        measured.seconds["there"].append(there)
        measured.calls.append(calls)
        measured.plain.append(plain)
    wanted = place.accounts.standing()
    measured.right = all(
        _standing(settings, case) == wanted for settings in (place.here, place.there)
    )
    return measured


def _load(place: Place, settings: RunSettings, case: Case) -> float:
    place.choose(settings)
    place.server.step = _OPENING

    def look(progress: Progress) -> None:
        if progress.state == "begun":
            place.server.step = progress.step

    with listening(look):
        began = time.perf_counter()
        load_table(case.name)
        return time.perf_counter() - began


def _batch(spark: SparkSession, since: str) -> DataFrame:
    """The rows that have changed, held here so that reading them makes no call."""
    source = block_lookup.source(CONNECTION)
    changed = (
        spark.read.format("jdbc")
        .options(**source.jdbc_options(), dbtable="bench.accounts")
        .load()
        .where(F.col("updated_at") >= F.lit(since).cast("timestamp_ntz"))
    )
    return spark.createDataFrame(changed.collect(), changed.schema)


def _plain(spark: SparkSession, table: str, batch: DataFrame) -> None:
    """An append of the rows, and a MERGE that closes what they replace."""
    batch.createOrReplaceTempView("batch")
    spark.sql(
        f"MERGE INTO {table} AS t USING batch AS b ON t.id = b.id AND t.is_current "
        "WHEN MATCHED THEN UPDATE SET is_current = false, valid_to = b.updated_at"
    )
    columns = {name: name for name in batch.columns} | {
        "surrogate_key": "id",
        "valid_from": "updated_at",
        "is_current": "true",
        "email": "encode(email, 'utf-8')",
        "recorded_at": "updated_at",
    }
    shown = [
        F.expr(columns.get(each.name, "NULL")).cast(each.dataType).alias(each.name)
        for each in spark.table(table).schema
    ]
    batch.select(*shown).writeTo(table).append()


def _standing(settings: RunSettings, case: Case) -> tuple[str, ...]:
    spark = settings.spark.session(settings.lakehouse)
    table = spark.table(f"{settings.lakehouse.catalog}.{target(case)}").where("is_current")
    (row,) = table.selectExpr(*SPARK_DIGEST).collect()
    return tuple(row)


def of_lakehouse(kept: Kept) -> bool:
    """Whether a call is one of the catalog or of the files, and not of keys."""
    return kept.call.service == "glue" or kept.call.bucket == BUCKET
