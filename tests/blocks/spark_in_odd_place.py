"""Run by test_spark_runtime.py: everything of a run in a directory whose name needs care."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blocks.embedded_postgres import EmbeddedPostgres
from blocks.lakehouse import Lakehouse
from blocks.spark.jvm_launch import end
from blocks.spark_runtime import SparkRuntime
from history.iceberg import branches
from history.upkeep import orphan_files
from tests.blocks.saying import say
from tests.quick_spark import QUICK, QUICK_JAVA

PLACE = Path(sys.argv[1])


def runtime() -> SparkRuntime:
    return SparkRuntime(
        master="local[2]",
        shuffle_partitions=2,
        log_directory=PLACE / "logs",
        configuration={
            "spark.local.dir": str(PLACE / "scratch"),
            "spark.driver.extraJavaOptions": QUICK_JAVA,
            **QUICK,
        },
        driver_memory="1g",
    )


def files(folder: Path, suffix: str) -> set[Path]:
    return {path for path in folder.rglob(f"*{suffix}") if path.is_file()}


def main() -> None:
    lakehouse = Lakehouse(warehouse=str(PLACE / "lake"), embedded_directory=PLACE / "server")
    lakehouse.check()
    spark = runtime().session(lakehouse)
    spark.sql("CREATE NAMESPACE lake.shop")
    spark.sql("CREATE TABLE lake.shop.t (i int, t string) PARTITIONED BY (t)")
    spark.sql("INSERT INTO lake.shop.t VALUES (1, 'a b'), (2, 'ü%20?#')")
    head = spark.table("lake.shop.t.snapshots").first().snapshot_id
    branches.create(spark, "lake.shop.t", "audit_1", head)
    spark.sql("DELETE FROM lake.shop.t.branch_audit_1 WHERE i = 1")
    branches.fast_forward(spark, "lake.shop.t", "audit_1")
    say("read", [row.i for row in spark.table("lake.shop.t").collect()] == [2])
    say("files", len(files(PLACE / "lake" / "shop", ".parquet")) >= 2)
    say("log", len(files(PLACE / "logs", ".log")) == 1)

    left_over = next(iter(files(PLACE / "lake", ".parquet"))).with_name("left over ü.parquet")
    left_over.write_bytes(b"")
    for file in files(PLACE / "lake", ""):
        os.utime(file, (0, 0))
    now = datetime.now(UTC)
    before = now - timedelta(days=2)
    counted = orphan_files.remove_orphan_files(
        spark, "lake.shop.t", now=now, before=before, dry_run=False
    )
    say("left over", counted == 1 and not left_over.exists())
    say("kept", [row.i for row in spark.table("lake.shop.t").collect()] == [2])
    spark.range(1000).repartition(3).count()
    say("scratch", (PLACE / "scratch").is_dir())
    end(spark)
    EmbeddedPostgres(PLACE / "server").stop()
    say("nothing beside it", [path.name for path in PLACE.parent.iterdir()] == [PLACE.name])


if __name__ == "__main__":
    main()
