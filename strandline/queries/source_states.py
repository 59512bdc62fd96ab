"""The circuits of the sources that contracts name, and the connections that runs hold to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.coordination.circuit_breaker import Circuit, CircuitState
from blocks.coordination.connection_places import Places
from blocks.coordination.shared_documents import SharedDocuments, shared_documents
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import NotFoundError
from contracts.model import Contract
from contracts.model.referenced_table import referenced_tables
from contracts.yaml_reading.problem_report import did_you_mean
from tasks.resilience.connection_limit import connections_document
from tasks.resilience.source_circuit import circuit_document

__all__ = [
    "SourceState",
    "connections_of",
    "known_source",
    "read_source_states",
    "source_documents",
]


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source as runs see it.

    Attributes:
        source: Its connection, as contracts name it.
        circuit: Its state: `closed`, `open` or `half open`.
        failures: How many there were in a row.
        since: When the circuit opened.
        next_probe: When a run may try the source again.
        reason: What the last failure was.
        held: How many connections each run holds, where the source's block limits them.
    """

    source: str
    circuit: str
    failures: int
    since: datetime | None
    next_probe: datetime | None
    reason: str
    held: Mapping[str, int]

    @property
    def is_closed(self) -> bool:
        """Whether the source is read."""
        return self.circuit == CircuitState.CLOSED


def source_documents(settings: RunSettings) -> SharedDocuments:
    """Where the states are kept that the runs with these settings share."""
    return shared_documents(settings.state_directory, on_server=block_lookup.on_server())


def connections_of(contracts: Iterable[Contract]) -> tuple[str, ...]:
    """The sources that contracts are read from or refer to, by name."""
    names = set()
    for each in contracts:
        names |= {each.source.connection}
        names |= {table.connection for table in referenced_tables(each).values()}
    return tuple(sorted(names - {""}))


def known_source(name: str, contracts: Iterable[Contract]) -> str:
    """The source of that name, in either spelling of it.

    Raises:
        NotFoundError: No contract names it.
    """
    names = connections_of(contracts)
    wanted = block_lookup.block_name(name)
    found = next((each for each in names if block_lookup.block_name(each) == wanted), None)
    if found is None:
        raise NotFoundError(
            where=f"source {name}",
            expected="a source that a contract names by `connection`",
            found=f"none of that name; {did_you_mean(name, names)}",
            next_step="strandline source status shows all.",
        )
    return found


def read_source_states(
    documents: SharedDocuments, connections: Sequence[str]
) -> tuple[SourceState, ...]:
    """The state of each source.

    Raises:
        StoreUnavailableError: The place of the states does not answer.
        ValueError: A state can't be read.
    """
    return tuple(_state(documents, each) for each in connections)


def _state(documents: SharedDocuments, connection: str) -> SourceState:
    document, _ = documents.read(circuit_document(connection))
    circuit = Circuit.read(document)
    held, now = documents.read(connections_document(connection))
    leases = Places.read(held, now).leases
    return SourceState(
        source=connection,
        circuit=str(circuit.state),
        failures=circuit.failures,
        since=_moment(circuit.since),
        next_probe=_moment(circuit.next_probe),
        reason=circuit.reason,
        held={holder: each.places for holder, each in sorted(leases.items())},
    )


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
