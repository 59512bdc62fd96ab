"""Sessions over Spark Connect: on a remote server, or on one in this process's own JVM.

Promise: an error names a server that does not answer or lacks Iceberg, at once.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from pydantic import SecretStr
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from blocks.iceberg.spark_extensions import ICEBERG_EXTENSIONS
from blocks.spark.create_session import give, is_secret
from contracts.errors import EnvironmentUnfitError, SettingsError

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession as RemoteSession

__all__ = ["connect", "connect_locally", "local_server"]

_PORT = 15002
_SECONDS = 10
_PORT_SETTING = "spark.connect.grpc.binding.port"
_shared: dict[tuple[str, frozenset[tuple[str, str]]], RemoteSession] = {}
_TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"  # noqa: S105 - its name


def connect(
    url: str, token: SecretStr | None, wanted: Mapping[str, str], *, shared: bool
) -> SparkSession:
    """A session on the server at `url` (sc://host:port), with these properties.

    Raises:
        EnvironmentUnfitError: The server does not answer, or has no Iceberg.
        SettingsError: Only the server can set a property, or Spark runs here otherwise.
    """
    address = urlsplit(url)
    where = f"Spark Connect server {address.hostname}:{address.port or _PORT}"
    try:
        socket.create_connection((address.hostname or "", address.port or _PORT), _SECONDS).close()
    except OSError as error:
        raise _unfit(
            where, expected="an answer", found=error.strerror or "no connection"
        ) from error
    if token is not None:
        url = f"{url.rstrip('/')}{'' if ';' in url else '/'};token={token.get_secret_value()}"
    # Secrets that the server has itself need not be sent, nor be in the server's event log.
    return _open(where, url, wanted, shared=shared, withhold=True)


def local_server() -> dict[str, str]:
    """The properties that make a JVM, once started, serve Spark Connect to this user only."""
    os.environ.setdefault(_TOKEN_VARIABLE, secrets.token_urlsafe(24))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        _PORT_SETTING: str(port),
        "spark.sql.artifact.isolation.enabled": "true",
        "spark.sql.artifact.isolation.alwaysApplyClassloader": "true",
    }


def connect_locally(
    running: SparkSession, wanted: Mapping[str, str], *, shared: bool
) -> SparkSession:
    """A session on the server in this process's JVM.

    Raises:
        SettingsError: The JVM was started without one.
    """
    port = running.conf.get(_PORT_SETTING, "") or ""
    if not port:
        raise SettingsError(
            where="the Spark that runs in this process",
            expected="one that serves Spark Connect",
            found="one that does not",
            next_step="Stop that session first, or do this in a process of its own.",
        )
    url = f"sc://localhost:{port}"
    return _open("Spark Connect in this process", url, wanted, shared=shared, withhold=False)


def _open(
    where: str, url: str, wanted: Mapping[str, str], *, shared: bool, withhold: bool
) -> SparkSession:
    """A session with these properties; `withhold` the secrets of catalogs that the server has."""
    key = (url, frozenset(wanted.items()))
    if shared and key in _shared and not _shared[key].is_stopped:
        return cast("SparkSession", _shared[key])
    builder = _remote_builder()
    # Functions such as F.col read this to choose the kind of column to make.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    try:
        session = builder.remote(url).create()
        if ICEBERG_EXTENSIONS not in (session.conf.get("spark.sql.extensions", "") or ""):
            raise _unfit(where, expected="Iceberg's session extensions", found="none")
        properties = {
            name: text
            for name, text in wanted.items()
            if not (withhold and is_secret(name) and _has_catalog(session, name))
        }
        give(cast("SparkSession", session), properties)
    except PySparkException as error:
        condition = error.getCondition() or type(error).__name__
        raise _unfit(where, expected="a session that opens", found=condition) from None
    if shared:
        _shared[key] = session
    return cast("SparkSession", session)


def _has_catalog(session: RemoteSession, name: str) -> bool:
    """Whether the server has the catalog of this property; the secrets themselves it hides."""
    catalog = ".".join(name.split(".")[:4])  # spark.sql.catalog.NAME
    return session.conf.get(catalog, None) is not None


def _remote_builder() -> RemoteSession.Builder:
    """The public builder refuses a second kind of session beside the JVM's own."""
    try:
        # gRPC comes with an extra of its own.
        from pyspark.sql.connect.session import SparkSession  # noqa: PLC0415
    except ImportError as error:
        raise EnvironmentUnfitError(
            where="Spark Connect",
            expected="the packages that speak gRPC",
            found="not all of them",
            next_step="Install them: pip install 'strandline[connect]'",
        ) from error
    return SparkSession.builder


def _unfit(where: str, *, expected: str, found: str) -> EnvironmentUnfitError:
    return EnvironmentUnfitError(
        where=where,
        expected=expected,
        found=found,
        next_step=(
            "See that the server runs, can be reached, and was started with "
            f"spark.sql.extensions={ICEBERG_EXTENSIONS} and Iceberg's runtime jar."
        ),
    )
