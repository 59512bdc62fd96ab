"""Run by test_spark_runtime.py: a JVM that can not be started, is, is stopped, and is once more."""

from __future__ import annotations

import sys
from pathlib import Path

from blocks.lakehouse import Lakehouse
from blocks.spark_runtime import SparkRuntime
from contracts.errors import EnvironmentUnfitError
from tests.blocks.saying import say
from tests.quick_spark import QUICK, QUICK_JAVA

PLACE = Path(sys.argv[1])
OFFLINE = """<ivysettings>
<settings defaultResolver="none"/>
<resolvers><filesystem name="none"><artifact pattern="/nowhere/[artifact].[ext]"/></filesystem>
</resolvers></ivysettings>"""


def runtime(*, driver_memory: str = "1g", **configuration: str) -> SparkRuntime:
    return SparkRuntime(
        master="local[2]",
        shuffle_partitions=2,
        log_directory=PLACE / "logs",
        driver_memory=driver_memory,
        configuration={"spark.driver.extraJavaOptions": QUICK_JAVA, **QUICK, **configuration},
    )


def failing(block: SparkRuntime, lakehouse: Lakehouse, reason: str) -> bool:
    try:
        block.session(lakehouse)
    except EnvironmentUnfitError as error:
        return reason in error.found and "spark-" in error.next_step and "\n" not in str(error)
    return False


def main() -> None:
    sqlite = Lakehouse(warehouse=str(PLACE / "lake"), uri=f"jdbc:sqlite:{PLACE}/catalog.db")
    say("too little memory", failing(runtime(driver_memory="1m"), sqlite, "memory"))
    # Without a repository there is nothing to wait for, and with an empty cache nothing to find.
    (PLACE / "offline.xml").write_text(OFFLINE)
    offline = {
        "spark.jars.ivySettings": str(PLACE / "offline.xml"),
        "spark.jars.ivy": str(PLACE / "ivy"),
    }
    say("no such jar", failing(runtime(**offline), sqlite, "jar"))
    spark = runtime().session(sqlite)
    spark.sql("CREATE NAMESPACE lake.shop")
    spark.sql("CREATE TABLE lake.shop.t AS SELECT 2 AS i")
    say("started", spark.table("lake.shop.t").count() == 1)
    spark.stop()
    again = runtime().session(sqlite)
    say("started again", [row.i for row in again.table("lake.shop.t").collect()] == [2])
    again.stop()


if __name__ == "__main__":
    main()
