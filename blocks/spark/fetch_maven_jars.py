"""Fetch Spark's jars by one process at a time.

Promise: several processes may start their first Spark on a new machine at once. Ivy, by which
Spark fetches jars, writes them to one cache of the user's and keeps no lock.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

IVY = Path.home() / ".ivy2.5.2"
"""Where Spark 4.1 has Ivy keep what it fetches, unless `spark.jars.ivy` says otherwise."""


@contextmanager
def fetching(packages: Iterable[str], ivy: Path = IVY) -> Iterator[None]:
    """Have the cache to oneself while Spark starts, if one of the jars is not there yet.

    Args:
        packages: Maven coordinates, `group:artifact:version`.
        ivy: Ivy's directory.
    """
    if all(_is_there(ivy, coordinate) for coordinate in packages):
        yield
        return
    file = None
    # A directory that can't be written is told by Spark itself, in its own log.
    with suppress(OSError):
        ivy.mkdir(parents=True, exist_ok=True)
        file = (ivy / "strandline.lock").open("a")
    if file is None:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_there(ivy: Path, coordinate: str) -> bool:
    group, artifact, version = coordinate.split(":")[:3]
    return (ivy / "jars" / f"{group}_{artifact}-{version}.jar").is_file()
