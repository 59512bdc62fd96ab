"""Whether the catalog and the warehouse of a lakehouse exist and grant access.

Promise: "does not answer" (may pass by itself) and "refuses" (an administrator has to act) are
different errors. No message carries a credential.
"""

from __future__ import annotations

import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import boto3
import httpx
import psycopg
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from blocks.aws.aws_refusals import refusal_of
from blocks.postgres.sqlstate_errors import meaning_of_certificate
from contracts.errors import EnvironmentUnfitError, LakehouseUnavailableError, SettingsError

__all__ = [
    "AwsClient",
    "aws_client",
    "bucket",
    "directory",
    "glue",
    "hive",
    "postgresql",
    "rest",
    "sqlite",
]

AwsClient = Any
"""A boto3 client; its methods are made at run time."""

_SECONDS = 10
_MEGABYTE = 1024 * 1024
_REFUSED = frozenset({401, 403})


def directory(path: Path, *, minimum_free_mb: int) -> None:
    """Check that the directory exists or can be made, takes a file, and its disk has room.

    Raises:
        EnvironmentUnfitError: One of these is not so.
    """
    where = f"warehouse {path}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"probe")
        free = shutil.disk_usage(path).free // _MEGABYTE
    except OSError as error:
        raise EnvironmentUnfitError(
            where=where,
            expected="a directory that can be written",
            found=error.strerror or type(error).__name__,
            next_step="Correct `warehouse` in the lakehouse's block, or give permission there.",
        ) from error
    if free < minimum_free_mb:
        raise EnvironmentUnfitError(
            where=where,
            expected=f"at least {minimum_free_mb} MB of free disk space",
            found=f"{free} MB",
            next_step="Make room on this disk, or move the warehouse to another.",
        )


def postgresql(dsn: SecretStr) -> None:
    """Check that the catalog's database answers and lets us in.

    Raises:
        LakehouseUnavailableError: It does not answer.
        SettingsError: It refuses the user, the password or the database, or its certificate is
            not one to trust.
    """
    address = conninfo_to_dict(dsn.get_secret_value())
    where = (
        f"catalog database {address.get('dbname')} on {address.get('host')}:{address.get('port')}"
    )
    try:
        psycopg.connect(dsn.get_secret_value(), connect_timeout=_SECONDS).close()
    except psycopg.Error as error:
        # Not `from error`: libpq's text names the user.
        if (meaning := meaning_of_certificate(str(error))) is not None:
            raise meaning.error(where) from None
        if "FATAL" in str(error) and not any(sign in str(error) for sign in _NOT_READY):
            raise _refused(where, "the user, the password or the database refused") from None
        raise _unavailable(where, "no connection") from None


_NOT_READY = ("starting up", "shutting down", "too many", "remaining connection slots")


def sqlite(path: Path) -> None:
    """Check that the catalog's file can be opened and written.

    Raises:
        EnvironmentUnfitError: It can't.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except (OSError, sqlite3.Error) as error:
        raise EnvironmentUnfitError(
            where=f"catalog file {path}",
            expected="an SQLite database that can be written",
            found=str(error),
            next_step="Correct `uri` in the lakehouse's block, or give permission there.",
        ) from error


def rest(uri: str, token: SecretStr | None) -> None:
    """Check that the REST catalog answers its configuration request.

    Raises:
        LakehouseUnavailableError: It does not answer, or with a server's error.
        SettingsError: It refuses the token, or is no Iceberg catalog.
    """
    where = f"rest catalog {uri}"
    headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
    try:
        response = httpx.get(f"{uri.rstrip('/')}/v1/config", headers=headers, timeout=_SECONDS)
    except httpx.HTTPError as error:
        raise _unavailable(where, type(error).__name__) from None
    if response.status_code in _REFUSED:
        raise _refused(where, f"the token refused (HTTP {response.status_code})")
    if response.is_server_error:
        raise _unavailable(where, f"HTTP {response.status_code}")
    if not response.is_success:
        raise _refused(where, f"HTTP {response.status_code}: not an Iceberg catalog's address")


def hive(uri: str) -> None:
    """Check that the metastore's port can be reached.

    Raises:
        LakehouseUnavailableError: It can't.
    """
    address = urlsplit(uri.partition(",")[0])
    try:
        socket.create_connection((address.hostname or "", address.port or 9083), _SECONDS).close()
    except OSError as error:
        raise _unavailable(
            where=f"hive metastore {uri}", found=error.strerror or "no connection"
        ) from error


def aws_client(
    session: boto3.Session,
    service: Literal["s3", "glue", "lakeformation", "sts"],
    *,
    region: str | None,
    endpoint: str | None,
) -> AwsClient:
    """A client with short timeouts.

    Raises:
        SettingsError: No region is configured.
    """
    timeouts = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"max_attempts": 1})
    try:
        return session.client(service, region_name=region, endpoint_url=endpoint, config=timeouts)
    except (NoRegionError, ValueError) as error:
        raise _refused(
            where=f"AWS {service}", found=f"no region or no valid endpoint ({error})"
        ) from error


def bucket(s3: AwsClient, name: str, *, region: str | None) -> None:
    """Check that the bucket exists, is ours to use, and is in the region that Spark will ask.

    boto3 follows a bucket to its region, Iceberg's client does not.

    Raises:
        LakehouseUnavailableError: S3 does not answer.
        SettingsError: There is no such bucket, it is not ours, or it is in another region.
    """
    where = f"bucket {name}"
    try:
        answer = s3.head_bucket(Bucket=name)
    except ClientError:
        # The answer to a HEAD has no body, and so no code: this one says what it is.
        _call_aws(where, lambda: s3.list_objects_v2(Bucket=name, MaxKeys=1))
        raise _unavailable(where, "two answers that differ") from None
    except BotoCoreError as error:
        raise _of_boto(where, error) from None
    home = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    if None not in (home, region) and home != region:
        raise SettingsError(
            where=where,
            expected=f"a bucket in the region {region}",
            found=f"one in {home}",
            next_step="Correct `region` in the lakehouse's block to that of the bucket.",
        )


def glue(client: AwsClient) -> None:
    """Check that Glue answers and lets us list databases.

    Raises:
        LakehouseUnavailableError: It does not answer.
        SettingsError: It refuses the credentials.
    """
    _call_aws("Glue catalog", lambda: client.get_databases(MaxResults=1))


def _call_aws(where: str, call: Callable[[], object]) -> None:
    try:
        call()
    except ClientError as error:
        told = error.response.get("Error", {})
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        meaning = refusal_of(str(told.get("Code")), status, str(told.get("Message")))
        if meaning.passes:
            raise _unavailable(where, meaning.found) from None
        raise _refused(where, meaning.found, meaning.next_step) from None
    except BotoCoreError as error:
        raise _of_boto(where, error) from None


def _of_boto(where: str, error: BotoCoreError) -> SettingsError | LakehouseUnavailableError:
    if isinstance(error, NoCredentialsError):
        return _refused(where, "no AWS credentials")
    return _unavailable(where, type(error).__name__)


def _unavailable(where: str, found: str) -> LakehouseUnavailableError:
    return LakehouseUnavailableError(
        where=where,
        expected="an answer",
        found=found,
        next_step="See that it runs and can be reached from here, then run again.",
    )


def _refused(
    where: str,
    found: str,
    next_step: str = "Correct the lakehouse's block, or have the access granted.",
) -> SettingsError:
    return SettingsError(
        where=where,
        expected="access with what the lakehouse's block says",
        found=found,
        next_step=next_step,
    )
