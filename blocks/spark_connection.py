"""Sessions over Spark Connect: on a server elsewhere, or on one in this process's own JVM.

Promise: a server that does not answer or lacks Iceberg is named as such, at once.
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

from blocks import spark_sessions
from blocks.lakehouse import ICEBERG_EXTENSIONS
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
        SettingsError: A property is the server's alone to set, or Spark runs here otherwise.
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
    return _open(where, url, wanted, shared=shared)


def local_server() -> dict[str, str]:
    """The properties that make a JVM, once started, serve Spark Connect to this user alone."""
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
    return _open("Spark Connect in this process", f"sc://localhost:{port}", wanted, shared=shared)


def _open(where: str, url: str, wanted: Mapping[str, str], *, shared: bool) -> SparkSession:
    # gRPC comes with an extra of its own; the public builder refuses a second kind of session.
    from pyspark.sql.connect.session import SparkSession as RemoteSession  # noqa: PLC0415

    # Functions such as F.col look here to know which kind of column to make.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    key = (url, frozenset(wanted.items()))
    if shared and key in _shared and not _shared[key].is_stopped:
        return cast("SparkSession", _shared[key])
    try:
        session = RemoteSession.builder.remote(url).create()
        extensions = session.conf.get("spark.sql.extensions", "") or ""
        if ICEBERG_EXTENSIONS not in extensions:
            raise _unfit(where, expected="Iceberg's session extensions", found="none")
        spark_sessions.give(cast("SparkSession", session), wanted)
    except PySparkException as error:
        found = error.getCondition() or type(error).__name__
        raise _unfit(where, expected="a session that opens", found=found) from None
    if shared:
        _shared[key] = session
    return cast("SparkSession", session)


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
