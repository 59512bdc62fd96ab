from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer
from prefect_aws import AwsCredentials
from pydantic import SecretStr, ValidationError

from blocks.iceberg import catalog_access_check
from blocks.lakehouse import Lakehouse
from contracts.errors import EnvironmentUnfitError, LakehouseUnavailableError, SettingsError

CANARY = "canary-of-a-secret"
REDACTED = re.compile("(?i)secret|password|token|access[.]?key")
"""What Spark redacts unless it is told otherwise (spark.redaction.regex)."""


def keys(secret: str = CANARY) -> AwsCredentials:
    return AwsCredentials(
        aws_access_key_id="AKIA0000000000000000",
        aws_secret_access_key=SecretStr(secret),
        aws_session_token=CANARY,
    )


EVERY_KIND = {
    "jdbc": {
        "warehouse": "/data/lake",
        "uri": "jdbc:postgresql://db:5432/lake",
        "user": "lake",
        "password": SecretStr(CANARY),
    },
    "rest": {
        "warehouse": "main",
        "uri": "https://catalog.internal/api",
        "token": SecretStr(CANARY),
    },
    "glue": {
        "warehouse": "s3://bucket/lake",
        "region": "eu-central-1",
        "glue_endpoint": "http://glue.internal",
        "s3_endpoint": "http://s3.internal",
        "s3_path_style": True,
        "aws_credentials": keys(),
    },
    "hive": {"warehouse": "hdfs://name/lake", "uri": "thrift://metastore:9083"},
}


@pytest.fixture(scope="module")
def aws():
    """Amazon's services, played by moto; a bucket `lake` is there."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
    )
    s3.create_bucket(Bucket="lake")
    yield endpoint
    server.stop()


def on_aws(endpoint: str, **fields) -> Lakehouse:
    return Lakehouse(
        kind="glue",
        region="us-east-1",
        glue_endpoint=endpoint,
        s3_endpoint=endpoint,
        s3_path_style=True,
        aws_credentials=keys(),
        **{"warehouse": "s3://lake/wh", **fields},
    )


@contextlib.contextmanager
def catalog_that_answers(status: int):
    """A REST catalog that answers so, and the requests it was asked."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization")))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()
    thread.join()


def refusal(lakehouse: Lakehouse, kind: type[Exception]):
    with pytest.raises(kind) as caught:
        lakehouse.check()
    assert type(caught.value) is kind
    assert CANARY not in f"{caught.value!r}{caught.value.__cause__!r}{vars(caught.value)}"
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_secret_is_a_property_that_spark_redacts(kind):
    lakehouse = Lakehouse(kind=kind, **EVERY_KIND[kind])
    secret = {k for k, text in lakehouse.spark_configuration().items() if CANARY in text}

    assert secret if kind != "hive" else not secret
    assert [name for name in secret if not REDACTED.search(name)] == []


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_no_block_shows_its_secrets(kind):
    lakehouse = Lakehouse(kind=kind, **(EVERY_KIND[kind] | {"aws_credentials": None}))

    assert CANARY not in repr(lakehouse) + str(lakehouse) + lakehouse.model_dump_json()


def test_a_jdbc_catalog_is_told_to_spark_under_its_name():
    lakehouse = Lakehouse(catalog="crm_lake", **EVERY_KIND["jdbc"])

    assert lakehouse.spark_configuration() == {
        "spark.sql.catalog.crm_lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.crm_lake.type": "jdbc",
        "spark.sql.catalog.crm_lake.uri": "jdbc:postgresql://db:5432/lake",
        "spark.sql.catalog.crm_lake.jdbc.user": "lake",
        "spark.sql.catalog.crm_lake.jdbc.password": CANARY,
        "spark.sql.catalog.crm_lake.jdbc.sslmode": "require",
        "spark.sql.catalog.crm_lake.jdbc.schema-version": "V1",
        "spark.sql.catalog.crm_lake.warehouse": "file:///data/lake",
        "spark.sql.catalog.crm_lake.cache-enabled": "false",
    }
    assert lakehouse.driver_properties() == {}


def test_a_glue_catalog_reads_its_files_from_s3():
    lakehouse = Lakehouse(kind="glue", **EVERY_KIND["glue"])
    prefix = "spark.sql.catalog.lake."
    told = {name.removeprefix(prefix): t for name, t in lakehouse.spark_configuration().items()}

    assert told["type"] == "glue"
    assert told["io-impl"] == "org.apache.iceberg.aws.s3.S3FileIO"
    assert told["warehouse"] == "s3://bucket/lake"
    assert told["glue.endpoint"] == "http://glue.internal"
    assert told["s3.endpoint"] == "http://s3.internal"
    assert told["s3.path-style-access"] == "true"
    assert told["client.region"] == "eu-central-1"
    assert lakehouse.driver_properties() == {
        "aws.accessKeyId": "AKIA0000000000000000",
        "aws.secretAccessKey": CANARY,
        "aws.sessionToken": CANARY,
    }


