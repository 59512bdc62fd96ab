"""A limit on how long a load may take, which also ends its Spark jobs.

A Python timeout can't interrupt the JVM, where the thread waits for Spark. So the Spark jobs are
tagged, and when the time is up they are interrupted, which wakes the thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from contracts.errors import LoadTimedOutError, StrandlineError
from tasks.run.run_context import timed_out


@contextmanager
def time_limit(spark: SparkSession, minutes: float, *, where: str, tag: str) -> Iterator[float]:
    """Let the body run for at most `minutes`.

    Yields:
        When the time is over, by `time.monotonic()`: what waits for something else than Spark has
        to look at it.

    Raises:
        LoadTimedOutError: It took longer; its Spark jobs were interrupted.
    """
    expired = threading.Event()

    def end() -> None:
        expired.set()
        spark.interruptTag(tag)

    timer = threading.Timer(minutes * 60, end)
    timer.daemon = True
    spark.addTag(tag)
    timer.start()
    try:
        yield time.monotonic() + minutes * 60
        if expired.is_set():
            raise timed_out(where, minutes)
    except StrandlineError as error:
        if expired.is_set() and not isinstance(error, LoadTimedOutError):
            raise timed_out(where, minutes) from None
        raise
    finally:
        timer.cancel()
        spark.removeTag(tag)
