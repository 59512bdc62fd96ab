"""Fetch Spark's jars in one process at a time.

Promise: several processes may start their first Spark on a new machine at once. Ivy, by which
Spark fetches jars, writes them to one cache per user without a lock.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

IVY = Path.home() / ".ivy2.5.2"
"""Ivy's cache in Spark 4.1, unless `spark.jars.ivy` names another."""


@contextmanager
def fetching(packages: Iterable[str], ivy: Path = IVY) -> Iterator[None]:
    """Lock the cache while Spark starts, if one of the jars is not in it yet.

    Args:
        packages: Maven coordinates, `group:artifact:version`.
        ivy: Ivy's directory.
    """
    if all(_is_cached(ivy, coordinate) for coordinate in packages):
        yield
        return
    file = None
    # Spark itself reports a directory that can't be written, in its own log.
    with suppress(OSError):
        ivy.mkdir(parents=True, exist_ok=True)
        file = (ivy / "strandline.lock").open("a")
    if file is None:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_cached(ivy: Path, coordinate: str) -> bool:
    group, artifact, version = coordinate.split(":")[:3]
    return (ivy / "jars" / f"{group}_{artifact}-{version}.jar").is_file()
