"""Where the history tables live: an Iceberg catalog and its warehouse.

Promise: every secret is a Spark property whose name Spark's own redaction covers, so it shows
neither in the event log nor in `SET`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal, Self

from prefect.blocks.core import Block
from prefect_aws import AwsCredentials
from psycopg.conninfo import make_conninfo
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, field_validator, model_validator

from blocks.embedded_postgres import EmbeddedPostgres, running_postgres
from blocks.iceberg import catalog_access_check
from blocks.postgres.connection import JDBC_DRIVER
from blocks.postgres.transport_security import TlsMode, TransportSecurity, is_this_machine
from blocks.prefect_ui.block_type_descriptions import BLOCK_DOCUMENTATION, STORAGE_LOGO
from blocks.sqlite.sqlite_connection import SQLITE_DRIVER

__all__ = ["Lakehouse"]


_RUNTIME = "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0"
_AWS = "org.apache.iceberg:iceberg-aws-bundle:1.12.0"

_POSTGRESQL, _SQLITE = "jdbc:postgresql://", "jdbc:sqlite:"
_DATABASE = "lakehouse"
_S3 = ("s3://", "s3a://", "s3n://")


class Lakehouse(Block):
    """An Apache Iceberg catalog and the warehouse in which it keeps the tables.

    `jdbc` keeps the catalog in a database (an embedded PostgreSQL if you like), `glue` in AWS,
    `rest` behind Iceberg's REST protocol, `hive` in a Hive metastore.

    Example:
        Load the block and see that the catalog and the warehouse can be used:
        ```python
        from blocks.lakehouse import Lakehouse

        lakehouse = Lakehouse.load("BLOCK_NAME")
        lakehouse.check()
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Strandline Lakehouse"
    _block_type_slug = "strandline-lakehouse"
    _documentation_url: ClassVar[HttpUrl] = BLOCK_DOCUMENTATION
    _logo_url: ClassVar[HttpUrl] = STORAGE_LOGO

    catalog: str = Field(
        default="lake",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="The catalog's name in Spark, the first part of every table's name.",
    )
    kind: Literal["jdbc", "glue", "rest", "hive"] = Field(
        default="jdbc", description="What keeps the catalog."
    )
    warehouse: str = Field(
        description="Where the tables' files lie: a directory, or a URI such as s3://bucket/path."
    )
    uri: str | None = Field(
        default=None,
        description=(
            "Address of the catalog: jdbc:postgresql://host:5432/database or jdbc:sqlite:FILE "
            "(jdbc), https://host/path (rest), thrift://host:9083 (hive)."
        ),
    )
    user: str | None = Field(default=None, description="The user of a jdbc catalog's database.")
    password: SecretStr | None = Field(default=None, description="The password of that user.")
    ssl_mode: TlsMode | None = Field(
        default=None,
        description=(
            "How connections to a jdbc catalog's PostgreSQL are encrypted, in its words. Without "
            "it: `verify-full` where ssl_root_certificate is given; else `require`, and `prefer` "
            "on this machine. A sslmode in the uri goes before."
        ),
    )
    ssl_root_certificate: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "File, on every machine that connects, with the certificates of the authorities that "
            "may vouch for that PostgreSQL; `system` stands for those that the machine trusts."
        ),
    )
    embedded_directory: Path | None = Field(
        default=None,
        description=(
            "Directory of an embedded PostgreSQL that is started on demand and keeps the jdbc "
            "catalog; uri, user and password are then its own."
        ),
    )
    token: SecretStr | None = Field(
        default=None, description="Bearer token of a rest catalog, if it asks for one."
    )
    region: str | None = Field(
        default=None,
        description="AWS region of Glue and S3; with a rest catalog it says that files are in S3.",
    )
    glue_endpoint: str | None = Field(
        default=None, description="Address of Glue, where it is not the region's own."
    )
    s3_endpoint: str | None = Field(
        default=None, description="Address of S3, where it is not the region's own."
    )
    s3_path_style: bool = Field(
        default=False, description="Name buckets in the path, as S3's stand-ins want it."
    )
    aws_credentials: AwsCredentials | None = Field(
        default=None,
        description="Credentials for Glue and S3; without them AWS's own chain decides.",
    )
    minimum_free_mb: int = Field(
        default=500, ge=0, description="Free disk space a local warehouse needs, in megabytes."
    )

    @field_validator("uri")
    @classmethod
    def _has_no_credentials(cls, uri: str | None) -> str | None:
        authority = (uri or "").partition("//")[2].partition("/")[0]
        if uri is not None and ("@" in authority or "password=" in uri.lower()):
            message = "the uri is shown in messages: give user and password in their own fields"
            raise ValueError(message)
        return uri

    @model_validator(mode="after")
    def _has_its_catalog_address(self) -> Self:
        if self.kind == "jdbc":
            supported = (self.uri or "").startswith((_POSTGRESQL, _SQLITE))
            if self.embedded_directory is None and not supported:
                message = "a jdbc catalog needs a postgresql or sqlite uri, or embedded_directory"
                raise ValueError(message)
        elif self.kind != "glue" and self.uri is None:
            message = f"a {self.kind} catalog needs a uri"
            raise ValueError(message)
        return self

    def spark_configuration(self) -> dict[str, str]:
        """The Spark properties that configure this catalog; secrets are among them.

        Raises:
            EnvironmentUnfitError: The embedded PostgreSQL does not start.
        """
        prefix = f"spark.sql.catalog.{self.catalog}"
        properties = {
            # A cached table would hide what another session or run publishes meanwhile.
            "cache-enabled": "false",
            "warehouse": self.warehouse_uri,
            **self._catalog_properties(),
            **(self._aws_properties() if self.uses_aws else {}),
        }
        return {
            prefix: "org.apache.iceberg.spark.SparkCatalog",
            **{f"{prefix}.{name}": value for name, value in properties.items()},
        }

    def packages(self) -> tuple[str, ...]:
        """Maven coordinates of the jars this catalog needs in Spark."""
        packages = [_RUNTIME]
        if self.kind == "jdbc":
            sqlite = self.embedded_directory is None and (self.uri or "").startswith(_SQLITE)
            packages.append(SQLITE_DRIVER if sqlite else JDBC_DRIVER)
        if self.uses_aws:
            packages.append(_AWS)
        return tuple(packages)

    def driver_properties(self) -> dict[str, str]:
        """The Java system properties of Spark's driver: AWS credentials.

        Iceberg's Glue client takes them from AWS's own chain only, which is one for the whole
        process: two Glue catalogs with different credentials need a process each.
        """
        if not self.uses_aws:
            return {}
        names = {
            "s3.access-key-id": "aws.accessKeyId",
            "s3.secret-access-key": "aws.secretAccessKey",
            "s3.session-token": "aws.sessionToken",
        }
        properties = self._aws_properties()
        return {names[name]: text for name, text in properties.items() if name in names}

    def check(self) -> None:
        """Check that a run can read and write here.

        Raises:
            EnvironmentUnfitError: The warehouse's directory can't be written or its disk is full.
            LakehouseUnavailableError: The catalog or the storage does not answer.
            SettingsError: It refuses the credentials, or there is no such database or bucket.
        """
        directory = self.local_warehouse
        if directory is not None:
            catalog_access_check.directory(directory, minimum_free_mb=self.minimum_free_mb)
        elif self.uses_aws and self.warehouse.startswith(_S3):
            bucket = self.warehouse.partition("://")[2].partition("/")[0]
            catalog_access_check.bucket(self._aws_client("s3"), bucket, region=self.region)
        self._check_catalog()

    @property
    def local_warehouse(self) -> Path | None:
        """The warehouse as a directory of this machine; None when it is elsewhere."""
        if self.warehouse.startswith("file:"):
            return Path("/" + self.warehouse.removeprefix("file:").lstrip("/"))
        named = self.kind == "rest" and not self.warehouse.startswith("/")  # a name of the server's
        return (
            None
            if named or "://" in self.warehouse
            else Path(self.warehouse).expanduser().absolute()
        )

    @property
    def warehouse_uri(self) -> str:
        """The warehouse as Spark gets it.

        A directory's name is in it letter by letter: Hadoop takes what follows the scheme as
        a name and decodes nothing, so `%20` would be a directory of that name.
        """
        directory = self.local_warehouse
        return self.warehouse.rstrip("/") if directory is None else f"file://{directory}"

    @property
    def uses_aws(self) -> bool:
        """Whether Glue or S3 is involved; of a rest catalog whether the block says how to reach S3.

        Its warehouse is a name, so that it does not say where the files lie.
        """
        said = (self.region, self.s3_endpoint, self.aws_credentials)
        on_s3 = self.kind == "rest" and any(each is not None for each in said)
        return self.kind == "glue" or on_s3 or self.warehouse.startswith(_S3)

    def _embedded(self) -> EmbeddedPostgres | None:
        if self.kind != "jdbc" or self.embedded_directory is None:
            return None
        server = running_postgres(self.embedded_directory)
        server.create_database(_DATABASE)
        return server

    def _catalog_properties(self) -> dict[str, str]:
        if self.kind == "glue":
            return {"type": "glue"} | _without_nones({"glue.endpoint": self.glue_endpoint})
        if self.kind != "jdbc":
            return {"type": self.kind} | _without_nones(
                {"uri": self.uri, "token": _text(self.token)}
            )
        uri, user, password = self.uri, self.user, self.password
        security = self._security()
        encryption = {} if security is None else security.jdbc()
        if (server := self._embedded()) is not None:
            uri = f"{_POSTGRESQL}{server.host}:{server.port}/{_DATABASE}"
            user, password = server.user, server.password
        login = _without_nones({"uri": uri, "jdbc.user": user, "jdbc.password": _text(password)})
        return {
            "type": "jdbc",
            "jdbc.schema-version": "V1",
            **login,
            **{f"jdbc.{name}": text for name, text in encryption.items()},
        }

    def _security(self) -> TransportSecurity | None:
        """The encryption of connections to the jdbc catalog's PostgreSQL.

        None: its uri says it, it is the embedded one, or the catalog is in a file.
        """
        uri = self.uri or ""
        is_remote = self.embedded_directory is None and uri.startswith(_POSTGRESQL)
        if not is_remote or "sslmode=" in uri.lower():
            return None
        address = uri.removeprefix(_POSTGRESQL).partition("/")[0]
        hosts = [re.sub(r":\d*$", "", each) for each in address.split(",")]
        others = [host for host in hosts if not is_this_machine(host)]
        return TransportSecurity.of(
            others[0] if others else hosts[0], self.ssl_mode, self.ssl_root_certificate
        )

    def _aws_properties(self) -> dict[str, str]:
        properties = {
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "client.region": self.region,
            "s3.endpoint": self.s3_endpoint,
            "s3.path-style-access": "true" if self.s3_path_style else None,
        }
        if self.aws_credentials is not None:
            credentials = self.aws_credentials.get_boto3_session().get_credentials()
            if credentials is not None:
                keys = credentials.get_frozen_credentials()
                properties["s3.access-key-id"] = keys.access_key
                properties["s3.secret-access-key"] = keys.secret_key
                properties["s3.session-token"] = keys.token
        return _without_nones(properties)

    def _aws_client(self, service: Literal["s3", "glue"]) -> catalog_access_check.AwsClient:
        return self.aws_client(
            service, endpoint=self.s3_endpoint if service == "s3" else self.glue_endpoint
        )

    def aws_client(
        self,
        service: Literal["s3", "glue", "lakeformation", "sts"],
        *,
        endpoint: str | None = None,
    ) -> catalog_access_check.AwsClient:
        """A boto3 client with the credentials of this block, and its region.

        Raises:
            SettingsError: No region is configured.
        """
        credentials = self.aws_credentials or AwsCredentials()
        return catalog_access_check.aws_client(
            credentials.get_boto3_session(), service, region=self.region, endpoint=endpoint
        )

    def _check_catalog(self) -> None:
        if (server := self._embedded()) is not None:
            catalog_access_check.postgresql(server.dsn_of(_DATABASE))
        elif self.kind == "glue":
            catalog_access_check.glue(self._aws_client("glue"))
        elif self.kind == "rest":
            catalog_access_check.rest(self.uri or "", self.token)
        elif self.kind == "hive":
            catalog_access_check.hive(self.uri or "")
        elif (self.uri or "").startswith(_SQLITE):
            catalog_access_check.sqlite(
                Path((self.uri or "").removeprefix(_SQLITE).partition("?")[0])
            )
        else:
            security = self._security()
            dsn = make_conninfo(
                (self.uri or "").removeprefix("jdbc:"),
                user=self.user,
                password=_text(self.password),
                **({} if security is None else security.libpq()),
            )
            catalog_access_check.postgresql(SecretStr(dsn))


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _without_nones(properties: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in properties.items() if value is not None}
