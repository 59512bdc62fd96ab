from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
FAILING_QUERIES = """
import sys
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession, functions as F
from blocks.spark.java_installation import ensure_java
from blocks.spark.jvm_class_archive import archive_option
from blocks.spark.log4j_config import JVM_LOG_OPTION, silence_query_loggers
from tests.quick_spark import QUICK, QUICK_JAVA

ensure_java()
silence_query_loggers()
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.extraJavaOptions", f"{JVM_LOG_OPTION} {archive_option()} {QUICK_JAVA}")
    .config(map=QUICK)
    .getOrCreate()
)
rows = spark.range(1).select(F.concat(F.lit("CANARY"), F.lit("-"), "id").alias("value"))
rows.createOrReplaceTempView("rows")
tries = [
    lambda: spark.sql("SELECT CAST(value AS BIGINT) FROM rows").collect(),
    lambda: rows.select(F.col("value").cast("date")).collect(),
    lambda: rows.select(F.col("value").cast("bigint")).write.parquet(sys.argv[1]),
]
for query in tries:
    try:
        query()
    except PySparkException as error:
        print("told", "CANARY-0" in str(error))
"""


def test_a_value_that_makes_a_query_fail_is_in_the_exception_and_in_no_log(tmp_path: Path):
    outcome = subprocess.run(
        [sys.executable, "-c", FAILING_QUERIES, str(tmp_path / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert outcome.stdout.split() == ["told", "True"] * 3
    assert "CANARY" not in outcome.stderr
