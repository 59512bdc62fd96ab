"""The path of the archive of Spark's classes, and the JVM option that names it."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path

ARCHIVE = Path(sys.prefix) / f"spark-{version('pyspark')}-classes.jsa"
"""Made by `deployments.build_jvm_class_archive`; it belongs to the environment of the jars."""


def archive_option(archive: Path = ARCHIVE) -> str:
    """The JVM option that makes it use the archive; empty when there is none."""
    return option("SharedArchiveFile", archive) if archive.is_file() else ""


def option(name: str, path: Path) -> str:
    """A JVM option that names a file, as one word of `spark.driver.extraJavaOptions`.

    Spark splits that text at blanks and removes quotes and backslashes.
    """
    word = re.sub(r"([\\\"])", r"\\\1", f"-XX:{name}={path}")
    return f'"{word}"' if re.search(r"[\s'\"\\]", word) else word
