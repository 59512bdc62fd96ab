"""How much of a load Spark had to move from memory to disk, from its own REST API."""

from __future__ import annotations

import json
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from pyspark.sql import SparkSession

_SECONDS = 30


def spilled_bytes(spark: SparkSession, tag: str) -> int | None:
    """The bytes that the stages of all jobs with the tag wrote to disk to free memory.

    None where Spark serves no web pages (`SparkRuntime.ui`), runs behind Spark Connect, or does
    not answer: a load never fails for want of this figure.
    """
    address = getattr(getattr(spark, "_sc", None), "uiWebUrl", None)
    if address is None:
        return None
    # Requests to Spark itself go through no proxy.
    opener = build_opener(ProxyHandler({}))

    def fetch(path: str) -> list[dict[str, object]]:
        with opener.open(f"{address}/api/v1/applications{path}", timeout=_SECONDS) as response:
            return list(json.load(response))

    try:
        application = f"/{fetch('')[0]['id']}"
        # Spark puts the session's id before a session's tags.
        jobs = [
            job
            for job in fetch(f"{application}/jobs")
            if any(str(each).endswith(tag) for each in _listed(job, "jobTags"))
        ]
        stages = {stage for job in jobs for stage in _listed(job, "stageIds")}
        matching = [each for each in fetch(f"{application}/stages") if each["stageId"] in stages]
    except (URLError, OSError, ValueError, IndexError):
        return None
    return sum(int(str(each["diskBytesSpilled"])) for each in matching)


def _listed(job: dict[str, object], name: str) -> list[object]:
    value = job.get(name)
    return value if isinstance(value, list) else []
