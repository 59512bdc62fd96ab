"""What executors tell of AWS is text: Spark hands on no exception of theirs."""

from __future__ import annotations

import pytest

from contracts.errors import LakehouseUnavailableError, SettingsError
from tasks.run.aws_sdk_errors import sdk_error

CANARY = "s3://acme-lake/warehouse/clinic.db/name=Quillfeather"
_LOST = (
    "Job aborted due to stage failure: Task 0 in stage 7.0 failed 1 times: Lost task 0.0: "
    "software.amazon.awssdk.services.s3.model."
)


def error_for(text, causes=()):
    return sdk_error(causes, text, where="readings, step merge", state="Nothing was published.")


@pytest.mark.parametrize(
    ("text", "kind", "found", "next_step"),
    [
        (
            "S3Exception: Access Denied (Service: S3, Status Code: 403",
            SettingsError,
            "403",
            "granted",
        ),
        (
            "S3Exception: The provided token has expired. (Service: S3, Status Code: 400",
            SettingsError,
            "expired",
            "Renew",
        ),
        (
            "NoSuchBucketException: The bucket does not exist (Service: S3, Status Code: 404",
            SettingsError,
            "NoSuchBucket",
            "bucket",
        ),
        ("S3Exception: moved (Service: S3, Status Code: 301", SettingsError, "301", "region"),
        (
            f"S3Exception: {CANARY} (Service: S3, Status Code: 503",
            LakehouseUnavailableError,
            "503",
            "again",
        ),
        (
            "S3Exception: arn:1 not authorized to perform: s3:Put (Service: S3, Status Code: 403",
            SettingsError,
            "s3:Put",
            "docs/aws.md",
        ),
    ],
)
def test_the_answer_in_a_lost_tasks_text_has_its_next_step(text, kind, found, next_step):
    error = error_for(f"{_LOST}{text}, Request ID: 0) (SDK Attempt Count: 1)\n\tat more")

    assert type(error) is kind
    assert found in error.found
    assert next_step in error.next_step
    assert error.next_step.endswith("Nothing was published.")
    assert "Quillfeather" not in str(error)
    assert "arn:" not in str(error)


def test_a_client_without_credentials_or_region_says_what_to_name():
    nobody = "SdkClientException: Unable to load credentials from any of the providers in the chain"
    nowhere = "SdkClientException: Unable to load region from any of the providers in the chain"

    assert error_for(nobody).found == "no credentials"
    assert error_for(nowhere).found == "no region"


def test_what_was_not_aws_is_left_to_others():
    assert error_for("java.lang.ArithmeticException: / by zero") is None
