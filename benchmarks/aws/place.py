"""A source and two lakehouses: one on moto's server, one on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prefect_aws import AwsClientParameters, AwsCredentials
from pydantic import SecretStr

from benchmarks.load.accounts import Accounts
from benchmarks.load.case import Case
from benchmarks.load.contract import CONNECTION, write_contract
from blocks.embedded_postgres import EmbeddedPostgres
from blocks.key_rings.aws_kms_key_ring import AwsKmsKeyRing
from blocks.key_rings.key_ring import KeyRing
from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lakehouse import Lakehouse
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from blocks.spark_runtime import SparkRuntime
from tools.aws_double.aws_server import AwsServer, aws_server

__all__ = ["BUCKET", "KEYS", "SPARK", "Place", "place"]

SPARK = {"master": "local[2]", "driver_memory": "2g"}
REGION, BUCKET, KEYS = "eu-central-1", "bench-lake", "bench-keys"


@dataclass(frozen=True, slots=True)
class Place:
    """What is measured.

    Attributes:
        server: Counts the calls.
        accounts: The source.
        postgres: Its server.
        here: Settings with the lakehouse on this machine.
        there: Settings with the lakehouse on moto's server.
        root: The directory of all of it.
    """

    server: AwsServer
    accounts: Accounts
    postgres: EmbeddedPostgres
    here: RunSettings
    there: RunSettings
    root: Path

    def choose(self, settings: RunSettings) -> None:
        """Have flows find these settings."""
        source = SourceDatabase(
            host=self.postgres.host,
            port=self.postgres.port,
            database=self.postgres.database,
            user=self.postgres.user,
            password=self.postgres.password,
        )
        name = block_lookup.block_name(CONNECTION)
        file = block_lookup.save_local(
            self.root / "blocks.yaml", ("default", settings), (name, source)
        )
        os.environ[block_lookup.VARIABLE] = str(file)


@contextmanager
def place(root: Path, case: Case) -> Iterator[Place]:
    """All of it below `root`, with the source filled, until the end of the body."""
    with ExitStack() as stack:
        postgres = EmbeddedPostgres(root / "postgres")
        postgres.start()
        stack.callback(postgres.stop)
        postgres.create_database("lakehouse")
        server = stack.enter_context(aws_server())
        accounts = stack.enter_context(closing(Accounts(postgres.dsn)))
        accounts.fill(case.rows)
        write_contract(root / "contracts", case, says_kind=True)
        here = _settings(
            root / "here",
            Lakehouse(
                catalog="here",
                warehouse=str(root / "here" / "warehouse"),
                uri=f"jdbc:postgresql://{postgres.host}:{postgres.port}/lakehouse",
                user=postgres.user,
                password=postgres.password,
            ),
            LocalKeyRing(path=root / "keys.json", key_encryption_key=LocalKeyRing.generate_key()),
        )
        there = _settings(root / "there", *_on_aws(server))
        yield Place(server, accounts, postgres, here, there, root)


def _settings(root: Path, lakehouse: Lakehouse, ring: KeyRing) -> RunSettings:
    return RunSettings(
        # Both catalogs are of one Spark, which has to have the jars of both from its start.
        spark=SparkRuntime(
            **SPARK,
            shuffle_partitions=2,
            log_directory=root / "logs",
            packages=("org.apache.iceberg:iceberg-aws-bundle:1.12.0",),
        ),
        lakehouse=lakehouse,
        key_ring=ring,
        contracts_directory=root.parent / "contracts",
        state_directory=root / "state",
        slices=2,
    )


def _on_aws(server: AwsServer) -> tuple[Lakehouse, KeyRing]:
    credentials = AwsCredentials(
        aws_access_key_id="bench",
        aws_secret_access_key=SecretStr("bench"),
        region_name=REGION,
        aws_client_parameters=AwsClientParameters(endpoint_url=server.url),
    )
    client = credentials.get_s3_client()
    for bucket in (BUCKET, KEYS):
        home = {"LocationConstraint": REGION}
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration=home)
    kms = credentials.get_boto3_session().client("kms", endpoint_url=server.url)
    lakehouse = Lakehouse(
        catalog="there",
        kind="glue",
        warehouse=f"s3://{BUCKET}/warehouse",
        region=REGION,
        glue_endpoint=server.url,
        s3_endpoint=server.url,
        s3_path_style=True,
        aws_credentials=credentials,
    )
    ring = AwsKmsKeyRing(
        aws_credentials=credentials,
        key_id=kms.create_key()["KeyMetadata"]["Arn"],
        location=f"s3://{KEYS}/ring.json",
    )
    return lakehouse, ring
