"""Backups in a bucket, against moto's server: the same promises, and S3's own failures."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import boto3
import pytest
from moto.server import ThreadedMotoServer
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.backup_target import BackupTarget
from contracts.errors import BackupDamagedError, EnvironmentUnfitError, LakehouseUnavailableError
from tasks.recovery.backup_store import BackupStore
from tests.tasks.recovery.test_backup_store import backup

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOGIN = AwsCredentials(
    aws_access_key_id="testing", aws_secret_access_key=SecretStr("testing"), region_name="us-east-1"
)


@pytest.fixture(scope="module")
def s3():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - moto's
    )
    client.create_bucket(Bucket="backups")
    yield client
    server.stop()


def target(s3, location: str = "s3://backups/lake", **more: str) -> BackupTarget:
    return BackupTarget(
        location=location,
        region="us-east-1",
        s3_endpoint=more.get("endpoint", s3.meta.endpoint_url),
        aws_credentials=LOGIN,
    )


def test_a_backup_in_a_bucket_is_read_again_listed_and_removed(s3):
    store = BackupStore.of(target(s3))
    old = backup(store, AT.replace(year=2025), b"old")
    made = backup(store, AT, b"metadata")

    assert store.ids() == (old.id, made.id)
    assert store.newest("lake", "file:///lake") == made
    assert store.verify(made) == len(b"metadata")
    assert store.prune(made, keep_days=35, keep_at_least=1) == [old.id]
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="backups")["Contents"]]
    assert all(key.startswith("lake/") for key in keys)
    assert [key for key in keys if key.endswith(".json")] == [f"lake/backups/{made.id}.json"]

    (copy,) = (key for key in keys if made.tables[0].content in key)
    s3.put_object(Bucket="backups", Key=copy, Body=b"another")
    with pytest.raises(BackupDamagedError, match="can't be read"):
        store.verify(made)


def test_a_bucket_that_is_not_there_and_a_server_that_does_not_answer(s3):
    with pytest.raises((LakehouseUnavailableError, EnvironmentUnfitError), match="no-bucket"):
        backup(BackupStore.of(target(s3, "s3://no-bucket/lake")), AT, b"x")

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(LakehouseUnavailableError, match="backups at s3://backups"):
            backup(BackupStore.of(target(s3, endpoint=nobody)), AT, b"x")
