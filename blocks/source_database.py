"""A database that tables are read from.

Promise: a failure to reach it and a refusal by it are different errors, since the first may pass by
itself and the second does not; neither's message carries a credential.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal, Protocol, Self, TypeAlias

from prefect.blocks.core import Block
from prefect_aws import AwsSecret
from pydantic import ConfigDict, Field, HttpUrl, PrivateAttr, SecretStr, model_validator

from blocks.embedded_postgres import running_postgres
from blocks.jdbc.jdbc_connection import JdbcSource
from blocks.jdbc.jdbc_settings import JdbcSettings
from blocks.mariadb.mariadb_connection import MariadbSource
from blocks.mariadb.mariadb_security import MARIADB_TLS_MODES, MariadbSecurity
from blocks.postgres.connection import PostgresqlSource
from blocks.postgres.transport_security import (
    SYSTEM_AUTHORITIES,
    TlsMode,
    TransportSecurity,
)
from blocks.prefect_ui.block_type_descriptions import BLOCK_DOCUMENTATION, STORAGE_LOGO
from blocks.source_dialects.consistent_read import SourceReading
from blocks.source_dialects.secret_login import Login, login_of_secret
from blocks.sqlite.sqlite_connection import SqliteSource

__all__ = ["SourceDatabase"]

DialectName: TypeAlias = Literal["postgresql", "mariadb", "sqlite", "jdbc"]


class Source(Protocol):
    """What a dialect has to provide."""

    def jdbc_options(self) -> dict[str, str]:
        """For Spark's JDBC reader."""
        ...

    def check(self) -> None:
        """Connect."""
        ...

    def columns(self, schema: str, table: str) -> dict[str, str]:
        """Names and types."""
        ...

    def query_row(self, statement: str) -> tuple[object, ...]:
        """One row."""
        ...

    def reading(self) -> AbstractContextManager[SourceReading]:
        """One state of the database."""
        ...


