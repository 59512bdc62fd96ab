"""The daemon that Python's workers come from, without the work that archives make for each task.

Spark puts `pyspark.zip` and other archives before everything else on the path of its workers, jars
of Maven among them, and begins each of their tasks with `importlib.invalidate_caches()`. For that
CPython reads the directory of each archive again, once for each package that was looked for in it:
tens of thousands of entries, 0.1 to 0.3 CPU seconds, nearly all that a task over few rows costs
(Spark 4.1.4, `findings/spark_worker_archives.sh`). And each daemon compiles anew what it imports
from `pyspark.zip`, which has no byte code.

So PySpark comes from its folder, where it is the one that the archive was made of, as pip installs
it; and an archive is read again if it has changed.
"""

from __future__ import annotations

import runpy
import sys
import zipimport
from fnmatch import fnmatchcase
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["MODULE", "read_changed_archives_only", "without_archives"]

MODULE = "blocks.spark.python_worker_daemon"
"""What `spark.python.daemon.module` is set to."""

_IN_FOLDER = ("python", "lib", "pyspark.zip")
_ARCHIVES = (_IN_FOLDER[-1], "py4j-*-src.zip", "spark-core_*.jar")


def without_archives(path: list[str]) -> list[str]:
    """The path without Spark's own archives, if the rest has the same PySpark as a folder."""
    rest = [entry for entry in path if not _is_spark_archive(Path(entry).name)]
    own = {str(Path(entry).resolve()) for entry in path if Path(entry).name == _IN_FOLDER[-1]}
    pyspark, py4j = (PathFinder.find_spec(name, rest) for name in ("pyspark", "py4j"))
    if pyspark is None or pyspark.origin is None or py4j is None:
        return path
    archive = Path(pyspark.origin).resolve().parent.joinpath(*_IN_FOLDER)
    return rest if own == {str(archive)} else path


def read_changed_archives_only() -> None:
    """Have `importlib.invalidate_caches` read the archives that changed since they were read."""
    read_again = zipimport.zipimporter.invalidate_caches

    def invalidate_caches(self: zipimport.zipimporter) -> None:
        try:
            file = Path(self.archive).stat()
        except OSError:
            read_again(self)
            return
        state = (file.st_ino, file.st_size, file.st_mtime_ns)
        if vars(self).get("_state_when_read") != state:
            read_again(self)
            vars(self)["_state_when_read"] = state

    zipimport.zipimporter.invalidate_caches = invalidate_caches  # type: ignore[method-assign]


def _is_spark_archive(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _ARCHIVES)


if __name__ == "__main__":
    sys.path[:] = without_archives(sys.path)
    sys.path_importer_cache.clear()
    read_changed_archives_only()
    runpy.run_module("pyspark.daemon", run_name="__main__", alter_sys=True)
