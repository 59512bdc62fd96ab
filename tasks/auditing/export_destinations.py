"""Where exported audit records go: a folder, or a bucket of S3 with object lock.

Promise: a file is written once and never replaced. In S3 it is locked in compliance mode, in which
nobody can change or delete a version before its time, the account's root user included; a bucket
without object lock is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from prefect_aws import AwsCredentials

from blocks.aws.aws_refusals import refusal_of
from contracts.errors import EnvironmentUnfitError, LakehouseUnavailableError, SettingsError

S3_SCHEME = "s3://"
_EXISTS = ("PreconditionFailed", "ConditionalRequestConflict")


class ExportDestination(Protocol):
    """Where files of records are kept."""

    @property
    def where(self) -> str:
        """The destination as errors name it."""

    def names(self) -> list[str]:
        """The names of the files that are there, in order."""

    def lines(self, name: str) -> Iterator[str]:
        """The lines of a file, without their ends."""

    def write(self, name: str, content: bytes, *, retain_until: datetime) -> None:
        """Write a file that is not there yet.

        Raises:
            SettingsError: The destination does not take it, or has a file of that name.
        """


@dataclass(frozen=True, slots=True)
class FolderDestination:
    """A folder; who may write to it can change what it holds, so it belongs on another machine."""

    folder: Path

    @property
    def where(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def names(self) -> list[str]:
        """See `ExportDestination`."""
        return sorted(path.name for path in self.folder.glob("*.jsonl"))

    def lines(self, name: str) -> Iterator[str]:
        """See `ExportDestination`."""
        with self._opening(), (self.folder / name).open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n")

    def write(self, name: str, content: bytes, *, retain_until: datetime) -> None:  # noqa: ARG002
        """See `ExportDestination`; a folder keeps no time, the file is made read-only."""
        part = self.folder / f".{name}.part"
        with self._opening():
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            part.chmod(0o440)
            try:
                # Unlike a rename, a link never replaces a file.
                os.link(part, self.folder / name)
            except FileExistsError:
                raise _written_by_another(self.where, name) from None
            finally:
                part.unlink(missing_ok=True)

    def _opening(self) -> _FileErrors:
        return _FileErrors(self.where)


@dataclass(frozen=True, slots=True)
class _FileErrors:
    """Turns an error of the file system into one of ours."""

    where: str

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise EnvironmentUnfitError(
                where=self.where,
                expected="a folder that can be read and written",
                found=error.strerror or type(error).__name__,
                next_step="Correct the path or its permissions, and export again.",
            ) from None


@dataclass(frozen=True, slots=True)
class LockedBucket:
    """A bucket of S3 with object lock, and a prefix in it.

    Attributes:
        bucket: The bucket's name.
        prefix: What the keys begin with; "" or ending in a slash.
        client: boto3's client of S3.
    """

    bucket: str
    prefix: str
    client: Any = field(repr=False)

    @classmethod
    def of(cls, url: str, credentials: AwsCredentials) -> LockedBucket:
        """The bucket of an address such as `s3://bucket/prefix`.

        Raises:
            SettingsError: The bucket is not there, or has no object lock.
            LakehouseUnavailableError: S3 does not answer, or refuses.
        """
        bucket, _, prefix = url.removeprefix(S3_SCHEME).partition("/")
        prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        destination = cls(bucket, prefix, credentials.get_s3_client())
        destination._refuse_unlocked()
        return destination

    @property
    def where(self) -> str:
        """The bucket's address."""
        return f"{S3_SCHEME}{self.bucket}/{self.prefix}"

    def names(self) -> list[str]:
        """See `ExportDestination`."""
        pages = self.client.get_paginator("list_objects_v2")
        with _S3Errors(self.where):
            keys = [
                each["Key"]
                for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix)
                for each in page.get("Contents", [])
            ]
        names = [key.removeprefix(self.prefix) for key in keys]
        return sorted(name for name in names if name.endswith(".jsonl") and "/" not in name)

    def lines(self, name: str) -> Iterator[str]:
        """See `ExportDestination`."""
        with _S3Errors(self.where):
            body = self.client.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"]
            for line in body.iter_lines():
                yield line.decode("utf-8")

    def write(self, name: str, content: bytes, *, retain_until: datetime) -> None:
        """See `ExportDestination`; locked in compliance mode until `retain_until`."""
        try:
            with _S3Errors(self.where):
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=self.prefix + name,
                    Body=content,
                    ContentType="application/jsonl",
                    # S3 asks for a checksum with each locked object.
                    ChecksumAlgorithm="SHA256",
                    ObjectLockMode="COMPLIANCE",
                    ObjectLockRetainUntilDate=retain_until,
                    # Not even a new version above the one that is there.
                    IfNoneMatch="*",
                )
        except FileExistsError:
            raise _written_by_another(self.where, name) from None

    def _refuse_unlocked(self) -> None:
        try:
            with _S3Errors(self.where):
                told = self.client.get_object_lock_configuration(Bucket=self.bucket)
        except FileNotFoundError:
            told = {}
        state = told.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled")
        if state != "Enabled":
            raise SettingsError(
                where=self.where,
                expected="a bucket with object lock",
                found="one without it",
                next_step="Make a bucket with object lock and versioning, and export to that: "
                "without the lock whoever may write to the bucket can change the records.",
            )


@dataclass(frozen=True, slots=True)
class _S3Errors:
    """Turns an error of S3 into one of ours; its text may name keys, so its code is kept alone."""

    where: str

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ClientError):
            told = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            self._refuse(str(told.get("Code", "unknown")), status, str(told.get("Message")))
        if isinstance(error, BotoCoreError):
            self._refuse(type(error).__name__)

    def _refuse(self, code: str, status: int | None = None, text: str = "") -> None:
        if code in _EXISTS:
            raise FileExistsError(code) from None
        if code == "ObjectLockConfigurationNotFoundError":
            raise FileNotFoundError(code) from None
        if code == "NoSuchBucket":
            raise SettingsError(
                where=self.where,
                expected="a bucket",
                found="none of that name",
                next_step="Make a bucket with object lock, or correct the address.",
            ) from None
        meaning = refusal_of(code, status, text)
        if status is not None and not meaning.passes:
            raise SettingsError(
                where=self.where,
                expected="S3 to allow it",
                found=meaning.found,
                next_step=meaning.next_step,
            ) from None
        raise LakehouseUnavailableError(
            where=self.where,
            expected="S3 to answer and to allow it",
            found=code,
            next_step="Check the credentials, the region and the bucket's policy; then again.",
        ) from None


def _written_by_another(where: str, name: str) -> SettingsError:
    return SettingsError(
        where=where,
        expected="no file of the records that are to be exported",
        found=f"{name}, which another export has written meanwhile",
        next_step="Run the export again: it goes on after that file.",
    )
