"""Sessions over Spark Connect: on a server elsewhere, or on one in this process's own JVM.

Promise: a server that does not answer or lacks Iceberg is named as such, at once.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from blocks import spark_sessions
from blocks.lakehouse import ICEBERG_EXTENSIONS
from contracts.errors import EnvironmentUnfitError, SettingsError

__all__ = ["connect", "connect_locally", "local_server"]

_PORT = 15002
_SECONDS = 10
_PORT_SETTING = "spark.connect.grpc.binding.port"
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
        raise _unfit(where, "an answer", error.strerror or "no connection") from error
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
    return _open("Spark Connect in this process", f"sc://127.0.0.1:{port}", wanted, shared=shared)


def _open(where: str, url: str, wanted: Mapping[str, str], *, shared: bool) -> SparkSession:
    # The public builder refuses a second kind of session beside the JVM's own.
    from pyspark.sql.connect.session import SparkSession as RemoteSession  # noqa: PLC0415

    # Functions such as F.col look here to know which kind of column to make.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    builder = RemoteSession.builder.remote(url)
    try:
        session: SparkSession = builder.getOrCreate() if shared else builder.create()  # type: ignore[assignment]
        extensions = session.conf.get("spark.sql.extensions", "") or ""
        if ICEBERG_EXTENSIONS not in extensions:
            raise _unfit(where, "Iceberg's session extensions", "none")
        return spark_sessions.give(session, wanted)
    except PySparkException as error:
        raise _unfit(where, "a session that opens", error.getCondition() or "none") from None


def _unfit(where: str, expected: str, found: str) -> EnvironmentUnfitError:
    return EnvironmentUnfitError(
        where=where,
        expected=expected,
        found=found,
        next_step=(
            "See that the server runs, can be reached, and was started with "
            f"spark.sql.extensions={ICEBERG_EXTENSIONS} and Iceberg's runtime jar."
        ),
    )
