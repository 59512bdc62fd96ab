"""Archives Spark's classes in the form that the JVM uses (CDS), beside the environment.

`python -m deployments.build_jvm_class_archive` makes the archive (JEP 350); set-up does it once,
and fetches Java and Spark's jars along the way. A start then takes six tenths of the time.

Promise: an archive that another Java or Spark made is ignored, as if it were missing.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from blocks.lakehouse import Lakehouse
from blocks.source_database import SourceDatabase
from blocks.spark.jvm_class_archive import ARCHIVE, option
from blocks.spark.jvm_launch import end
from blocks.spark_runtime import SparkRuntime

_QUICK = "-XX:TieredStopAtLevel=1"
"""The first compiler alone: each query runs once here."""


def make() -> None:
    """Start Spark, run queries of every kind, and archive the classes that it loaded.

    Does nothing when the archive exists.

    Raises:
        EnvironmentUnfitError: There is no suitable Java, or Spark does not start.
    """
    if ARCHIVE.is_file():
        return
    # Renamed once it is complete: a JVM trusts the file under the final name.
    unfinished = ARCHIVE.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="strandline-archive-") as folder:
        runtime = SparkRuntime(
            master="local[1]",
            shuffle_partitions=1,
            log_directory=Path(folder),
            configuration={
                "spark.driver.extraJavaOptions": (
                    f"{option('ArchiveClassesAtExit', unfinished)} {_QUICK}"
                )
            },
        )
        lakehouse = Lakehouse(
            catalog="lake", warehouse=f"{folder}/lake", uri=f"jdbc:sqlite:{folder}/catalog.db"
        )
        source = SourceDatabase(embedded_directory=Path(folder))
        session = runtime.session(lakehouse, *source.packages())
        _exercise(session)
        end(session)
    unfinished.replace(ARCHIVE)


def _exercise(spark: SparkSession) -> None:
    """Run queries of the kinds that a load makes; their results do not matter."""
    spark.sql("CREATE NAMESPACE lake.n")
    rows = spark.range(100).select(
        "id",
        F.struct(F.col("id").alias("a"), F.current_timestamp().alias("t")).alias("s"),
        F.when(F.col("id") % 3 == 0, F.lit("x")).alias("c"),
        F.lit("1.5").cast("decimal(10,2)").alias("d"),
    )
    rows.writeTo("lake.n.t").using("iceberg").partitionedBy(F.col("c")).create()
    source_rows = spark.table("lake.n.t").localCheckpoint()
    source_rows.createOrReplaceTempView("source_rows")
    spark.sql(
        """
        MERGE INTO lake.n.t USING source_rows ON t.id = source_rows.id AND source_rows.id < 10
        WHEN MATCHED THEN UPDATE SET t.c = 'y'
        """
    )
    spark.sql(
        """
        SELECT c, count(*), count(DISTINCT id), to_json(max(s)), sum(d),
            max(n), count_if(sha2(c, 256) IS NULL)
        FROM (
            SELECT t.*, row_number() OVER (PARTITION BY t.c ORDER BY t.id) AS n
            FROM lake.n.t LEFT JOIN source_rows USING (id)
        ) t
        GROUP BY c ORDER BY c
        """
    ).collect()
    spark.range(3).mapInArrow(lambda batches: batches, "id bigint").collect()
    spark.sql("SELECT * FROM lake.n.t.snapshots").collect()
    spark.sql("DROP TABLE lake.n.t PURGE")


if __name__ == "__main__":
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    make()
