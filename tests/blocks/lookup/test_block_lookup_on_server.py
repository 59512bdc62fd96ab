from __future__ import annotations

import asyncio

import pytest
from prefect.blocks.core import Block
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.key_rings.aws_kms_key_ring import AwsKmsKeyRing
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.spark_runtime import SparkRuntime
from contracts.errors import SettingsError

CANARY = "canary-of-a-secret"
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(autouse=True)
def no_file(monkeypatch, tmp_path):
    """No block file goes before the server."""
    monkeypatch.delenv(block_lookup.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def registered(prefect_server, place, tmp_path_factory) -> list[str]:
    path = tmp_path_factory.mktemp("registered") / "blocks.yaml"
    return block_lookup.register(block_lookup.save_local(path, *place()))


def test_what_is_registered_is_found_again(registered):
    settings = block_lookup.settings()

    assert registered == [
        "strandline-source-database/source-db-conn",
        "strandline-lakehouse/local",
        "strandline-spark-runtime/local",
        "strandline-local-key-ring/local",
        "strandline-run-settings/default",
    ]
    assert settings.spark.packages == ("org.example:more:1",)
    assert settings.key_ring.key_encryption_key.get_secret_value() == KEY
    credentials = settings.lakehouse.aws_credentials
    assert credentials.aws_secret_access_key.get_secret_value() == CANARY
    assert block_lookup.source("source_db_conn").password.get_secret_value() == CANARY


def test_registering_again_is_as_once_and_reaches_the_settings_that_name_the_block(
    registered, tmp_path
):
    first = block_lookup.settings()
    changed = SparkRuntime(master="local[7]")
    path = block_lookup.save_local(tmp_path / "again.yaml", ("local", changed))

    assert block_lookup.register(path) == block_lookup.register(path) == registered[2:3]
    again = block_lookup.settings()
    assert again._block_document_id == first._block_document_id
    assert again.spark._block_document_id == first.spark._block_document_id
    assert (first.spark.master, again.spark.master) == ("local[2]", "local[7]")


def test_blocks_are_found_from_within_a_running_loop_too(registered):
    async def inside() -> Block:
        return block_lookup.settings()

    assert isinstance(asyncio.run(inside()), RunSettings)


def test_the_server_shows_no_secret_unasked(registered):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        shown = [
            client.read_block_document_by_name(
                name=name, block_type_slug=slug, include_secrets=False
            ).model_dump_json()
            for slug, _, name in (entry.partition("/") for entry in registered)
        ]

    assert len(shown) == 5
    assert CANARY not in "".join(shown)
    assert KEY not in "".join(shown)


def test_a_block_that_is_not_there_is_named():
    with pytest.raises(SettingsError) as caught:
        block_lookup.source("no_such_conn")

    assert "strandline-source-database/no-such-conn" in caught.value.where
    assert caught.value.found == "none"


def test_a_document_that_fits_no_more_is_told_from_none(registered, place):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import BlockDocumentUpdate

    spark = place()[0][1]
    spark.save("older", overwrite=True)
    settings = block_lookup.settings()
    settings.spark = spark
    settings.save("older", overwrite=True)
    # As a version that knew other kinds of runtime left it.
    with get_client(sync_client=True) as client:
        client.update_block_document(
            spark._block_document_id,
            BlockDocumentUpdate(data={"kind": CANARY}, merge_existing_data=True),
        )

    with pytest.raises(SettingsError, match="does not fit") as caught:
        block_lookup.settings("older")
    assert CANARY not in f"{caught.value!r}{caught.value.__cause__!r}"


@pytest.mark.parametrize("saved", [True, False])
def test_run_settings_on_a_server_keep_the_kind_of_their_key_ring(place, saved):
    *_, (_, settings) = place()
    credentials = AwsCredentials(aws_secret_access_key=SecretStr(CANARY))
    ring = AwsKmsKeyRing(key_id="alias/k", location="s3://k/r", aws_credentials=credentials)
    if saved:
        ring.save("cloud", overwrite=True, _sync=True)
    made = RunSettings(spark=settings.spark, lakehouse=settings.lakehouse, key_ring=ring)
    made.save("in-the-cloud", overwrite=True, _sync=True)

    found = RunSettings.load("in-the-cloud", _sync=True).key_ring

    assert (type(found), found.key_id) == (AwsKmsKeyRing, "alias/k")
    assert found.aws_credentials.aws_secret_access_key.get_secret_value() == CANARY