def test_without_credentials_the_chain_of_aws_decides():
    lakehouse = Lakehouse(kind="glue", warehouse="s3://bucket/lake")

    assert not any("access-key" in name for name in lakehouse.spark_configuration())
    assert lakehouse.driver_properties() == {}


def test_rest_and_hive_catalogs_are_told_their_address():
    rest = Lakehouse(kind="rest", **EVERY_KIND["rest"]).spark_configuration()
    hive = Lakehouse(kind="hive", **EVERY_KIND["hive"]).spark_configuration()

    assert rest["spark.sql.catalog.lake.type"] == "rest"
    assert rest["spark.sql.catalog.lake.uri"] == "https://catalog.internal/api"
    assert rest["spark.sql.catalog.lake.token"] == CANARY
    assert rest["spark.sql.catalog.lake.warehouse"] == "main"
    assert hive["spark.sql.catalog.lake.type"] == "hive"
    assert hive["spark.sql.catalog.lake.warehouse"] == "hdfs://name/lake"


@pytest.mark.parametrize(
    ("fields", "jars"),
    [
        (EVERY_KIND["jdbc"], {"iceberg-spark-runtime-4.1_2.13", "postgresql"}),
        (
            {"warehouse": "/data", "uri": "jdbc:sqlite:/data/catalog.db"},
            {"iceberg-spark-runtime-4.1_2.13", "sqlite-jdbc"},
        ),
        (
            {**EVERY_KIND["jdbc"], "warehouse": "s3://bucket/lake"},
            {"iceberg-spark-runtime-4.1_2.13", "postgresql", "iceberg-aws-bundle"},
        ),
        (
            {"kind": "glue", **EVERY_KIND["glue"]},
            {"iceberg-spark-runtime-4.1_2.13", "iceberg-aws-bundle"},
        ),
        ({"kind": "rest", **EVERY_KIND["rest"]}, {"iceberg-spark-runtime-4.1_2.13"}),
        (
            {"kind": "rest", **EVERY_KIND["rest"], "region": "eu-central-1"},
            {"iceberg-spark-runtime-4.1_2.13", "iceberg-aws-bundle"},
        ),
    ],
    ids=["postgresql", "sqlite", "postgresql on s3", "glue", "rest", "rest on s3"],
)
def test_the_jars_are_those_that_the_catalog_and_the_files_need(fields, jars):
    packages = Lakehouse(**fields).packages()

    assert {package.split(":")[1] for package in packages} == jars


@pytest.mark.parametrize(
    ("warehouse", "uri", "local"),
    [
        ("/data/lake", "file:///data/lake", "/data/lake"),
        ("file:/data/lake", "file:///data/lake", "/data/lake"),
        ("file:///data/lake/", "file:///data/lake", "/data/lake"),
        ("/data/a lake", "file:///data/a lake", "/data/a lake"),
        ("/data/100%20 #1?/zürich", "file:///data/100%20 #1?/zürich", "/data/100%20 #1?/zürich"),
        ("file:/data/a%20lake", "file:///data/a%20lake", "/data/a%20lake"),
        ("s3://bucket/lake/", "s3://bucket/lake", None),
        ("hdfs://name/lake", "hdfs://name/lake", None),
    ],
)
def test_a_warehouse_is_a_directory_or_a_uri(warehouse, uri, local):
    lakehouse = Lakehouse(warehouse=warehouse, uri="jdbc:sqlite:/data/catalog.db")

    assert lakehouse.warehouse_uri == uri
    assert lakehouse.local_warehouse == (None if local is None else Path(local))


def test_a_relative_warehouse_lies_below_where_the_run_began(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    lakehouse = Lakehouse(warehouse="lake", uri="jdbc:sqlite:catalog.db")
    assert lakehouse.warehouse_uri == f"file://{tmp_path / 'lake'}"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"uri": "jdbc:oracle:thin:@db"},
        {"kind": "rest"},
        {"kind": "hive"},
        {"uri": f"jdbc:postgresql://lake:{CANARY}@db/lake"},
        {"uri": f"jdbc:postgresql://db/lake?password={CANARY}"},
        {"uri": "jdbc:sqlite:/x", "catalog": "Lake`; DROP"},
        {"uri": "jdbc:sqlite:/x", "minimum_free_mb": -1},
    ],
)
def test_a_block_that_can_not_work_is_refused_and_shows_no_secret(fields):
    with pytest.raises(ValidationError) as caught:
        Lakehouse(warehouse="/data", **fields)
    assert CANARY not in str(caught.value)


