"""A limit on how long a load may take, which also ends its Spark jobs.

A Python timeout can't interrupt the JVM, where the thread waits for Spark. So the Spark jobs are
tagged, and when the time is up they are interrupted, which wakes the thread. So is each job that
begins afterwards: the time may be up while Spark plans, when there is no job to interrupt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from contracts.errors import LoadTimedOutError, StrandlineError
from tasks.lifecycle.spark_job_tag import tagged_jobs
from tasks.run.run_context import timed_out

_PAUSE_SECONDS = 1.0


@contextmanager
def time_limit(spark: SparkSession, minutes: float, *, where: str, tag: str) -> Iterator[float]:
    """Let the body run for at most `minutes`.

    Yields:
        When the time is over, by `time.monotonic()`: what waits for something else than Spark has
        to look at it.

    Raises:
        LoadTimedOutError: It took longer; its Spark jobs were interrupted.
    """
    expired, ended = threading.Event(), threading.Event()

    def end(interrupt: Callable[[], object]) -> None:
        if ended.wait(minutes * 60):
            return
        expired.set()
        while not ended.is_set():
            with suppress(Py4JError, PySparkException, OSError):  # Spark's process may have ended
                interrupt()
            ended.wait(_PAUSE_SECONDS)

    with tagged_jobs(spark, tag) as interrupt:
        thread = threading.Thread(target=end, args=(interrupt,), name="time-limit", daemon=True)
        thread.start()
        try:
            yield time.monotonic() + minutes * 60
            if expired.is_set():
                raise timed_out(where, minutes)
        except StrandlineError as error:
            if expired.is_set() and not isinstance(error, LoadTimedOutError):
                raise timed_out(where, minutes) from None
            raise
        finally:
            ended.set()
            thread.join()
