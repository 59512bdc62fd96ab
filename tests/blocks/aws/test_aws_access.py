"""What the blocks say when AWS refuses them, or does not answer: without Spark, before a load."""

from __future__ import annotations

import pytest
from prefect_aws import AwsClientParameters, AwsCredentials, AwsSecret
from pydantic import SecretStr

from blocks.aws.aws_refusals import refusal_of
from blocks.key_rings.aws_kms_key_ring import AwsKmsKeyRing
from blocks.lakehouse import Lakehouse
from blocks.source_dialects.secret_login import login_of_secret
from contracts.errors import (
    KeyServiceUnavailableError,
    KeyUnavailableError,
    LakehouseUnavailableError,
    SecretServiceUnavailableError,
    SettingsError,
)
from tasks.auditing.export_destinations import LockedBucket
from tools.aws_double.access_policies import Policy
from tools.aws_double.aws_server import Fault, aws_server

CANARY = "canary-of-a-secret"
BUCKET, HOME = "checked-lake", "eu-central-1"


@pytest.fixture(scope="module")
def aws():
    """A server with one bucket, of which one key may do nothing and another is expired."""
    with aws_server() as server:
        server.policies["nobody"] = Policy("nobody", ())
        server.expired.add("late")
        keys(server).get_boto3_session().client("s3", endpoint_url=server.url).create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": HOME}
        )
        server.regions[BUCKET] = HOME
        yield server


def keys(server, key_id="root", region=HOME):
    return AwsCredentials(
        aws_access_key_id=key_id,
        aws_secret_access_key=SecretStr(CANARY),
        region_name=region,
        aws_client_parameters=AwsClientParameters(
            endpoint_url=server.url, config={"retries": {"max_attempts": 1}}
        ),
    )


def lakehouse(server, key_id="root", region=HOME, bucket=BUCKET):
    return Lakehouse(
        kind="glue",
        warehouse=f"s3://{bucket}/wh",
        region=region,
        glue_endpoint=server.url,
        s3_endpoint=server.url,
        s3_path_style=True,
        aws_credentials=keys(server, key_id, region),
    )


def error_of(act, kind):
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    told = f"{caught.value!r}{vars(caught.value)!r}{caught.value.__cause__!r}"
    assert CANARY not in told
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"key_id": "nobody"}, "no right to s3:ListBucket"),
        ({"key_id": "late"}, "expired"),
        ({"region": "us-west-2"}, "eu-central-1"),
        ({"bucket": "nowhere-at-all"}, "NoSuchBucket"),
    ],
    ids=["no right", "expired", "another region", "no bucket"],
)
def test_a_lakehouse_that_refuses_is_said_so_before_a_load(aws, fields, found):
    error = error_of(lakehouse(aws, **fields).check, SettingsError)

    assert found in error.found
    assert BUCKET in error.where or "nowhere" in error.where


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("s3", "SlowDown", 503),
        ("s3", "InternalError", 500),
        ("glue", "ThrottlingException", 400),
        ("glue", "InternalServiceException", 500),
    ],
)
def test_a_service_that_stays_overloaded_is_an_error_that_may_pass(aws, service, code, status):
    lakehouse(aws).check()
    with aws.failing(Fault(lambda call: call.service == service, code, status)):
        error = error_of(lakehouse(aws).check, LakehouseUnavailableError)

    assert code in error.found


@pytest.mark.parametrize(
    ("key_id", "fault", "kinds"),
    [
        ("nobody", None, (KeyUnavailableError, SettingsError, SettingsError)),
        ("late", None, (KeyUnavailableError, SettingsError, SettingsError)),
        (
            "root",
            ("SlowDown", 503),
            (
                KeyServiceUnavailableError,
                SecretServiceUnavailableError,
                LakehouseUnavailableError,
            ),
        ),
        (
            "root",
            ("ThrottlingException", 400),
            (
                KeyServiceUnavailableError,
                SecretServiceUnavailableError,
                LakehouseUnavailableError,
            ),
        ),
    ],
    ids=["no right", "expired", "overloaded", "throttled"],
)
def test_keys_secrets_and_exports_say_whether_it_may_pass(aws, key_id, fault, kinds):
    credentials = keys(aws, key_id)
    ring = AwsKmsKeyRing(
        aws_credentials=credentials, key_id="alias/x", location=f"s3://{BUCKET}/ring.json"
    )
    secret = AwsSecret(aws_credentials=credentials, secret_name="prod/crm/reader")  # noqa: S106
    acts = (
        lambda: ring.keys_for("crm.customers", create=False),
        lambda: login_of_secret(secret, user="reader"),
        lambda: LockedBucket.of(f"s3://{BUCKET}/audit", credentials),
    )
    faults = [] if fault is None else [Fault(lambda _call: True, *fault)]
    aws.faults.extend(faults)
    try:
        errors = [error_of(act, kind) for act, kind in zip(acts, kinds, strict=True)]
    finally:
        aws.faults.clear()
    if key_id == "late":
        assert all("expired" in each.found and "Renew" in each.next_step for each in errors)
    if key_id == "nobody":
        assert "secretsmanager:GetSecretValue" in errors[1].found


@pytest.mark.parametrize(
    ("code", "status", "text", "passes", "said"),
    [
        ("S3Exception", 403, "Access Denied", False, "granted"),
        ("S3Exception", 400, "The provided token has expired.", False, "Renew"),
        ("GlueException", 400, "The security token included in the request is expired", False, ""),
        ("S3Exception", 301, "", False, "region"),
        ("NoSuchBucketException", 404, "", False, "bucket"),
        ("SignatureDoesNotMatch", 403, "", False, "keys"),
        ("S3Exception", 503, "", True, "again"),
        ("an error", 429, "", True, "again"),
        ("Throttling", 400, "", True, "again"),
        ("ValidationException", 400, CANARY, False, "docs/aws.md"),
    ],
)
def test_each_answer_of_aws_has_its_next_step_and_no_text_of_it(code, status, text, passes, said):
    meaning = refusal_of(code, status, text)

    assert meaning.passes is passes
    assert said in meaning.next_step
    assert CANARY not in meaning.found + meaning.next_step
