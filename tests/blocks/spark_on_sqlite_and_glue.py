"""Run by test_spark_runtime.py: what needs a JVM that nobody has started yet."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from moto.server import ThreadedMotoServer
from prefect_aws import AwsCredentials
from pydantic import SecretStr
from pyspark.sql import SparkSession

from blocks.lakehouse import Lakehouse
from blocks.spark_runtime import SparkRuntime
from tests.blocks.saying import say
from tests.quick_spark import QUICK, QUICK_JAVA

CANARY = "canary-of-a-secret"
PLACE = Path(sys.argv[1])


def runtime() -> SparkRuntime:
    events = PLACE / "events"
    events.mkdir(exist_ok=True)
    return SparkRuntime(
        master="local[2]",
        shuffle_partitions=2,
        log_directory=PLACE / "logs",
        configuration={
            "spark.eventLog.enabled": "true",
            "spark.eventLog.compress": "false",
            "spark.eventLog.dir": events.as_uri(),
            "spark.driver.extraJavaOptions": QUICK_JAVA,
            **QUICK,
        },
        driver_memory="1g",
    )


def amazon() -> Lakehouse:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").disabled = True
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    credentials = AwsCredentials(
        aws_access_key_id="AKIA0000000000000000", aws_secret_access_key=SecretStr(CANARY)
    )
    session = credentials.get_boto3_session()
    session.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(
        Bucket="lake"
    )
    return Lakehouse(
        catalog="glue",
        kind="glue",
        warehouse="s3://lake/wh",
        region="us-east-1",
        glue_endpoint=endpoint,
        s3_endpoint=endpoint,
        s3_path_style=True,
        aws_credentials=credentials,
    )


def writes(spark: SparkSession, catalog: str) -> bool:
    spark.sql(f"CREATE NAMESPACE {catalog}.shop")
    spark.sql(f"USE {catalog}.shop")
    spark.sql("CREATE TABLE t (i int) TBLPROPERTIES ('format-version' = '3')")
    spark.sql("INSERT INTO t VALUES (1), (2)")
    spark.sql("DELETE FROM t WHERE i = 1")
    return [row.i for row in spark.table(f"{catalog}.shop.t").collect()] == [2]


def main() -> None:
    sqlite = Lakehouse(
        warehouse=str(PLACE / "lake"),
        uri=f"jdbc:sqlite:{PLACE}/catalog.db",
        password=SecretStr(CANARY),
    )
    glue = amazon()
    sqlite.check()
    glue.check()
    spark = runtime().session(sqlite, *glue.packages())
    log = next((PLACE / "logs").glob("spark-*.log"))
    say("quiet", "resolving dependencies" in log.read_text() and log.stat().st_mode & 0o077 == 0)
    say("sqlite", writes(spark, "lake"))
    say("glue", writes(runtime().session(glue), "glue"))

    shown = "\n".join(
        f"{row.key}={row.value}" for row in runtime().session(glue).sql("SET").collect()
    )
    events = "".join(p.read_text() for p in (PLACE / "events").rglob("*") if p.is_file())
    processes = subprocess.run(["/bin/ps", "auxww"], capture_output=True, text=True, check=True)
    seen = shown + events + processes.stdout + log.read_text()
    redacted = "spark.sql.catalog.glue.s3.secret" in shown and "lake.jdbc.password" in events
    say("secrets", redacted and CANARY not in seen)
    spark.stop()


if __name__ == "__main__":
    main()
