"""How much of a load Spark had to move from memory to disk, as its own web pages tell."""

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
    # What Spark says of itself is no matter for a proxy.
    opener = build_opener(ProxyHandler({}))

    def told(path: str) -> list[dict[str, object]]:
        with opener.open(f"{address}/api/v1/applications{path}", timeout=_SECONDS) as answer:
            return list(json.load(answer))

    try:
        application = f"/{told('')[0]['id']}"
        # Spark puts the session's id before a session's tags.
        jobs = [
            job
            for job in told(f"{application}/jobs")
            if any(str(each).endswith(tag) for each in _listed(job, "jobTags"))
        ]
        stages = {stage for job in jobs for stage in _listed(job, "stageIds")}
        found = [each for each in told(f"{application}/stages") if each["stageId"] in stages]
    except (URLError, OSError, ValueError, IndexError):
        return None
    return sum(int(str(each["diskBytesSpilled"])) for each in found)


def _listed(job: dict[str, object], name: str) -> list[object]:
    value = job.get(name)
    return value if isinstance(value, list) else []
