"""A source whose password AWS Secrets Manager keeps, played by moto's server."""

from __future__ import annotations

import json
import logging

import pytest
import yaml
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from prefect_aws import AwsCredentials, AwsSecret
from pydantic import SecretStr, ValidationError

from blocks.lookup.local_block_file import BlockFile
from blocks.source_database import SourceDatabase
from blocks.source_dialects import secret_login
from contracts.errors import SecretServiceUnavailableError, SettingsError

CANARY = "canary-password-4711"
ROTATED = {"engine": "postgres", "username": "loader", "password": CANARY, "port": 5432}


@pytest.fixture(scope="module")
def credentials():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield AwsCredentials(
        aws_access_key_id="test",
        aws_secret_access_key=SecretStr("test"),
        region_name="us-east-1",
        aws_client_parameters={"endpoint_url": f"http://{host}:{port}"},
    )
    server.stop()


@pytest.fixture
def secret(credentials, request):
    """Makes a secret with a content, and gives its block."""
    client = credentials.get_secrets_manager_client()

    def make(**content):
        name = f"{request.node.name[:40]}-{len(client.list_secrets()['SecretList'])}"
        client.create_secret(Name=name, **content)
        return named(credentials, name)

    return make


def named(credentials, name):
    return AwsSecret(aws_credentials=credentials, secret_name=name)


def source(secret, **fields):
    return SourceDatabase(host="db.internal", login_from=secret, **fields)


@pytest.mark.parametrize(
    ("content", "fields", "login"),
    [
        ({"SecretString": CANARY}, {"user": "reader"}, ("reader", CANARY)),
        ({"SecretBinary": CANARY.encode()}, {"user": "reader"}, ("reader", CANARY)),
        ({"SecretString": json.dumps(ROTATED)}, {}, ("loader", CANARY)),
        ({"SecretString": json.dumps(ROTATED)}, {"user": "reader"}, ("reader", CANARY)),
        ({"SecretString": "12345"}, {"user": "reader"}, ("reader", "12345")),
    ],
    ids=["text", "octets", "rotated by Amazon", "for another user", "digits"],
)
@pytest.mark.parametrize("dialect", ["postgresql", "mariadb"])
def test_a_session_logs_in_with_what_the_secret_has(secret, dialect, content, fields, login):
    made = source(secret(**content), dialect=dialect, **fields)

    found = made._source()

    assert (found.user, found.password) == login
    assert login[1] not in repr(made) + repr(made.login()) + repr(found)


def test_the_secret_is_read_once_for_all_sessions_of_a_run(secret, monkeypatch, caplog):
    made, asked = source(secret(SecretString=json.dumps(ROTATED))), []
    original = secret_login._text
    monkeypatch.setattr(secret_login, "_text", lambda *of: asked.append(of) or original(*of))
    caplog.set_level(logging.INFO)

    for _ in range(3):
        made._source()

    assert len(asked) == 1
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"SecretString": json.dumps({"password": CANARY})}, "no user"),
        ({"SecretString": json.dumps({"username": "loader"})}, "no password"),
        ({"SecretString": json.dumps({"username": "loader", "password": 4711})}, "no password"),
        ({"SecretBinary": b"\xff\xfe"}, "no user"),
    ],
    ids=["nobody", "no password", "a number", "no text"],
)
def test_a_secret_that_is_no_login_is_said_without_what_is_in_it(secret, content, found):
    with pytest.raises(SettingsError, match=found) as caught:
        source(secret(**content))._source()

    assert CANARY not in str(caught.value)


def test_a_secret_that_is_not_there_is_no_reason_to_try_again(credentials):
    made = source(named(credentials, "nothing"), user="reader")

    with pytest.raises(SettingsError, match="found ResourceNotFoundException"):
        made.check()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", SecretServiceUnavailableError),
        ("InternalServiceError", SecretServiceUnavailableError),
        ("AccessDeniedException", SettingsError),
        ("DecryptionFailure", SettingsError),
        ("ExpiredTokenException", SettingsError),
    ],
)
def test_what_aws_says_decides_whether_it_is_tried_again(code, kind):
    error = ClientError({"Error": {"Code": code, "Message": CANARY}}, "GetSecretValue")

    refusal = secret_login._refusal(error, "secret s")

    assert type(refusal) is kind
    assert refusal.found.partition(":")[0] == code


def test_a_service_that_is_not_there_may_answer_later(credentials):
    away = credentials.model_copy(
        update={
            "aws_client_parameters": credentials.aws_client_parameters.model_copy(
                update={"endpoint_url": "http://127.0.0.1:9"}
            )
        }
    )

    with pytest.raises(SecretServiceUnavailableError, match="EndpointConnectionError"):
        source(named(away, "s"), user="reader").login()


def test_a_block_file_names_the_secret(tmp_path, secret, credentials):
    made = secret(SecretString=json.dumps(ROTATED))
    path = tmp_path / "blocks.yaml"
    document = {
        "aws-credentials": {
            "loads": {
                "aws_access_key_id": "test",
                "aws_secret_access_key": "test",
                "region_name": "us-east-1",
                "aws_client_parameters": {
                    "endpoint_url": credentials.aws_client_parameters.endpoint_url
                },
            }
        },
        "aws-secret": {"crm": {"aws_credentials": "loads", "secret_name": made.secret_name}},
        "source-database": {"crm-db": {"host": "db.internal", "login_from": "crm"}},
    }
    path.write_text(yaml.safe_dump(document), "utf-8")
    path.chmod(0o600)

    assert BlockFile.read(path).block(SourceDatabase, "crm-db").login().password == CANARY


@pytest.mark.parametrize("fields", [{"password": CANARY, "user": "u"}], ids=["two passwords"])
def test_a_block_has_one_password(credentials, fields):
    secret = named(credentials, "s")

    with pytest.raises(ValidationError, match="exclude each other") as caught:
        source(secret, **fields)
    assert CANARY not in str(caught.value)
