"""An H2 for tests: a Java process with its server, and how a block describes it.

It stands for every database that is only known by its JDBC driver.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from blocks.jdbc.jdbc_settings import JdbcSettings
from blocks.source_database import SourceDatabase
from blocks.spark.fetch_maven_jars import IVY
from blocks.spark.java_installation import find_java

VERSION = "2.4.240"
_SECONDS_TO_START = 60


@dataclass(frozen=True)
class H2Server:
    """A running server; the databases of it are made when somebody connects."""

    port: int
    spark: SparkSession = field(repr=False)

    def url(self, database: str) -> str:
        return f"jdbc:h2:tcp://127.0.0.1:{self.port}/./{database}"

    def execute(self, database: str, *statements: str) -> None:
        """Run statements, and keep the database's upper case out of their names."""
        with closing(self._connect(database)) as connection:
            for statement in statements:
                with closing(connection.createStatement()) as made:
                    made.execute(statement)

    def source(self, database: str, **fields: object) -> SourceDatabase:
        """The block of one of its databases."""
        settings = {
            "url": self.url(database),
            "driver": "org.h2.Driver",
            "packages": (f"com.h2database:h2:{VERSION}",),
            "texts": {"BINARY VARYING": "RAWTOHEX({column})"},
            **fields.pop("jdbc", {}),
        }
        return SourceDatabase(
            dialect="jdbc", user="sa", password="", jdbc=JdbcSettings(**settings), **fields
        )

    def _connect(self, database: str):
        jvm = self.spark._jvm
        jvm.org.apache.spark.sql.execution.datasources.jdbc.DriverRegistry.register("org.h2.Driver")
        url = f"{self.url(database)};DATABASE_TO_UPPER=FALSE"
        return jvm.java.sql.DriverManager.getConnection(url, "sa", "")

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Until it answers."""
        until = time.monotonic() + _SECONDS_TO_START
        while True:
            try:
                self._connect("first").close()
            except Py4JJavaError:
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return


@contextmanager
def h2_server(spark: SparkSession, directory: Path) -> Iterator[H2Server]:
    """A server with its data in a directory, until the end of the body."""
    jar = IVY / "jars" / f"com.h2database_h2-{VERSION}.jar"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    java = str(find_java() / "bin" / "java")
    options = ("-tcp", "-tcpPort", str(port), "-ifNotExists", "-baseDir", str(directory))
    process = subprocess.Popen(
        [java, "-Xmx64m", "-Dh2.bindAddress=127.0.0.1", "-Duser.timezone=Asia/Kolkata",
         "-cp", str(jar), "org.h2.tools.Server", *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        server = H2Server(port, spark)
        server.wait(process)
        yield server
    finally:
        process.terminate()
        process.wait(30)
