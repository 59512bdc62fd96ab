"""What every test may ask for: one Spark, one lake, one Prefect, one PostgreSQL per process.

Promise: nothing of the user's own is read or changed; everything lies in temporary directories.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

# The same examples each time: what fails on one machine fails on the next. The nightly target
# looks further, and elsewhere each night.
settings.register_profile("everyday", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("nightly", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))

# Prefect reads its settings when it is first imported, so they are set before any of our modules.
PREFECT_HOME = tempfile.mkdtemp(prefix="strandline-prefect-")
os.environ.update(
    PREFECT_HOME=PREFECT_HOME,
    PREFECT_PROFILES_PATH=os.devnull,
    PREFECT_LOGGING_LEVEL="WARNING",
    PREFECT_LOGGING_TO_API_ENABLED="false",
    PREFECT_SERVER_LOGGING_LEVEL="CRITICAL",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="240",
    PREFECT_CLI_PROMPT="false",
)
for _inherited in (
    *("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_PROFILE", "SPARK_REMOTE"),
    *("COLUMNS", "LINES"),  # of whoever started the tests; a command's output has its own width
):
    os.environ.pop(_inherited, None)
# Spark's Python workers need this environment's packages, not those of the first python3.
os.environ["PYSPARK_PYTHON"] = sys.executable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from blocks.embedded_postgres import EmbeddedPostgres
    from tests.h2_server import H2Server
    from tests.mariadb_server import MariadbServer

PACKAGES = (
    "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
    "org.postgresql:postgresql:42.7.8",
    "org.xerial:sqlite-jdbc:3.50.3.0",
    "org.mariadb.jdbc:mariadb-java-client:3.5.6",
    "com.h2database:h2:2.4.240",
    "org.apache.iceberg:iceberg-aws-bundle:1.12.0",
)


@pytest.fixture(autouse=True)
def quiet_for_its_own_processes_alone() -> Iterator[None]:
    """A command that a test runs here takes Prefect's log off the terminal of all that it starts.

    The processes of later tests would have none either, in whatever order tests run.
    """
    yield
    os.environ.pop("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """By day, leave out what is marked `nightly`."""
    from tests.night import AT_NIGHT

    if AT_NIGHT:
        return
    left_out = [item for item in items if item.get_closest_marker("nightly")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("nightly")]


def pytest_unconfigure() -> None:
    """Remove what Prefect kept."""
    shutil.rmtree(PREFECT_HOME, ignore_errors=True)


def spark_settings(warehouse: Path) -> dict[str, str]:
    """A Spark as small as the tests' tables, with one Iceberg catalog named `lake`."""
    from blocks.spark.jvm_class_archive import archive_option
    from blocks.spark.log4j_config import JVM_LOG_OPTION
    from blocks.spark.python_worker_daemon import MODULE
    from tests.quick_spark import QUICK, QUICK_JAVA

    return {
        "spark.driver.memory": "2g",
        "spark.jars.packages": ",".join(PACKAGES),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": (
            f"-Duser.timezone=UTC {JVM_LOG_OPTION} {archive_option()} {QUICK_JAVA}"
        ),
        **QUICK,
        "spark.sql.constraintPropagation.enabled": "false",
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        "spark.python.daemon.module": MODULE,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.default.parallelism": "2",
        "spark.sql.shuffle.partitions": "2",
        # Adaptive planning is what production runs; small tables gain nothing from splitting.
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
        "spark.sql.warehouse.dir": str(warehouse / "spark"),
        "spark.sql.extensions": (
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        ),
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "hadoop",
        "spark.sql.catalog.lake.warehouse": str(warehouse / "lake"),
        "spark.sql.catalog.lake.cache-enabled": "false",
    }


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory under which every table of this test run lies."""
    return tmp_path_factory.mktemp("warehouse")


@pytest.fixture(scope="session")
def spark(warehouse: Path) -> Iterator[SparkSession]:
    """The one Spark session of the process."""
    from pyspark.sql import SparkSession

    from blocks.spark.fetch_maven_jars import fetching
    from blocks.spark.java_installation import ensure_java
    from blocks.spark.log4j_config import silence_query_loggers

    ensure_java()
    silence_query_loggers()
    builder = SparkSession.builder.master("local[2]").appName("strandline-tests")
    for name, value in spark_settings(warehouse).items():
        builder = builder.config(name, value)
    with fetching(PACKAGES):
        session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def lake_namespace(spark: SparkSession) -> Iterator[str]:
    """A namespace of the test's own, `lake.<name>`; its tables are dropped afterwards."""
    with namespace_of(spark) as namespace:
        yield namespace


