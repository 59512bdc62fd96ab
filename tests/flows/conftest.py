"""A workplace of the test's own: a source database, a lakehouse, and the blocks that name them."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from prefect.events.clients import AssertingEventsClient
from prefect.events.worker import EventsWorker
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr
from pyspark.sql import DataFrame, SparkSession

from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lakehouse import Lakehouse
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from blocks.spark_runtime import SparkRuntime
from tests.flows.readings import CONTRACT, INSERT, TABLE
from tests.quick_spark import COMPILED, QUICK, QUICK_JAVA


@dataclass(frozen=True)
class Workplace:
    """Where one test's things lie."""

    root: Path
    dsn: SecretStr
    settings: RunSettings
    spark: SparkSession

    def execute(self, statement: str, *rows: tuple[object, ...]) -> None:
        with psycopg.connect(self.dsn.get_secret_value()) as connection:
            if rows:
                connection.cursor().executemany(statement, rows)
            else:
                connection.execute(statement)

    def table(self, name: str) -> DataFrame:
        return self.spark.table(f"{self.settings.lakehouse.catalog}.{name}")

    def snapshots(self, name: str) -> int:
        return self.table(f"{name}.snapshots").count()

    def update(self, *rows: tuple[object, ...]) -> None:
        """Bring readings to these rows: those of the same patients are replaced."""
        self.execute("DELETE FROM clinic.readings WHERE patient = %s", *[row[:1] for row in rows])
        self.execute(INSERT, *rows)

    @property
    def leftovers(self) -> list[str]:
        """Stages, branches and notes that a load should have cleared away."""
        catalog = self.settings.lakehouse.catalog
        stages = self.spark.sql(f"SHOW TABLES IN {catalog}.stage").collect()
        notes = [str(path) for path in (self.root / "state" / "in-flight").rglob("*.json")]
        return [row.tableName for row in stages] + notes


@pytest.fixture(scope="module")
def make_workplace(postgres, spark, prefect_server, tmp_path_factory):
    """Makes workplaces; the last one made is the one that flows find."""
    made = []
    environment = pytest.MonkeyPatch()

    def make(
        contracts: Path | None = None,
        *,
        many_rows: bool = False,
        source: SourceDatabase | None = None,
    ) -> Workplace:
        name = f"flows_{uuid.uuid4().hex[:10]}"
        root = tmp_path_factory.mktemp(name)
        for database in (name, f"{name}_lake"):
            postgres.create_database(database)
            made.append(database)
        settings = RunSettings(
            spark=SparkRuntime(
                kind="local",
                master="local[2]",
                shuffle_partitions=2,
                log_directory=root / "logs",
                configuration={
                    "spark.driver.extraJavaOptions": QUICK_JAVA,
                    **(COMPILED if many_rows else QUICK),
                },
            ),
            lakehouse=Lakehouse(
                catalog=name,
                warehouse=str(root / "warehouse"),
                uri=f"jdbc:postgresql://{postgres.host}:{postgres.port}/{name}_lake",
                user=postgres.user,
                password=postgres.password,
            ),
            key_ring=LocalKeyRing(
                path=root / "keys.json", key_encryption_key=LocalKeyRing.generate_key()
            ),
            contracts_directory=contracts,
            state_directory=root / "state",
            slices=2,
        )
        source = source or SourceDatabase(
            host=postgres.host,
            port=postgres.port,
            database=name,
            user=postgres.user,
            password=postgres.password,
        )
        path = block_lookup.save_local(
            root / "blocks.yaml",
            ("default", settings),
            ("local", settings.spark),
            ("local", settings.lakehouse),
            ("local", settings.key_ring),
            ("source-db-conn", source),
        )
        environment.setenv(block_lookup.VARIABLE, str(path))
        session = settings.spark.session(settings.lakehouse)
        return Workplace(root, postgres.dsn_of(name), settings, session)

    yield make
    environment.undo()
    with psycopg.connect(postgres.dsn.get_secret_value(), autocommit=True) as connection:
        for name in made:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture(scope="module")
def contracts(tmp_path_factory):
    """A directory with one contract, which no Python knows of."""
    folder = tmp_path_factory.mktemp("contracts")
    shutil.copy(CONTRACT, folder / "readings.yaml")
    return folder


@pytest.fixture
def readings(make_workplace, contracts):
    """A workplace with the small source table `clinic.readings`, empty."""
    place = make_workplace(contracts)
    place.execute(TABLE)
    return place


@pytest.fixture
def told():
    """Takes the events of ours that were sent since it was last asked."""
    EventsWorker.set_client_override(AssertingEventsClient)
    AssertingEventsClient.reset()

    def take():
        EventsWorker.instance().wait_until_empty()
        found = [event for client in AssertingEventsClient.all for event in client.pop_events()]
        return [event for event in found if event.event.startswith("strandline.")]

    yield take
    EventsWorker.instance().drain()
    EventsWorker.set_client_override(None)
    AssertingEventsClient.reset()
