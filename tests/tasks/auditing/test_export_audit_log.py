"""Exported records: a chain of files that goes on, is locked, and is verified on its own."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
import rfc8785
from moto.server import ThreadedMotoServer
from prefect_aws import AwsClientParameters, AwsCredentials
from pydantic import SecretStr

from contracts.errors import (
    AuditLogTamperedError,
    EnvironmentUnfitError,
    LakehouseUnavailableError,
    SettingsError,
)
from tasks.auditing import export_audit_log as module
from tasks.auditing.export_audit_log import export_audit_log, verify_export
from tasks.auditing.export_destinations import FolderDestination, LockedBucket
from tasks.auditing.verify_audit_log import FindingKind, verify_audit_log
from tests.tasks.auditing.conftest import entry

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEN_YEARS = timedelta(days=3653)


def export(log, destination):
    return export_audit_log(log.spark, log.settings, destination, at=NOW)


@pytest.fixture
def log(make_log):
    log = make_log()
    log.append(*[entry(number) for number in range(1, 6)])
    return log


@pytest.fixture
def folder(tmp_path):
    return FolderDestination(tmp_path / "exports")


def test_an_export_goes_on_where_the_last_one_ended_and_doubles_nothing(log, folder, monkeypatch):
    monkeypatch.setattr(module, "RECORDS_PER_FILE", 2)
    first = export(log, folder)
    again = export(log, folder)
    head = log.append(entry(6), entry(7))
    after = export(log, folder)

    assert (first.files, first.records, again.files, after.records) == (3, 5, 0, 2)
    assert folder.names() == [
        "audit-000000000001-000000000002.jsonl",
        "audit-000000000003-000000000004.jsonl",
        "audit-000000000005-000000000005.jsonl",
        "audit-000000000006-000000000007.jsonl",
    ]
    chain = verify_export(folder)
    assert (chain.records, chain.head) == (7, head)
    assert [each.sequence for each in chain.anchors] == [2, 4, 5, 7]
    lines = [line for name in folder.names() for line in folder.lines(name)]
    told = [json.loads(line) for line in lines]
    assert [rfc8785.dumps(each).decode() for each in told] == lines
    assert [each["record"] for each in told] == [row.record for row in log.rows()]


def _swapped(lines):
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda lines: [lines[0].replace("ada", "eve"), *lines[1:]], "record 1 is not what"),
        (lambda lines: [lines[0], *lines[2:]], "record 3 after record 1"),
        (_swapped, "record 4 after record 2"),
        (lambda lines: [lines[0], *lines], "record 1 after record 1"),
        (lambda lines: lines[:-1], "does not end with its last record"),
        (lambda lines: lines[1:], "does not begin with its first"),
        (lambda lines: ["{}", *lines], "a line that is no record"),
    ],
    ids=["changed", "removed", "swapped", "inserted", "truncated", "beheaded", "foreign"],
)
def test_what_was_done_to_an_exported_file_is_found(twenty_exported, tmp_path, harm, found):
    name, lines = twenty_exported
    copy = FolderDestination(tmp_path)
    content = "".join(f"{line}\n" for line in harm(lines)).encode()
    copy.write(name, content, retain_until=NOW)

    with pytest.raises(AuditLogTamperedError, match=found):
        verify_export(copy)


@pytest.fixture(scope="module")
def twenty_exported(twenty, tmp_path_factory):
    folder = FolderDestination(tmp_path_factory.mktemp("exported"))
    export(twenty, folder)
    (name,) = folder.names()
    return name, list(folder.lines(name))


def test_a_log_that_lost_its_tail_is_found_by_its_export(log, folder):
    export(log, folder)
    catalog, _, name = log.table.partition(".")
    log.append(entry(6))
    export(log, folder)
    log.sql("DELETE FROM {log} WHERE sequence > 4")
    log.spark.sql(f"CALL {catalog}.system.expire_snapshots('{name}', TIMESTAMP '2999-01-01', 1)")

    alone = verify_audit_log(log.spark, log.settings)
    compared = verify_audit_log(log.spark, log.settings, verify_export(folder).anchors)

    assert alone.findings == ()
    (finding,) = compared.findings
    assert (finding.kind, finding.first, finding.last) == (FindingKind.TRUNCATED, 5, 6)


def test_a_log_that_does_not_follow_what_was_exported_is_not_exported(log, make_log, folder):
    export(log, folder)
    other = make_log()
    other.append(*[entry(number, actor="user eve on ward") for number in range(1, 8)])

    with pytest.raises(AuditLogTamperedError, match="does not follow"):
        export(other, folder)
    assert len(folder.names()) == 1


def test_a_file_of_a_folder_is_never_replaced_and_can_only_be_read(folder):
    folder.write("audit-1.jsonl", b"one\n", retain_until=NOW)
    with pytest.raises(SettingsError):
        folder.write("audit-1.jsonl", b"two\n", retain_until=NOW)

    path = folder.folder / "audit-1.jsonl"
    assert path.read_bytes() == b"one\n"
    assert path.stat().st_mode & 0o777 == 0o440


def test_a_folder_that_can_not_be_written_is_said_so(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EnvironmentUnfitError):
        FolderDestination(tmp_path / "file").write("a.jsonl", b"", retain_until=NOW)


@pytest.fixture(scope="module")
def aws():
    """S3, played by moto: a locked bucket `locked`, and one without a lock."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    credentials = AwsCredentials(
        aws_access_key_id="test",
        aws_secret_access_key=SecretStr("test"),
        region_name="us-east-1",
        aws_client_parameters=AwsClientParameters(endpoint_url=f"http://{host}:{port}"),
    )
    client = credentials.get_s3_client()
    client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    client.create_bucket(Bucket="open")
    yield credentials
    server.stop()


