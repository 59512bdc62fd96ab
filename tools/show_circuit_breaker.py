"""Two processes share the circuit of a PostgreSQL that is stopped and started: what each does.

`python -m tools.show_circuit_breaker` prints a line for each step. The state lies in a directory;
with `--on-server` on the Prefect server of PREFECT_API_URL. The processes, the database and its
failures are real. Waiting is not: the clock of the state is put forward.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from blocks.coordination.circuit_breaker import Circuit
from blocks.coordination.shared_documents import SharedDocuments, shared_documents
from blocks.embedded_postgres import EmbeddedPostgres
from blocks.source_database import SourceDatabase
from contracts.errors import SourceCircuitOpenError, SourceUnavailableError
from tasks.resilience.source_circuit import PROBE_SECONDS, SourceCircuit, circuit_document

FAILURES, OPEN_SECONDS, CONNECT_SECONDS = 5, 60, 2
LEASE_SECONDS = CONNECT_SECONDS + 2 * PROBE_SECONDS
AT_ONCE = 20
"""How often each process fails in the last step, both at the same time."""


@dataclass(frozen=True)
class LaterDocuments:
    """Documents whose clock is ahead by some seconds."""

    documents: SharedDocuments
    seconds: float

    def read(self, name: str) -> tuple[Mapping[str, Any] | None, float]:
        """See `SharedDocuments`."""
        document, now = self.documents.read(name)
        return document, now + self.seconds

    def change(self, name: str, change: Callable[..., Any]) -> Any:
        """See `SharedDocuments`."""
        return self.documents.change(
            name, lambda document, now: change(document, now + self.seconds)
        )


class WatchedSource:
    """A source that notes whether it was tried, and whose reader may die of that."""

    def __init__(self, source: SourceDatabase, *, dies: bool) -> None:
        self._source = source
        self._dies = dies
        self.tried = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def check(self, seconds: float | None = None) -> None:
        """Try the source, or end this process as SIGKILL does."""
        if self._dies:
            os._exit(9)
        self.tried = True
        self._source.check(seconds)


@dataclass
class Place:
    """What the processes share: where the state is, and where the database listens."""

    directory: Path
    on_server: bool
    connection: str
    server: EmbeddedPostgres
    port: int
    ahead: float = 0.0

    def documents(self) -> SharedDocuments:
        """The state, by the clock as it was put forward."""
        documents = shared_documents(self.directory, on_server=self.on_server)
        return LaterDocuments(documents, self.ahead)

    def circuit(self) -> Circuit:
        """The circuit as it is."""
        return Circuit.read(self.documents().read(circuit_document(self.connection))[0])


@dataclass
class Reader:
    """A process that reads the source when it is told to."""

    name: str
    place: Place
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start it, also after it was killed."""
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "tools.show_circuit_breaker", "--reader", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        """End it, whatever it does."""
        self.process.kill()

    def tell(self, times: int = 1, *, dies: bool = False, failures: int = FAILURES) -> None:
        """Let it read so many times."""
        place = self.place
        order = {
            "times": times,
            "dies": dies,
            "failures": failures,
            "directory": str(place.directory),
            "on_server": place.on_server,
            "connection": place.connection,
            "ahead": place.ahead,
            "port": place.port,
            "password": place.server.password.get_secret_value(),
        }
        assert self.process.stdin  # noqa: S101 - a pipe
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def result(self) -> str:
        """What became of its last read."""
        assert self.process.stdout  # noqa: S101 - a pipe
        return self.process.stdout.readline().strip() or "was killed while it tried"

    def read(self, **order: Any) -> str:
        """Let it read, and wait for what becomes of it."""
        self.tell(**order)
        return self.result()


def obey(name: str) -> None:
    """The process of a reader: it reads as it is told, line by line."""
    for line in sys.stdin:
        order = json.loads(line)
        source = SourceDatabase(
            port=order["port"],
            user=EmbeddedPostgres.user,
            password=order["password"],
            connect_timeout_seconds=CONNECT_SECONDS,
            circuit_failures=order["failures"],
            circuit_open_seconds=OPEN_SECONDS,
        )
        documents = shared_documents(Path(order["directory"]), on_server=order["on_server"])
        watched = WatchedSource(source, dies=order["dies"])
        circuit = SourceCircuit(
            connection=order["connection"],
            source=cast("SourceDatabase", watched),
            documents=LaterDocuments(documents, order["ahead"]),
            run=name,
            where=f"process {name}",
        )
        results = [_read(circuit, watched) for _ in range(order["times"])]
        print(results[-1], flush=True)


def _read(circuit: SourceCircuit, watched: WatchedSource) -> str:
    """What became of one read."""
    try:
        with circuit.guarding():
            circuit.source.check()
    except SourceCircuitOpenError:
        return "no answer, opened it" if watched.tried else "left it alone"
    except SourceUnavailableError:
        return "no answer"
    return "read it"


@dataclass(frozen=True)
class Step:
    """A line of the table."""

    event: str
    first: str
    second: str
    circuit: Circuit


def steps(place: Place) -> Iterator[Step]:
    """What is done, and what becomes of it."""
    with ExitStack() as stack:
        readers = [Reader(name, place) for name in "AB"]
        for each in readers:
            stack.callback(each.end)
        first, second = readers

        def both(event: str, **order: Any) -> Step:
            for each in readers:
                each.tell(**order)
            one, other = sorted(each.result() for each in readers)  # either may be the faster
            return Step(event, one, other, place.circuit())

        yield both("the database runs")
        place.server.stop()
        for number in range(FAILURES):
            result = readers[number % 2].read()
            pair = (result, "-") if number % 2 == 0 else ("-", result)
            yield Step("" if number else "it is stopped", pair[0], pair[1], place.circuit())
        yield both("while the circuit is open")
        place.ahead += OPEN_SECONDS + 2
        yield both(f"{OPEN_SECONDS} s later, both at the same time")
        place.ahead += OPEN_SECONDS + 2
        yield Step("A begins to try it and is killed", first.read(dies=True), "-", place.circuit())
        first.process.wait()
        first.begin()
        yield Step("while its lease lasts", "-", second.read(), place.circuit())
        place.server.start()
        place.port = place.server.port
        place.ahead += LEASE_SECONDS + 2
        yield Step("the database runs, the lease is over", "-", second.read(), place.circuit())
        yield both("afterwards")
        place.server.stop()
        yield both(
            f"stopped again: each fails {AT_ONCE} times, at the same time",
            times=AT_ONCE,
            failures=2 * AT_ONCE + 1,
        )


@contextmanager
def _place(*, on_server: bool) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="strandline-circuit-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        try:
            name = f"shown-{uuid.uuid4().hex[:8]}"
            yield Place(Path(folder) / "state", on_server, name, server, server.port)
        finally:
            server.stop()


def main(arguments: list[str]) -> None:
    """Print the table, or be one of its processes."""
    if arguments[:1] == ["--reader"]:
        obey(arguments[1])
        return
    line = "{:58} {:28} {:28} {:10} {:>8}".format
    print(line("", "process A", "process B", "circuit", "failures"))
    with _place(on_server="--on-server" in arguments) as place:
        for each in steps(place):
            circuit = each.circuit
            print(
                line(each.event, each.first, each.second, str(circuit.state), circuit.failures),
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
