"""A lakehouse on AWS: Glue, S3, KMS, Secrets Manager; beside one on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from prefect_aws import AwsClientParameters, AwsCredentials, AwsSecret
from pydantic import SecretStr

from blocks.key_rings.aws_kms_key_ring import AwsKmsKeyRing
from blocks.lakehouse import Lakehouse
from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from tests.flows.conftest import Workplace
from tools.aws_double.aws_requests import ACCOUNT
from tools.aws_double.aws_server import AwsServer, aws_server

REGION = "eu-central-1"
LAKE, KEYS, RESULTS, AUDIT = "acme-lake", "acme-keys", "acme-results", "acme-audit"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"
SECRET = "prod/crm/reader"  # noqa: S105 - the name of a secret
CANARY = "canary-of-a-secret"

QUICK_RETRIES = {
    # S3's client repeats five times after two seconds and more, which tests need not wait for.
    "s3.retry.num-retries": "3",
    "s3.retry.min-wait-ms": "20",
    "s3.retry.max-wait-ms": "60",
}


@dataclass(frozen=True)
class Cloud:
    """An account with what the documents name, and the blocks that use it."""

    server: AwsServer
    environment: pytest.MonkeyPatch

    def credentials(self, key_id: str = "root", **fields: Any) -> AwsCredentials:
        return AwsCredentials(
            aws_access_key_id=key_id,
            aws_secret_access_key=SecretStr(CANARY),
            region_name=REGION,
            aws_client_parameters=AwsClientParameters(endpoint_url=self.server.url),
            **fields,
        )

    def client(self, service: str, key_id: str = "root"):
        return (
            self.credentials(key_id)
            .get_boto3_session()
            .client(service, endpoint_url=self.server.url, region_name=REGION)
        )

    def lakehouse(self, key_id: str = "root", **fields: Any) -> Lakehouse:
        return Lakehouse(
            **{
                "catalog": "cloud",
                "kind": "glue",
                "warehouse": f"s3://{LAKE}/warehouse",
                "region": REGION,
                "glue_endpoint": self.server.url,
                "s3_endpoint": self.server.url,
                "s3_path_style": True,
                "aws_credentials": self.credentials(key_id),
            }
            | fields
        )

    def key_ring(self, key_id: str = "root", **fields: Any) -> AwsKmsKeyRing:
        return AwsKmsKeyRing(
            **{
                "aws_credentials": self.credentials(key_id),
                "key_id": KEY,
                "location": f"s3://{KEYS}/strandline.json",
            }
            | fields
        )

    def place(self, local: Workplace, key_id: str = "root", **lakehouse: Any) -> Workplace:
        """The same source, with its history on AWS, as the principal of an access key.

        Flows find it until the next one is made.
        """
        lake = self.lakehouse(key_id, **lakehouse)
        quick = {f"spark.sql.catalog.{lake.catalog}.{n}": v for n, v in QUICK_RETRIES.items()}
        spark = local.settings.spark
        settings = local.settings.model_copy(
            update={
                "lakehouse": lake,
                "key_ring": self.key_ring(key_id),
                "spark": spark.model_copy(
                    update={"configuration": {**spark.configuration, **quick}}
                ),
                "state_directory": local.root / "cloud",
            }
        )
        self.find(local)
        source = block_lookup.source("source_db_conn")
        logs_in = SourceDatabase(
            host=source.host,
            port=source.port,
            database=source.database,
            login_from=AwsSecret(aws_credentials=self.credentials(key_id), secret_name=SECRET),
        )
        path = block_lookup.save_local(
            local.root / f"blocks-{key_id}.yaml",
            ("default", settings),
            ("source-db-conn", logs_in),
        )
        self.environment.setenv(block_lookup.VARIABLE, str(path))
        session = settings.spark.session(settings.lakehouse)
        return replace(local, settings=settings, spark=session)

    def find(self, local: Workplace) -> None:
        """Have flows find the place on this machine."""
        self.environment.setenv(block_lookup.VARIABLE, str(local.root / "blocks.yaml"))


@pytest.fixture(scope="module")
def cloud(postgres, spark) -> Iterator[Cloud]:
    """An account with empty buckets, a key and the source's password."""
    environment = pytest.MonkeyPatch()
    with aws_server() as server:
        made = Cloud(server, environment)
        s3 = made.client("s3")
        home = {"LocationConstraint": REGION}
        for bucket in (LAKE, KEYS, RESULTS):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=home)
        s3.create_bucket(
            Bucket=AUDIT, CreateBucketConfiguration=home, ObjectLockEnabledForBucket=True
        )
        _make_key(made)
        login = {"username": postgres.user, "password": postgres.password.get_secret_value()}
        made.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(login))
        server.regions |= dict.fromkeys((LAKE, KEYS, RESULTS, AUDIT), REGION)
        yield made
        environment.undo()
        _forget()


def _make_key(cloud: Cloud) -> None:
    """A key of the id that the documents name, which nobody can choose at AWS."""
    from moto.backends import get_backend

    made = cloud.client("kms").create_key(Description="data keys")["KeyMetadata"]["KeyId"]
    keys = get_backend("kms")[ACCOUNT][REGION].keys
    key = keys.pop(made)
    key.id, key.arn = KEY_ID, KEY
    keys[KEY_ID] = key


def _forget() -> None:
    """moto's services are one per process."""
    from moto.backends import get_backend

    for service in ("s3", "glue", "kms", "secretsmanager"):
        get_backend(service).reset()
