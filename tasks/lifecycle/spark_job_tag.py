"""A tag on the Spark jobs that one load starts, by which another thread interrupts them.

A classic session looks a tag up in the thread that asks, which is not the one that has it. So the
jobs are tagged and cancelled by Spark's context; over Spark Connect, which has none, by the
session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from history.spark.session_kind import over_connect

__all__ = ["tagged_jobs"]


@contextmanager
def tagged_jobs(spark: SparkSession, tag: str) -> Iterator[Callable[[], object]]:
    """Tag the jobs that this thread starts in the body.

    Yields:
        What interrupts those that run now; another thread may call it.
    """
    if over_connect(spark):
        spark.addTag(tag)
        try:
            yield lambda: spark.interruptTag(tag)
        finally:
            spark.removeTag(tag)
        return
    context = spark.sparkContext
    context.addJobTag(tag)
    try:
        yield lambda: context.cancelJobsWithTag(tag)
    finally:
        context.removeJobTag(tag)
