"""A limit on how long a load may take, which also ends its Spark jobs.

A Python timeout can't interrupt the JVM, where the thread waits for Spark. So the Spark jobs are
tagged, and when the time is up they are interrupted, which wakes the thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from contracts.errors import LoadTimedOutError, StrandlineError


@contextmanager
def time_limit(spark: SparkSession, minutes: float, *, where: str, tag: str) -> Iterator[None]:
    """Let the body run for at most `minutes`.

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
        yield
        if expired.is_set():
            raise _timed_out(where, minutes)
    except StrandlineError as error:
        if expired.is_set() and not isinstance(error, LoadTimedOutError):
            raise _timed_out(where, minutes) from None
        raise
    finally:
        timer.cancel()
        spark.removeTag(tag)


def _timed_out(where: str, minutes: float) -> LoadTimedOutError:
    return LoadTimedOutError(
        where=where,
        expected=f"a load of at most {minutes:g} minutes",
        found="that it was still going on",
        next_step="Raise `table_minutes` of the run settings, or find out what slowed it down.",
    )
