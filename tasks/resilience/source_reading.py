"""Beginning a read of a source: its circuit lets it, connections are free, its time is limited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from blocks.coordination.shared_documents import shared_documents
from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from blocks.source_dialects.consistent_read import SourceReading
from contracts.errors import SourceUnavailableError, StepFailedError
from contracts.model import Contract
from contracts.model.referenced_table import referenced_tables
from tasks.resilience.connection_limit import places_of_read
from tasks.resilience.source_circuit import SourceCircuit
from tasks.run.run_context import Run
from tasks.run.spark_error_mapping import map_spark_errors

__all__ = ["other_source_reading", "source_reading"]


@contextmanager
def source_reading(run: Run, contract: Contract) -> Iterator[SourceReading]:
    """Begin a read of the run's source.

    Connections to the other databases that the contract's checks look values up in are held with
    those to its own. All are taken before any is used and by the order of their names, so that no
    two runs wait for each other.

    Raises:
        SourceCircuitOpenError: The source failed so often that no run tries it now; or this read
            was one failure more.
        SourceBusyError: Other runs hold the connections that runs may have.
        LoadTimedOutError: The time of the load is over.
        StrandlineError: As `SourceDatabase.reading`, and what is raised inside.
    """
    circuit = _circuit(run, run.connection, run.source)
    if run.source.max_connections is not None:
        circuit.refuse_if_open()  # rather than wait for connections to it
    with _all_places(run, contract) as widened, circuit.guarding(), _within_its_time(run):
        timeout = min(contract.source.timeout_seconds, run.seconds_left())
        with run.source.reading(timeout) as reading, map_spark_errors(run.name, "read"):
            yield replace(reading, widened=widened)


@contextmanager
def other_source_reading(
    run: Run, connection: str, source: SourceDatabase, *, seconds: float
) -> Iterator[SourceReading]:
    """Begin a read of another source within that of the run's own.

    `seconds` is how long a statement may take. What Spark raises inside is about that source.

    Raises:
        StrandlineError: As `source_reading`.
    """
    with _circuit(run, connection, source).guarding(), _within_its_time(run):
        timeout = min(seconds, run.seconds_left())
        with source.reading(timeout) as reading, map_spark_errors(run.name, "read"):
            yield reading


@contextmanager
def _within_its_time(run: Run) -> Iterator[None]:
    """What was ended as the load's time is over says nothing about the source; no retry follows."""
    try:
        yield
    except (SourceUnavailableError, StepFailedError):
        run.seconds_left()
        raise


def _circuit(run: Run, connection: str, source: SourceDatabase) -> SourceCircuit:
    return SourceCircuit(
        connection=connection,
        source=source,
        documents=shared_documents(
            run.settings.state_directory, on_server=block_lookup.on_server()
        ),
        run=run.run_id,
        where=run.name,
    )


@contextmanager
def _all_places(run: Run, contract: Contract) -> Iterator[Callable[[int], int]]:
    """The places of all sources of the contract; yields how to widen the read of its own."""
    documents = shared_documents(run.settings.state_directory, on_server=block_lookup.on_server())
    own: Callable[[int], int] = int
    with ExitStack() as stack:
        for connection, source in sorted(_sources(run, contract).items(), key=lambda each: each[0]):
            widened = stack.enter_context(
                places_of_read(
                    connection,
                    source,
                    documents,
                    where=run.name,
                    seconds=run.seconds_left(),
                )
            )
            own = widened if connection == run.connection else own
        yield own


def _sources(run: Run, contract: Contract) -> Mapping[str, SourceDatabase]:
    """The sources of a contract by connection, its own among them."""
    others = {table.connection for table in referenced_tables(contract).values()}
    return {
        **{name: block_lookup.source(name) for name in others - {"", run.connection}},
        run.connection: run.source,
    }