@pytest.fixture(scope="module")
def module_namespace(spark: SparkSession) -> Iterator[str]:
    """A namespace for all tests of a module, which look at the same tables."""
    with namespace_of(spark) as namespace:
        yield namespace


@contextmanager
def namespace_of(spark: SparkSession) -> Iterator[str]:
    """A namespace for a while."""
    namespace = f"lake.t_{uuid.uuid4().hex[:12]}"
    spark.sql(f"CREATE NAMESPACE {namespace}")
    yield namespace
    for table in spark.sql(f"SHOW TABLES IN {namespace}").collect():
        spark.sql(f"DROP TABLE IF EXISTS {namespace}.`{table.tableName}` PURGE")
    spark.sql(f"DROP NAMESPACE {namespace}")


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect API over a database of its own; every test that runs a flow asks for it."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    # The heartbeat thread would cost a second at the end of every flow.
    with (
        prefect_test_harness(server_startup_timeout=240),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL with no data in it."""
    from blocks.embedded_postgres import EmbeddedPostgres, postgres_process

    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    with pytest.MonkeyPatch.context() as patch:
        # The catalogs of all modules' sessions keep theirs open until the tests end.
        patch.setitem(postgres_process._SETTINGS, "max_connections", "400")
        server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def odd_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL where whatever may be set is set otherwise than one would expect."""
    import psycopg

    from blocks.embedded_postgres import EmbeddedPostgres

    server = EmbeddedPostgres(tmp_path_factory.mktemp("odd-postgres"))
    server.start()
    with psycopg.connect(server.dsn.get_secret_value(), autocommit=True) as admin:
        for name, value in ODD_SETTINGS.items():
            admin.execute(f"ALTER ROLE ALL SET {name} TO {value}".encode())
        for locale in ("de_DE.utf8", "en_US.utf8", "C.utf8"):
            with contextlib.suppress(psycopg.Error):
                admin.execute(f"ALTER ROLE ALL SET lc_monetary TO '{locale}'".encode())
                break
        admin.execute("ALTER SYSTEM SET max_prepared_transactions TO 4")
    server.stop()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariadbServer]:
    """A running MariaDB with no data in it."""
    from tests.mariadb_server import mariadb_server

    with mariadb_server(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def h2(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[H2Server]:
    """A running H2 with no data in it; Spark has fetched its jar."""
    from tests.h2_server import h2_server

    with h2_server(spark, tmp_path_factory.mktemp("h2")) as server:
        yield server


ODD_SETTINGS = {
    "timezone": "'America/New_York'",
    "datestyle": "'SQL, DMY'",
    "intervalstyle": "'sql_standard'",
    "search_path": "odd, pg_catalog",
    "row_security": "on",
    "bytea_output": "'escape'",
    "client_encoding": "'LATIN1'",
    "extra_float_digits": "-3",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "'serializable'",
}
"""What a server, a database or a role may set for the sessions of those who say nothing."""


@pytest.fixture(scope="session", params=["postgres", "odd_postgres"])
def any_postgres(request: pytest.FixtureRequest) -> EmbeddedPostgres:
    """Each of the two, one after the other."""
    return request.getfixturevalue(request.param)