class SourceDatabase(Block):
    """A relational database whose tables Strandline keeps the history of.

    Sessions are read-only. A table's contract names this block by its connection: the connection
    `source_db_conn` is the block `source-db-conn`.

    Example:
        Load the block and see that the database can be reached:
        ```python
        from blocks.source_database import SourceDatabase

        source = SourceDatabase.load("BLOCK_NAME")
        source.check()
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)
    _login: Login | None = PrivateAttr(default=None)

    _block_type_name = "Strandline Source Database"
    _block_type_slug = "strandline-source-database"
    _documentation_url: ClassVar[HttpUrl] = BLOCK_DOCUMENTATION
    _logo_url: ClassVar[HttpUrl] = STORAGE_LOGO

    dialect: DialectName = Field(default="postgresql", description="Which database system it is.")
    host: str = Field(default="127.0.0.1", description="Host name or address of the server.")
    port: int = Field(
        default=5432,
        ge=1,
        le=65535,
        description="TCP port of the server; MariaDB's and MySQL's own is 3306.",
    )
    database: str = Field(
        default="postgres",
        min_length=1,
        description="Name of the database; of SQLite the path of its file, on every machine.",
    )
    user: str = Field(default="", description="The user to log in as; reading is all it needs.")
    password: SecretStr = Field(default=SecretStr(""), description="The password of the user.")
    login_from: AwsSecret | None = Field(
        default=None,
        description=(
            "The secret of AWS Secrets Manager that has the password instead: as text, or as the "
            "JSON object of Amazon's own rotation, whose username counts where no user is given."
        ),
    )
    ssl_mode: TlsMode | None = Field(
        default=None,
        description=(
            "How the connection is encrypted, in PostgreSQL's words. Without it: `verify-full` "
            "where ssl_root_certificate is given; else `require`, and `prefer` on this machine "
            "(`disable` with MariaDB, which has no `allow` and no `prefer`)."
        ),
    )
    ssl_root_certificate: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "File, on every machine that reads, with the certificates of the authorities that may "
            "vouch for the server, for verify-ca and verify-full; `system` stands for those that "
            "the machine and its Java trust."
        ),
    )
    ssl_certificate: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "File, on every machine that reads, with this client's certificate (PEM), for "
            "PostgreSQL."
        ),
    )
    ssl_key: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "File, on every machine that reads, with the certificate's key (PKCS #8 in DER, not "
            "encrypted, readable by its owner alone)."
        ),
    )
    ssl_key_store: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "File, on every machine that reads, with this client's certificate and its key "
            "(PKCS #12), for MariaDB and MySQL."
        ),
    )
    ssl_key_store_password: SecretStr = Field(
        default=SecretStr(""), description="The password of the key store."
    )
    connect_timeout_seconds: int = Field(
        default=10, ge=1, le=600, description="How long to wait for a connection, in seconds."
    )
    statement_timeout_seconds: int = Field(
        default=1800, ge=1, description="How long one statement may run, in seconds."
    )
    circuit_failures: int = Field(
        default=5,
        ge=1,
        description=(
            "After so many failures in a row to get an answer, over all runs, the circuit opens: "
            "runs end at once, without trying the database."
        ),
    )
    circuit_open_seconds: int = Field(
        default=60,
        ge=1,
        le=86_400,
        description="How long the circuit stays open until one run tries the database, in seconds.",
    )
    max_connections: int | None = Field(
        default=None,
        ge=2,
        description=(
            "How many connections all runs together may hold to the database; without it, as many "
            "as they want."
        ),
    )
    connection_wait_seconds: int = Field(
        default=300,
        ge=1,
        description=(
            "How long a run waits, in seconds, for connections that others hold, where "
            "max_connections is given."
        ),
    )
    embedded_directory: Path | None = Field(
        default=None,
        description=(
            "Directory of an embedded PostgreSQL that is started on demand; host, port, user and "
            "password are then its own."
        ),
    )

    jdbc: JdbcSettings | None = Field(
        default=None,
        description=(
            "Driver, url and SQL of a database whose dialect is `jdbc`; host, port, database and "
            "ssl fields are then not used."
        ),
    )

    @model_validator(mode="after")
    def _has_the_jdbc_settings(self) -> Self:
        if (self.dialect == "jdbc") != (self.jdbc is not None):
            message = "the dialect jdbc and jdbc settings go together"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _has_a_user(self) -> Self:
        needed = self.dialect in ("postgresql", "mariadb")
        nobody = not self.user and self.login_from is None
        if needed and self.embedded_directory is None and nobody:
            message = "a user is needed, or a secret, or the directory of an embedded database"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _has_one_password(self) -> Self:
        if self.login_from is not None and self.password.get_secret_value():
            message = "password and login_from exclude each other"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _embedded_is_postgresql(self) -> Self:
        if self.embedded_directory is not None and self.dialect != "postgresql":
            message = "embedded_directory is of a PostgreSQL: leave it out, or the dialect"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _dialect_has_the_ssl_mode(self) -> Self:
        if self.dialect == "mariadb" and self.ssl_mode not in {None, *MARIADB_TLS_MODES}:
            message = f"MariaDB's ssl_mode is one of {', '.join(MARIADB_TLS_MODES)}"
            raise ValueError(message)
        if self.dialect == "mariadb" and self.ssl_certificate is not None:
            message = "the client's certificate for MariaDB is in ssl_key_store, with its key"
            raise ValueError(message)
        if self.dialect != "mariadb" and self.ssl_key_store is not None:
            message = "ssl_key_store is for MariaDB; PostgreSQL has ssl_certificate and ssl_key"
            raise ValueError(message)
        if self.ssl_mode == "disable" and self.ssl_key_store is not None:
            message = "ssl_mode `disable` shows no certificate: leave ssl_key_store out"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _system_authorities_verify_full(self) -> Self:
        if self.ssl_root_certificate == SYSTEM_AUTHORITIES and self.ssl_mode not in {
            None,
            "verify-full",
        }:
            message = (
                "the authorities of the system vouch for every server in the world: "
                "ssl_root_certificate `system` needs ssl_mode `verify-full`"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _has_the_certificates_key(self) -> Self:
        if (self.ssl_certificate is None) != (self.ssl_key is None):
            message = "ssl_certificate and ssl_key go together"
            raise ValueError(message)
        if (self.ssl_key_store is None) != (not self.ssl_key_store_password.get_secret_value()):
            message = "ssl_key_store and ssl_key_store_password go together"
            raise ValueError(message)
        return self

    def jdbc_options(self) -> dict[str, str]:
        """Options for `spark.read.format("jdbc")`; the password is among them, the url has none.

        Raises:
            EnvironmentUnfitError: The embedded database does not start.
        """
        return self._source().jdbc_options()

    @property
    def location(self) -> str:
        """Where the database is, for lineage: `host/database`, the path of a file, or a url."""
        if self.jdbc is not None:
            return self.jdbc.location
        return self.database if self.dialect == "sqlite" else f"{self.host}/{self.database}"

    def packages(self) -> tuple[str, ...]:
        """Maven coordinates of the jars that Spark reads this database with."""
        if self.jdbc is not None:
            return self.jdbc.packages
        return _DIALECTS[self.dialect].packages

    def check(self, seconds: float | None = None) -> None:
        """Check that the database answers and lets the user in.

        Args:
            seconds: How long it may take once connected; None: as long as a statement may.

        Raises:
            SourceUnavailableError: It does not answer.
            SourceAccessError: It refuses the user, the password or the database.
            SettingsError: The server can't be verified with the block's settings.
        """
        self._source(seconds).check()

    @contextmanager
    def reading(self, seconds: float | None = None) -> Iterator[SourceReading]:
        """Begin a read: `blocks.source_dialects.consistent_read` says what is promised of it.

        PostgreSQL's snapshot is held until the end, so it does not vacuum rows deleted meanwhile
        before that. If the body fails, the sessions that joined the read are ended.

        Args:
            seconds: How long one statement may run; None, or more than that: as the block says.

        Raises:
            SourceUnavailableError: The database does not answer.
            SourceAccessError: It refuses access.
        """
        with self._source(seconds).reading() as reading:
            yield reading

    def columns(self, schema: str, table: str) -> dict[str, str]:
        """The columns of a table in their order, each with its type as the database writes it.

        Raises:
            SchemaDriftError: There is no such table; near matches are named.
            SourceUnavailableError: The database does not answer.
            SourceAccessError: It refuses access.
        """
        return self._source().columns(schema, table)

    def query_row(self, sql: str) -> tuple[object, ...]:
        """The first row of a small query (bounds, counts); empty when there is none.

        Raises:
            SchemaDriftError: A table or column is missing.
            SettingsError: The statement is wrong.
            SourceValueError: It fails on a value, or returns one that Python can't hold.
            SourceUnavailableError: The database does not answer in time.
            SourceAccessError: It refuses access.
        """
        return self._source().query_row(sql)

    def login(self) -> Login:
        """Who logs in; a secret is read once for as long as the block lives, which is a run.

        Raises:
            SettingsError: The secret is not there, not ours to read, or has no password.
            SecretServiceUnavailableError: AWS Secrets Manager does not answer.
        """
        if self.login_from is None:
            return Login(self.user, self.password.get_secret_value())
        if self._login is None:
            self._login = login_of_secret(self.login_from, user=self.user)
        return self._login

    def _source(self, seconds: float | None = None) -> Source:
        longest = self.statement_timeout_seconds
        timeout = longest if seconds is None else max(1, min(longest, math.ceil(seconds)))
        if self.jdbc is not None:
            return JdbcSource(
                settings=self.jdbc,
                user=self.login().user,
                password=self.login().password,
                connect_timeout=self.connect_timeout_seconds,
                statement_timeout=timeout,
            )
        return _DIALECTS[self.dialect].connect(self, timeout)


@dataclass(frozen=True, slots=True)
class _Dialect:
    packages: tuple[str, ...]
    connect: Callable[[SourceDatabase, int], Source]


def _postgresql(block: SourceDatabase, timeout: int) -> PostgresqlSource:
    host, port = block.host, block.port
    if block.embedded_directory is None:
        login = block.login()
    else:
        server = running_postgres(block.embedded_directory)
        host, port = server.host, server.port
        login = Login(server.user, server.password.get_secret_value())
    return PostgresqlSource(
        host=host,
        port=port,
        database=block.database,
        user=login.user,
        password=login.password,
        security=TransportSecurity.of(
            host,
            block.ssl_mode,
            block.ssl_root_certificate,
            block.ssl_certificate,
            block.ssl_key,
        ),
        connect_timeout=block.connect_timeout_seconds,
        statement_timeout=timeout,
    )


def _mariadb(block: SourceDatabase, timeout: int) -> MariadbSource:
    return MariadbSource(
        host=block.host,
        port=block.port,
        database=block.database,
        user=block.login().user,
        password=block.login().password,
        security=MariadbSecurity.of(
            block.host,
            block.ssl_mode,
            block.ssl_root_certificate,
            block.ssl_key_store,
            block.ssl_key_store_password.get_secret_value(),
        ),
        connect_timeout=block.connect_timeout_seconds,
        statement_timeout=timeout,
    )


def _sqlite(block: SourceDatabase, timeout: int) -> SqliteSource:
    return SqliteSource(
        file=Path(block.database),
        lock_timeout=block.connect_timeout_seconds,
        statement_timeout=timeout,
    )


_DIALECTS: Mapping[str, _Dialect] = MappingProxyType(
    {
        "postgresql": _Dialect(PostgresqlSource.packages, _postgresql),
        "mariadb": _Dialect(MariadbSource.packages, _mariadb),
        "sqlite": _Dialect(SqliteSource.packages, _sqlite),
    }
)
