"""Sorts more rows than it may keep, once tagged and once not, and prints what was spilled."""

from __future__ import annotations

import sys
from pathlib import Path

from blocks.lakehouse import Lakehouse
from blocks.spark_runtime import SparkRuntime
from tasks.observability.spark_spill import spilled_bytes


def main(root: Path) -> None:
    runtime = SparkRuntime(
        master="local[2]",
        ui=True,
        log_directory=root / "logs",
        shuffle_partitions=2,
        configuration={
            "spark.shuffle.spill.numElementsForceSpillThreshold": "1000",
            "spark.ui.port": "0",
        },
    )
    lakehouse = Lakehouse(
        catalog="lake", warehouse=str(root / "warehouse"), uri=f"jdbc:sqlite:{root / 'catalog.db'}"
    )
    spark = runtime.session(lakehouse)
    rows = spark.range(20_000).selectExpr("id % 7 AS a", "id AS b")
    for tag in ("tagged", None):
        if tag is not None:
            spark.addTag(tag)
        few = rows.repartition(2, "a").sortWithinPartitions("b")
        few.write.format("noop").mode("overwrite").save()
        spark.clearTags()
    told = [spilled_bytes(spark, tag) for tag in ("tagged", "unknown")]
    sys.stdout.write(f"{told[0]} {told[1]}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
