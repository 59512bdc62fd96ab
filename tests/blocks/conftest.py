from __future__ import annotations

from pathlib import Path

import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lakehouse import Lakehouse
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from blocks.spark_runtime import SparkRuntime

CANARY = "canary-of-a-secret"
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture(scope="session")
def place():
    """Makes the blocks of a small installation, each with its name."""

    def blocks(**changes: object):
        spark = SparkRuntime(master="local[2]", packages=("org.example:more:1",))
        lakehouse = Lakehouse(
            kind="glue",
            warehouse="s3://bucket/lake",
            aws_credentials=AwsCredentials(
                aws_access_key_id="AKIA0", aws_secret_access_key=SecretStr(CANARY)
            ),
        )
        ring = LocalKeyRing(path=Path("keys/ring.json"), key_encryption_key=SecretStr(KEY))
        return (
            ("local", spark),
            ("local", lakehouse),
            ("local", ring),
            ("source-db-conn", SourceDatabase(user="reader", password=SecretStr(CANARY))),
            ("default", RunSettings(spark=spark, lakehouse=lakehouse, key_ring=ring, **changes)),
        )

    return blocks
