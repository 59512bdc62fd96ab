"""Start Spark's JVM without output on the terminal.

Promise: the output of the JVM and of its resolving of jars goes to a log file, never to the
terminal; no credential is in the JVM's command line, where every user of the machine could
read it; a start that fails gives its reason in one line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from blocks.spark.fetch_maven_jars import IVY, fetching
from contracts.errors import EnvironmentUnfitError

__all__ = ["end", "environment", "launch", "running_session", "submitted", "tell_driver"]

_REASONS = (
    ("UNRESOLVED DEPENDENCIES", "a jar of spark.jars.packages could not be resolved"),
    ("unresolved dependency", "a jar of spark.jars.packages could not be resolved"),
    ("download failed", "a jar of spark.jars.packages could not be downloaded"),
    ("Could not reserve enough space", "not enough memory for the driver"),
    ("Initial heap size set to a larger value", "not enough memory for the driver"),
    ("Too small maximum heap", "too little driver memory: Spark needs 472 MB at least"),
    ("Invalid maximum heap size", "a driver_memory that Java does not understand"),
    ("System memory", "too little driver memory: Spark needs 472 MB at least"),
    ("insufficient memory", "not enough memory for the driver"),
    ("Address already in use", "a port that is taken"),
    ("Could not parse Master URL", "a master that Spark does not understand"),
    ("BindException", "an address or port that can't be bound"),
    ("UnsupportedClassVersionError", "a Java that is too old"),
    ("No space left on device", "a full disk"),
    ("Permission denied", "a file or folder that can't be used"),
    ("ClassNotFoundException", "a class that is in none of the jars"),
)
"""Texts that a failing start writes, the most specific first, and what they mean."""


def running_session() -> SparkSession | None:
    """The first session of this process's JVM, whoever started it; None when there is no JVM."""
    session = SparkSession._instantiatedSession  # noqa: SLF001 - the public way would start one
    if session is None or session._sc._jsc is None:  # noqa: SLF001
        return None
    return session


def submitted() -> bool:
    """Whether spark-submit started this process, after it had started the JVM."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def launch(
    settings: Mapping[str, str], confidential: Mapping[str, str], *, log: Path
) -> SparkSession:
    """Start the JVM and a session with all these properties.

    In a process that spark-submit started the JVM runs already, and the properties of
    spark-submit stay as they are.

    Args:
        settings: Spark properties that are not secret.
        confidential: Spark properties that are set once the JVM runs.
        log: Where everything the JVM writes goes, appended.

    Raises:
        EnvironmentUnfitError: It does not start; the log file is named.
    """
    if SparkContext._gateway is not None:  # noqa: SLF001
        _end(SparkContext._gateway)  # noqa: SLF001 - its session was stopped, its jars are fixed
    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    begin = log.stat().st_size if log.exists() else 0
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        start: Callable[..., Any] = launch_gateway
        with fetching(_packages(settings), Path(settings.get("spark.jars.ivy", IVY))):
            gateway = start(conf, {"stdout": descriptor, "stderr": descriptor})
    except PySparkException:
        raise _unfit(log, _reason(_written(log, begin))) from None
    finally:
        os.close(descriptor)
    complete = SparkConf(loadDefaults=submitted(), _jvm=gateway.jvm)
    for name, text in {**settings, **confidential, **_resolved(settings, gateway)}.items():
        complete.setIfMissing(name, text)
    try:
        return SparkSession(SparkContext(conf=complete, gateway=gateway))
    except (Py4JError, PySparkException) as error:
        _end(gateway)
        # Not `from error`: it carries the JVM's whole stack.
        raise _unfit(log, _reason(f"{error}\n{_written(log, begin)}")) from None


def _resolved(settings: Mapping[str, str], gateway: Any) -> dict[str, str]:
    """The files of the packages, which remote executors need to get."""
    if settings["spark.master"].startswith("local"):
        return {}
    jars = gateway.jvm.java.lang.System.getProperty("spark.jars")
    return {} if jars is None else {"spark.jars": jars}


def _packages(settings: Mapping[str, str]) -> list[str]:
    return [name for name in settings.get("spark.jars.packages", "").split(",") if name]


def tell_driver(session: SparkSession, properties: Mapping[str, str]) -> None:
    """Set system properties of the running JVM: they are in no command line and no event log."""
    for name, text in properties.items():
        session._jvm.java.lang.System.setProperty(name, text)  # type: ignore[union-attr]  # noqa: SLF001


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set these variables for processes started within, and for none later."""
    previous = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def end(session: SparkSession) -> None:
    """Stop Spark and wait until its JVM has ended."""
    gateway = session.sparkContext._gateway  # noqa: SLF001
    session.stop()
    _end(gateway)


def _end(gateway: Any) -> None:
    """End the JVM, and reset PySpark for the next start."""
    gateway.shutdown()
    if gateway.proc is not None:
        gateway.proc.stdin.close()
        gateway.proc.wait()
    SparkContext._gateway = None  # noqa: SLF001 - Spark would reuse the ended one
    SparkContext._jvm = None  # noqa: SLF001


def _written(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode("utf-8", errors="replace")


def _reason(text: str) -> str:
    return next((meaning for sign, meaning in _REASONS if sign in text), "one that ended at once")


def _unfit(log: Path, found: str) -> EnvironmentUnfitError:
    return EnvironmentUnfitError(
        where="Spark",
        expected="a session that starts",
        found=found,
        next_step=f"Correct the Spark block or the machine; all that was said is in {log}.",
    )
