"""Whether a session has a JVM that Python can call."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession


def over_connect(session_or_frame: SparkSession | DataFrame) -> bool:
    """Whether it is one of Spark Connect, whose JVM is a server's."""
    return type(session_or_frame).__module__.startswith("pyspark.sql.connect")
