"""Where backups of the lakehouse's catalog and key ring go: a directory, or a bucket of S3.

Promise: a backup has metadata and wrapped keys only; what it says of how long it is kept is part of
the block, so that everybody who makes one keeps it as long.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from prefect.blocks.core import Block
from prefect_aws import AwsCredentials
from pyarrow import fs
from pydantic import ConfigDict, Field, HttpUrl

from blocks.prefect_ui.block_type_descriptions import BLOCK_DOCUMENTATION, STORAGE_LOGO

__all__ = ["BackupTarget"]

_S3 = "s3://"


class BackupTarget(Block):
    """A place for backups, which should not be lost together with the warehouse.

    Example:
        ```python
        from blocks.backup_target import BackupTarget

        target = BackupTarget.load("BLOCK_NAME")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Strandline Backup Target"
    _block_type_slug = "strandline-backup-target"
    _documentation_url: ClassVar[HttpUrl] = BLOCK_DOCUMENTATION
    _logo_url: ClassVar[HttpUrl] = STORAGE_LOGO

    location: str = Field(
        min_length=1, description="A directory, or s3://BUCKET/PREFIX; not the warehouse's own."
    )
    keep_days: int = Field(default=35, ge=1, description="For how many days backups are kept.")
    keep_at_least: int = Field(
        default=24, ge=1, description="How many of the newest backups stay, however old they are."
    )
    recovery_point_minutes: int = Field(
        default=60,
        ge=1,
        description="How old the newest backup may be (RPO): `strandline status` says where it is "
        "older.",
    )
    region: str | None = Field(default=None, description="AWS region of the bucket.")
    s3_endpoint: str | None = Field(
        default=None, description="Address of S3, where it is not the region's own."
    )
    aws_credentials: AwsCredentials | None = Field(
        default=None, description="Credentials for S3; without them AWS's own chain decides."
    )

    def filesystem(self) -> tuple[fs.FileSystem, str]:
        """Arrow's file system of the place, and the path of the place in it."""
        if not self.location.startswith(_S3):
            return fs.LocalFileSystem(), str(Path(self.location).expanduser().absolute())
        options: dict[str, Any] = {"region": self.region, "endpoint_override": self.s3_endpoint}
        if self.aws_credentials is not None:
            found = self.aws_credentials.get_boto3_session().get_credentials()
            if found is not None:
                keys = found.get_frozen_credentials()
                options |= {"access_key": keys.access_key, "secret_key": keys.secret_key}
                options["session_token"] = keys.token
        given = {name: value for name, value in options.items() if value is not None}
        return fs.S3FileSystem(**given), self.location.removeprefix(_S3).rstrip("/")
