"""Iceberg's own REST catalog server, out of jars of Maven Central: a Java process for tests.

Iceberg has no server to be run by itself. Its test fixtures have one, over a catalog in SQLite;
those of 1.12 are not on Maven Central, so the server is of 1.11 and the client of 1.12.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pyspark

from blocks.spark.fetch_maven_jars import IVY
from blocks.spark.java_installation import find_java

_MODULE = Path(__file__).with_name("rest_catalog.ivy.xml")
_JARS = Path(pyspark.__file__).parent / "jars"
_SECONDS_TO_START = 60


@contextmanager
def rest_catalog_server(directory: Path, *jars: str) -> Iterator[str]:
    """The address of a server with its catalog and its tables below a directory.

    Args:
        directory: It is there.
        jars: Patterns of further jars in Spark's own cache, such as that of SQLite.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    of_spark = _JARS.glob("hadoop-client-*.jar")
    of_cache = [path for pattern in jars for path in (IVY / "jars").glob(pattern)]
    path = ":".join([_class_path(), *map(str, of_spark), *map(str, of_cache)])
    java = str(find_java() / "bin" / "java")
    with (directory / "rest-catalog.log").open("ab") as log:
        process = subprocess.Popen(
            [java, "-Xmx192m", "-XX:TieredStopAtLevel=1", "-cp", path,
             "org.apache.iceberg.rest.RESTCatalogServer"],
            env={
                **os.environ,
                "CATALOG_WAREHOUSE": (directory / "warehouse").as_uri(),
                "CATALOG_URI": f"jdbc:sqlite:{directory}/catalog.db",
                "CATALOG_JDBC_SCHEMA__VERSION": "V1",
                "CATALOG_REST_PORT": str(port),
            },
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(process, address, directory / "rest-catalog.log")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            httpx.get(f"{address}/v1/config", timeout=5).raise_for_status()
        except httpx.HTTPError:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text(encoding="utf-8")[-2000:]) from None
            time.sleep(0.1)
        else:
            return


def _class_path() -> str:
    """The jars of the module, fetched by Spark's own Ivy when they are not there yet."""
    kept = IVY / "programs" / f"{_MODULE.name}.classpath"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with (kept.parent / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if kept.exists() and kept.stat().st_mtime > _MODULE.stat().st_mtime:
            path = kept.read_text(encoding="utf-8").strip()
            if all(Path(each).exists() for each in path.split(":")):
                return path
        (ivy,) = _JARS.glob("ivy-*.jar")
        subprocess.run(
            [str(find_java() / "bin" / "java"), "-jar", str(ivy), "-cache", str(IVY / "cache"),
             "-types", "jar", "bundle", "-m2compatible", "-ivy", str(_MODULE),
             "-cachepath", str(kept)],
            check=True, capture_output=True,
        )  # fmt: skip
        return kept.read_text(encoding="utf-8").strip()
