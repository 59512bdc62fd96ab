"""What Spark raises is told without its text, with what it means for the table."""

from __future__ import annotations

import subprocess
import sys

import pytest
from py4j.java_gateway import GatewayParameters, JavaGateway
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F

from contracts.errors import (
    DataError,
    EnvironmentUnfitError,
    KeyUnavailableError,
    LakehouseUnavailableError,
    SchemaDriftError,
    SettingsError,
    SourceAccessError,
    SourceUnavailableError,
    SourceValueError,
    StepFailedError,
    StrandlineError,
)
from contracts.model.encryption_keys import DataKey
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.transforms.protection.aes_gcm_encryption import decrypted, key_mark, token

CELL = "Zephyrine"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("java.io.IOException: No space left on device", EnvironmentUnfitError),
        ("org.apache.iceberg.jdbc.UncheckedSQLException: gone", LakehouseUnavailableError),
        ("org.postgresql.util.PSQLException: SQL state [08006]", SourceUnavailableError),
        ("org.postgresql.util.PSQLException: SQLSTATE 28P01", SourceAccessError),
        ("org.postgresql.util.PSQLException: SQLSTATE 22012", SourceValueError),
        ("org.postgresql.util.PSQLException: no state", SourceUnavailableError),
        ("java.lang.NumberFormatException: what", SourceValueError),
        ("org.apache.spark.SparkArithmeticException: what", SourceValueError),
        ("java.lang.OutOfMemoryError: Java heap space", EnvironmentUnfitError),
        ("Job aborted: Java heap space", EnvironmentUnfitError),
        ("org.apache.spark.SparkRuntimeException: what", StepFailedError),
    ],
)
def test_each_fault_is_an_error_of_its_kind_without_the_cell(said, kind):
    with pytest.raises(kind) as caught, map_spark_errors("readings", "merge"):
        raise PySparkException(f"{said} {CELL}")

    assert "readings, step merge" in str(caught.value)
    assert CELL not in str(caught.value)
    assert caught.value.__cause__ is None


class UnresolvedColumnError(AnalysisException):
    """As Spark raises it: the condition comes from the JVM."""

    def getCondition(self):  # noqa: N802 - PySpark's name
        return "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION"


def test_columns_that_do_not_fit_are_drift():
    fault = UnresolvedColumnError(f"no column {CELL}")

    with pytest.raises(SchemaDriftError) as caught, map_spark_errors("readings", "merge"):
        raise fault

    assert CELL not in str(caught.value)


@pytest.mark.parametrize(
    ("publishes", "told"), [(False, "Nothing was published."), (True, "What was published stands")]
)
def test_it_says_whether_something_may_be_published(publishes, told):
    with (
        pytest.raises(StepFailedError, match=told),
        map_spark_errors("readings", "record", publishes=publishes),
    ):
        raise PySparkException("org.apache.spark.SparkRuntimeException: what")


@pytest.fixture(scope="module")
def jdbc(postgres):
    """Options for Spark's reader, and what the block calls the source."""
    from blocks.source_database import SourceDatabase

    return SourceDatabase(
        host=postgres.host,
        port=postgres.port,
        user=postgres.user,
        password=postgres.password,
        statement_timeout_seconds=1,
    ).jdbc_options()


@pytest.mark.parametrize(
    ("query", "changes", "kind"),
    [
        ("SELECT 1 / (i - 1) AS a FROM generate_series(1, 3) AS i", {}, SourceValueError),
        ("SELECT 'NaN'::numeric(10, 2) AS a", {}, SourceValueError),
        ("SELECT 1e30::numeric AS a", {}, SourceValueError),
        ("SELECT nothing FROM pg_catalog.pg_class", {}, SchemaDriftError),
        ("SELECT 1 AS a FROM nowhere", {}, SchemaDriftError),
        ("SELECT pg_sleep(20)::text AS a", {}, SourceUnavailableError),
        ("SELECT 1 AS a", {"password": "guessed"}, SourceAccessError),
        ("SELECT 1 AS a", {"url": "jdbc:postgresql://127.0.0.1:1/x"}, SourceUnavailableError),
        ("SELECT lo_create(0)::text AS a", {}, SettingsError),
    ],
)
def test_what_the_source_says_to_spark_means_what_it_says_to_us(spark, jdbc, query, changes, kind):
    with pytest.raises(StrandlineError) as caught, map_spark_errors("readings", "protect"):
        spark.read.format("jdbc").options(**{**jdbc, **changes}, query=query).load().collect()

    assert type(caught.value) is kind


def test_a_process_of_sparks_that_is_gone_is_told_as_what_it_is():
    gone = JavaGateway(gateway_parameters=GatewayParameters(port=1))

    with (
        pytest.raises(EnvironmentUnfitError, match="driver_memory"),
        map_spark_errors("t", "merge"),
    ):
        gone.jvm.java.lang.System.currentTimeMillis()


def test_another_connection_that_is_refused_is_not_taken_for_sparks():
    with pytest.raises(ConnectionRefusedError), map_spark_errors("readings", "merge"):
        raise ConnectionRefusedError


KILLED = """
import os, signal, threading
from pyspark.sql import SparkSession
from contracts.errors import EnvironmentUnfitError
from tasks.run.spark_error_mapping import map_spark_errors

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
gateway = spark.sparkContext._gateway
pid = gateway.jvm.java.lang.ProcessHandle.current().pid()
frame = spark.range(10**15).selectExpr("sum(hash(id))")
threading.Timer(1, os.kill, [pid, signal.SIGKILL]).start()
for ask in (frame.collect, frame.collect, lambda: spark.range(1)):
    try:
        with map_spark_errors("readings", "protect"):
            ask()
    except EnvironmentUnfitError as error:
        print("told:", error.next_step)
os._exit(0)
"""


def test_spark_that_is_killed_at_its_work_ends_in_no_traceback(spark):
    ended = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, timeout=600, check=True
    )

    assert ended.stdout.count("told: Raise `driver_memory`") == 3
    assert "Traceback" not in ended.stderr


def test_a_token_that_does_not_open_and_a_missing_key_are_told(spark, lake_namespace):
    made, other = DataKey("made", b"m" * 32), DataKey("other", b"o" * 32)
    sealed = token(F.lit(CELL), kind="string", key=made, table="t", column="c")
    spark.range(1).select(sealed.alias("c")).writeTo(f"{lake_namespace}.sealed").create()
    opened = decrypted(F.col("c"), {"other": other}, table="t", column_name="c", kind="string")
    rows = spark.table(f"{lake_namespace}.sealed").select(opened.alias("c"))

    for act in (rows.collect, lambda: rows.writeTo(f"{lake_namespace}.opened").create()):
        with pytest.raises(KeyUnavailableError) as caught, map_spark_errors("readings", "fix"):
            act()
        assert caught.value.found == f"no key with the mark {key_mark('made').hex()}"
        assert CELL not in str(caught.value)

    moved = decrypted(F.col("c"), {"made": made}, table="t", column_name="d", kind="string")
    with pytest.raises(DataError, match="changed, or moved") as found, map_spark_errors("a", "b"):
        spark.table(f"{lake_namespace}.sealed").select(moved).collect()
    assert type(found.value) is DataError
