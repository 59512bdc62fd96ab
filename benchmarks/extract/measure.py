"""Rounds in which each subject reads the whole table once, and the memory of a longer read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from benchmarks.cpu_seconds import cpu_seconds
from benchmarks.extract.subjects import COLUMNS, LIMIT, SUBJECTS, VALUES
from benchmarks.load.builds import Process

__all__ = ["CONTRACT", "TABLE", "Measured", "Peak", "Reader", "Say"]

CONTRACT, TABLE = "accounts", ("bench", "accounts")
Read = dict[str, Any]
Say = Callable[[str], None]
_PAUSE = 0.05
"""Seconds between two looks at the memory."""


@dataclass(slots=True)
class Peak:
    """The most memory that was held during one read, in MB.

    Attributes:
        rows: How many rows were read.
        driver: Of the process that reads, with its JVM.
        session: Of the database's greatest session, without what all share.
    """

    rows: int
    driver: float = 0.0
    session: float = 0.0


@dataclass(slots=True)
class Measured:
    """All reads of a table of so many rows, by subject; the first of each warms up."""

    rows: int
    reads: dict[str, list[Read]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reader:
    """The processes that read, and what they need to know of the source.

    Attributes:
        server: `host`, `port`, `user`, `password`, `database`.
        spark: The process with Spark.
        peers: The process with other loaders.
        directory: For files, which are removed again.
    """

    server: Mapping[str, Any]
    spark: Process
    peers: Process
    directory: Path

    def measure(self, rows: int, rounds: int, names: tuple[str, ...], say: Say) -> Measured:
        """Each subject in turn, another one first in each round; one round more warms up.

        Raises:
            BuildFailedError: A subject failed.
            SystemExit: A subject wrote another number of rows.
        """
        measured = Measured(rows, {name: [] for name in names})
        for number in range(rounds + 1):
            first = number % len(names)
            for name in (*names[first:], *names[:first]):
                read = self._read(name)
                if read.get("rows", rows) != rows:
                    message = f"{name} wrote {read['rows']:,} rows of {rows:,}"
                    raise SystemExit(message)
                measured.reads[name].append(read)
                say(
                    f"round {number}, {rows:>11,} rows, {name:<20} {read['seconds']:>6.2f} s,"
                    f" {read['cpu']:>6.2f} CPU s of its own"
                )
        return measured

    def peak(self, rows: int) -> Peak:
        """The memory of one read of ours."""
        peak = Peak(rows)
        with self._watching(peak):
            self._read("strandline")
        return peak

    def _read(self, name: str) -> Read:
        subject = SUBJECTS[name]
        if name == LIMIT:
            items = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
            table = sql.Identifier(*TABLE)
            return self._copied([sql.SQL("SELECT {} FROM {}").format(items, table)])
        arguments: dict[str, Any] = {
            "table": ".".join(TABLE),
            "columns": COLUMNS,
            "path": str(self.directory / name / "rows") if subject.to == "parquet" else "",
        }
        if subject.where == "peers":
            return self.peers.ask("load", subject=name, server=dict(self.server), **arguments)
        told = self.spark.ask(
            "load",
            subject=name.removesuffix("_parquet"),
            connection="source_db_conn",
            contract=CONTRACT,
            **arguments,
        )
        if name != VALUES:
            return told
        halves = (told["slices"][::2], told["slices"][1::2])
        return self._copied([_cut(told["query"], half) for half in halves if half])

    def _copied(self, queries: list[sql.Composable]) -> Read:
        """The rows of some queries, all at once, in PostgreSQL's binary form, dropped undecoded."""
        server = {**self.server, "dbname": self.server["database"]}
        del server["database"]

        def copied(connection: psycopg.Connection[Any], query: sql.Composable) -> int:
            statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(query)
            with connection.cursor().copy(statement) as copy:
                return sum(len(block) for block in copy)

        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(len(queries)))
            connections = [stack.enter_context(psycopg.connect(**server)) for _ in queries]
            cpu, began = cpu_seconds(), time.perf_counter()
            size = sum(pool.map(copied, connections, queries))
            seconds, cpu = time.perf_counter() - began, cpu_seconds() - cpu
        return {"seconds": seconds, "cpu": cpu, "bytes": size}

    @contextmanager
    def _watching(self, peak: Peak) -> Iterator[None]:
        done = threading.Event()

        def watch() -> None:
            worker = psutil.Process(self.spark.process.pid)
            while not done.wait(_PAUSE):
                own = (worker, *worker.children(recursive=True))
                peak.driver = max(peak.driver, sum(map(_resident, own)))
                peak.session = max(peak.session, *map(_private, _sessions()), 0.0)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def _cut(query: str, conditions: list[str]) -> sql.Composable:
    """The rows that meet one of the conditions, as Spark's reader asks for those of one."""
    met = " OR ".join(f"({each})" for each in conditions)
    return sql.SQL(f"SELECT * FROM ({query}) batch WHERE {met}")  # noqa: S608 - of our own


def _sessions() -> list[psutil.Process]:
    """PostgreSQL's, which name what they do in their command line."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if line.startswith("postgres:") and " idle" not in line.split("(")[-1]:
            found.append(process)
    return found


def _resident(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return float(process.memory_info().rss) / 2**20
    return 0.0


def _private(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return float(process.memory_full_info().uss) / 2**20
    return 0.0
