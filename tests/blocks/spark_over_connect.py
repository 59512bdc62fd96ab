"""Run by test_spark_runtime.py: a process that speaks Spark Connect can't speak otherwise too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pydantic import SecretStr
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from blocks.embedded_postgres import EmbeddedPostgres
from blocks.lakehouse import Lakehouse
from blocks.spark_runtime import SparkRuntime
from tests.blocks.saying import say

PLACE = Path(sys.argv[1])


def main() -> None:
    server = EmbeddedPostgres(Path(sys.argv[2]))
    server.start()
    lakehouse = Lakehouse(
        warehouse=str(PLACE / "lake"),
        uri=f"jdbc:postgresql://127.0.0.1:{server.port}/connected",
        user=server.user,
        password=server.password,
    )
    runtime = SparkRuntime(
        kind="connect", master="local[2]", driver_memory="1g", log_directory=PLACE / "logs"
    )
    spark = runtime.session(lakehouse)
    spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.shop")
    spark.range(3).select(F.col("id").cast("int").alias("i")).writeTo("lake.shop.t").create()
    read = sorted(row.i for row in spark.table("lake.shop.t").collect())
    say("connect", read == [0, 1, 2] and "connect" in type(spark).__module__)

    other = lakehouse.model_copy(update={"warehouse": str(PLACE / "other")})
    second = runtime.session(other)
    second.sql("CREATE NAMESPACE IF NOT EXISTS lake.other")
    second.sql("CREATE TABLE lake.other.t AS SELECT 1 AS i")
    lies_apart = list((PLACE / "other").rglob("*.parquet")) != []
    alone = runtime.session(lakehouse, shared=False)
    say("sessions", runtime.session(lakehouse) is spark and alone is not spark and lies_apart)

    # As if the server were elsewhere: it has the catalog's password, so none is sent.
    port = spark.conf.get("spark.connect.grpc.binding.port")
    elsewhere = runtime.model_copy(update={"master": f"sc://localhost:{port}"})
    changed = lakehouse.model_copy(update={"password": SecretStr("not sent")})
    away = elsewhere.session(changed)
    say("elsewhere", sorted(row.i for row in away.table("lake.shop.t").collect()) == [0, 1, 2])

    # Another user of this machine, who can reach the port, has no token.
    say("protected", refused(spark))
    spark.stop()


def refused(spark) -> bool:
    from pyspark.sql.connect.session import SparkSession

    os.environ["SPARK_CONNECT_AUTHENTICATE_TOKEN"] = "guessed"  # noqa: S105
    port = spark.conf.get("spark.connect.grpc.binding.port")
    try:
        SparkSession.builder.remote(f"sc://localhost:{port}").create().sql("SELECT 1").collect()
    except PySparkException as error:
        return "token" in str(error).lower()
    return False


if __name__ == "__main__":
    main()