def test_an_embedded_catalog_and_a_directory_are_made_and_pass(tmp_path):
    lakehouse = Lakehouse(
        warehouse=str(tmp_path / "new" / "lake"), embedded_directory=tmp_path / "catalog"
    )
    lakehouse.check()

    assert list((tmp_path / "new" / "lake").iterdir()) == []
    told = lakehouse.spark_configuration()
    assert re.fullmatch(
        r"jdbc:postgresql://127\.0\.0\.1:\d+/lakehouse", told["spark.sql.catalog.lake.uri"]
    )
    assert told["spark.sql.catalog.lake.jdbc.user"] == "strandline"


def test_a_warehouse_that_is_a_file_or_can_not_be_made_is_unfit(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        lakehouse = Lakehouse(warehouse=str(tmp_path / place), uri=f"jdbc:sqlite:{tmp_path}/c.db")
        assert place in refusal(lakehouse, EnvironmentUnfitError).where


def test_a_directory_that_takes_no_file_is_unfit(tmp_path, monkeypatch):
    # Root may write everywhere: the kernel's answer is what has to be played.
    def no_file(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(catalog_access_check.tempfile, "TemporaryFile", no_file)
    lakehouse = Lakehouse(warehouse=str(tmp_path), uri=f"jdbc:sqlite:{tmp_path}/c.db")

    assert refusal(lakehouse, EnvironmentUnfitError).found == "Permission denied"


def test_a_disk_without_room_is_unfit(tmp_path):
    lakehouse = Lakehouse(
        warehouse=str(tmp_path), uri=f"jdbc:sqlite:{tmp_path}/c.db", minimum_free_mb=10**9
    )

    error = refusal(lakehouse, EnvironmentUnfitError)
    assert "1000000000 MB" in error.expected


def test_a_catalog_database_that_is_away_may_come_back(tmp_path, postgres):
    def with_uri(uri: str, password: SecretStr) -> Lakehouse:
        return Lakehouse(warehouse=str(tmp_path), uri=uri, user=postgres.user, password=password)

    server = f"jdbc:postgresql://127.0.0.1:{postgres.port}"
    with_uri(f"{server}/postgres", postgres.password).check()
    refusal(
        with_uri("jdbc:postgresql://127.0.0.1:1/postgres", SecretStr(CANARY)),
        LakehouseUnavailableError,
    )
    refusal(with_uri(f"{server}/postgres", SecretStr(CANARY)), SettingsError)
    refusal(with_uri(f"{server}/nowhere", postgres.password), SettingsError)


@pytest.mark.parametrize(
    ("address", "fields", "told"),
    [
        ("127.0.0.1:5432", {}, {"sslmode": "prefer"}),
        ("[::1]", {}, {"sslmode": "prefer"}),
        ("localhost:5432,db:5432", {}, {"sslmode": "require"}),
        ("db", {"ssl_root_certificate": "/ca.pem"},
         {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}),
        ("db", {"ssl_mode": "disable"}, {"sslmode": "disable"}),
        ("db/lake?sslmode=verify-ca", {}, {}),
    ],
)  # fmt: skip
def test_the_catalogs_database_is_reached_by_tls_off_this_machine(tmp_path, address, fields, told):
    uri = "jdbc:postgresql://" + (address if "/" in address else f"{address}/lake")
    lakehouse = Lakehouse(warehouse=str(tmp_path), uri=uri, user="u", **fields)

    prefix = "spark.sql.catalog.lake.jdbc."
    configured = lakehouse.spark_configuration()
    ssl = {
        name.removeprefix(prefix): text
        for name, text in configured.items()
        if name.startswith(f"{prefix}ssl")
    }
    assert ssl == told


def test_a_catalog_database_without_tls_is_refused_where_it_is_required(tmp_path, postgres):
    uri = f"jdbc:postgresql://{postgres.host}:{postgres.port}/postgres"
    lakehouse = Lakehouse(
        warehouse=str(tmp_path), uri=uri, user=postgres.user, password=postgres.password,
        ssl_mode="require",
    )  # fmt: skip

    with pytest.raises(SettingsError, match="offers no TLS"):
        lakehouse.check()


def test_a_catalog_database_that_is_full_may_have_room_later(tmp_path, postgres):
    with psycopg.connect(postgres.dsn.get_secret_value(), autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS crowded")
        admin.execute("CREATE ROLE crowded LOGIN PASSWORD 'p' CONNECTION LIMIT 0")
    lakehouse = Lakehouse(
        warehouse=str(tmp_path),
        uri=f"jdbc:postgresql://127.0.0.1:{postgres.port}/postgres",
        user="crowded",
        password=SecretStr("p"),
    )

    refusal(lakehouse, LakehouseUnavailableError)


def test_an_sqlite_catalog_is_made_and_passes_and_a_broken_one_does_not(tmp_path):
    lakehouse = Lakehouse(
        warehouse=str(tmp_path / "lake"), uri=f"jdbc:sqlite:{tmp_path}/deep/catalog.db"
    )
    lakehouse.check()
    (tmp_path / "deep" / "catalog.db").write_text("no database, but long enough to be one" * 9)

    assert "catalog.db" in refusal(lakehouse, EnvironmentUnfitError).where


def test_an_sqlite_catalog_that_somebody_holds_is_unfit(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog_access_check, "_SECONDS", 0.1)
    lakehouse = Lakehouse(warehouse=str(tmp_path / "l"), uri=f"jdbc:sqlite:{tmp_path}/c.db")
    holder = sqlite3.connect(tmp_path / "c.db")
    holder.execute("BEGIN EXCLUSIVE")

    assert "locked" in refusal(lakehouse, EnvironmentUnfitError).found
    holder.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, SettingsError),
        (403, SettingsError),
        (404, SettingsError),
        (500, LakehouseUnavailableError),
        (503, LakehouseUnavailableError),
    ],
)
def test_a_rest_catalogs_refusal_and_its_failure_are_told_apart(tmp_path, status, kind):
    with catalog_that_answers(status) as (uri, _):
        error = refusal(
            Lakehouse(kind="rest", warehouse="w", uri=uri, token=SecretStr(CANARY)), kind
        )
    assert str(status) in error.found