def test_a_file_in_s3_is_locked_for_ten_years_and_sent_with_its_checksum(log, aws):
    bucket = LockedBucket.of("s3://locked/audit", aws)
    sent = []
    bucket.client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: sent.append(request)
    )
    done = export(log, bucket)
    again = export(log, bucket)

    assert (done.files, done.records, again.files) == (1, 5, 0)
    (request,) = sent
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    key = "audit/audit-000000000001-000000000005.jsonl"
    stored = bucket.client.get_object(Bucket="locked", Key=key)
    content = stored["Body"].read()
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert headers["x-amz-object-lock-mode"] == "COMPLIANCE"
    until = datetime.fromisoformat(headers["x-amz-object-lock-retain-until-date"])
    assert until == NOW + TEN_YEARS
    assert headers["if-none-match"] == "*"
    told = headers.get("x-amz-checksum-sha256")
    trailer = request.body if told is None else b""
    assert told == checksum or checksum.encode() in _bytes(trailer)
    assert stored["ObjectLockMode"] == "COMPLIANCE"
    assert stored["ObjectLockRetainUntilDate"] == NOW + TEN_YEARS
    assert verify_export(bucket).records == 5


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(body):
    if isinstance(body, bytes):
        return body
    body.seek(0)
    return body.read()


def test_a_locked_file_can_neither_be_replaced_by_an_export_nor_its_version_deleted(log, aws):
    bucket = LockedBucket.of("s3://locked/once", aws)
    export(log, bucket)
    (name,) = bucket.names()

    with pytest.raises(SettingsError, match="another export"):
        bucket.write(name, b"{}\n", retain_until=NOW + TEN_YEARS)
    versions = bucket.client.list_object_versions(Bucket="locked", Prefix="once/")["Versions"]
    (version,) = versions
    with pytest.raises(bucket.client.exceptions.ClientError, match="AccessDenied"):
        bucket.client.delete_object(
            Bucket="locked", Key=version["Key"], VersionId=version["VersionId"]
        )


@pytest.mark.parametrize(
    ("url", "found"),
    [("s3://open/audit", "without it"), ("s3://missing-bucket", "none of that name")],
)
def test_a_bucket_without_object_lock_and_one_that_is_not_there_are_refused(aws, url, found):
    with pytest.raises(SettingsError, match=found):
        LockedBucket.of(url, aws)


def test_an_s3_that_does_not_answer_is_said_so(monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    session = boto3.Session("test", "test", region_name="us-east-1")
    client = session.client("s3", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(LakehouseUnavailableError, match="EndpointConnectionError"):
        LockedBucket("locked", "", client).names()
