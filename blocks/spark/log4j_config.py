"""Keep Spark's logs quiet, and free of the tables' values.

Promise: a statement that fails on a value (a cast, a parse, an overflow) writes that value to no
log, neither in the JVM nor in Python. The exception still carries it: code that translates the
exception must drop its text.
"""

from __future__ import annotations

from pathlib import Path

from pyspark.logger import PySparkLogger

__all__ = ["JVM_LOG_OPTION", "silence_query_loggers"]

JVM_LOG_OPTION = (
    f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties').as_uri()}"
)
"""For `spark.driver.extraJavaOptions`; it has to be set before the JVM starts."""

_QUERY_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")


def silence_query_loggers() -> None:
    """Stop PySpark from logging each failed query with its SQL and the offending value."""
    for name in _QUERY_LOGGERS:
        PySparkLogger.getLogger(name).disabled = True