def test_a_rest_catalog_is_asked_with_the_token(tmp_path):
    with catalog_that_answers(200) as (uri, asked):
        Lakehouse(kind="rest", warehouse="s", uri=uri, token=SecretStr(CANARY)).check()
    assert asked == [("/v1/config", f"Bearer {CANARY}")]

    refusal(Lakehouse(kind="rest", warehouse="w", uri=uri), LakehouseUnavailableError)


def test_a_hive_metastore_has_to_be_reachable():
    with catalog_that_answers(200) as (uri, _):
        address = uri.removeprefix("http://").rstrip("/")
        lakehouse = Lakehouse(kind="hive", warehouse="hdfs://n/l", uri=f"thrift://{address}")
        lakehouse.check()
    refusal(lakehouse, LakehouseUnavailableError)


def test_glue_and_its_bucket_pass(aws):
    on_aws(aws).check()


def test_a_bucket_that_is_not_there_has_to_be_made(aws):
    error = refusal(on_aws(aws, warehouse="s3://nowhere/wh"), SettingsError)

    assert "nowhere" in error.where
    assert "404" in error.found


def test_aws_that_does_not_answer_may_answer_later():
    refusal(on_aws("http://127.0.0.1:1"), LakehouseUnavailableError)


def test_aws_without_credentials_or_region_has_to_be_set_up(aws, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    nobody = on_aws(aws).model_copy(update={"aws_credentials": None})

    assert "credentials" in refusal(nobody, SettingsError).found
    nowhere = Lakehouse(kind="glue", warehouse="s3://lake/wh")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    refusal(nowhere, SettingsError)


class Refusing:
    """Amazon's answer to who may not, or is too many; moto lets everybody in."""

    def __init__(self, code: str, status: int):
        self.answer = {
            "Error": {"Code": code, "Message": CANARY},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }

    def get_databases(self, **_):
        from botocore.exceptions import ClientError

        raise ClientError(self.answer, "GetDatabases")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDeniedException", 400, SettingsError),
        ("ThrottlingException", 400, LakehouseUnavailableError),
        ("InternalServiceException", 500, LakehouseUnavailableError),
    ],
)
def test_a_refusal_by_aws_and_its_failure_are_told_apart(code, status, kind):
    with pytest.raises(kind, match=code) as caught:
        catalog_access_check.glue(Refusing(code, status))
    assert CANARY not in str(caught.value)
