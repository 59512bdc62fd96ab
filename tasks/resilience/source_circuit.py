"""The circuit of a source, around each read of it.

Promise: a run that finds the circuit open ends without a connection attempt; of all runs, one at a
time tries the source again. Only failures to get an answer count, no refusal and no data. Where
the place of the circuit's state does not answer, the source is read as if there were none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prefect.logging import get_logger

from blocks.coordination.circuit_breaker import (
    Admission,
    Circuit,
    CircuitLimits,
    CircuitState,
    Transition,
)
from blocks.coordination.shared_documents import SharedDocuments
from blocks.coordination.store_errors import StoreUnavailableError
from blocks.lookup.block_lookup import block_name
from blocks.source_database import SourceDatabase
from contracts.errors import SourceCircuitOpenError, SourceUnavailableError, StrandlineError
from tasks.observability.emit_prefect_events import emit_circuit

__all__ = ["PROBE_SECONDS", "SourceCircuit", "circuit_document"]

PROBE_SECONDS = 15
"""How long a source that is tried may take to answer, once connected."""

_Document = Any


def circuit_document(connection: str) -> str:
    """The name of the document that has the circuit of a connection."""
    return f"circuit-{block_name(connection)}"


@dataclass(frozen=True, slots=True)
class SourceCircuit:
    """The circuit of a source, as one run uses it.

    Attributes:
        connection: The source, as contracts name it.
        source: Its block, which has the limits.
        documents: Where the state is kept.
        run: Identifies who asks, among all runs.
        where: The load, for messages and events.
    """

    connection: str
    source: SourceDatabase
    documents: SharedDocuments = field(repr=False)
    run: str
    where: str

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Read the source inside, if the circuit lets this run; how that ends is counted.

        Raises:
            SourceCircuitOpenError: It is open, or this read's failure opened it.
            StrandlineError: As the probe, where this run has to try the source first.
        """
        self._enter()
        try:
            yield
        except SourceUnavailableError as error:
            self._raise_failure(error)
        self._answered()

    def refuse_if_open(self) -> None:
        """Raise at once where the circuit is open, without taking the place of a prober.

        Raises:
            SourceCircuitOpenError: It is.
        """
        try:
            document, now = self.documents.read(circuit_document(self.connection))
            circuit = Circuit.read(document)
        except (StoreUnavailableError, ValueError) as error:
            self._without_circuit(error)
            return
        if circuit.ask(self.run, now, self._limits)[1] is Admission.REFUSED:
            raise self._open(circuit)

    @property
    def _limits(self) -> CircuitLimits:
        source = self.source
        return CircuitLimits(
            failures=source.circuit_failures,
            open_seconds=source.circuit_open_seconds,
            probe_seconds=source.connect_timeout_seconds + 2 * PROBE_SECONDS,
        )

    def _enter(self) -> None:
        def ask(document: _Document, now: float) -> tuple[_Document, tuple[Circuit, Admission]]:
            before = Circuit.read(document)
            after, admission = before.ask(self.run, now, self._limits)
            return None if after == before else after.document(), (after, admission)

        try:
            document, now = self.documents.read(circuit_document(self.connection))
            known = Circuit.read(document)
            circuit, admission = known, known.ask(self.run, now, self._limits)[1]
            if admission is Admission.PROBE:
                circuit, admission = self.documents.change(circuit_document(self.connection), ask)
        except (StoreUnavailableError, ValueError) as error:
            self._without_circuit(error)
            return
        if admission is Admission.REFUSED:
            raise self._open(circuit)
        if admission is Admission.PROBE:
            self._tell(Transition.HALF_OPENED, circuit)
            self._probe()

    def _probe(self) -> None:
        """Try the source, for all runs that wait."""
        try:
            self.source.check(PROBE_SECONDS)
        except SourceUnavailableError as error:
            self._raise_failure(error)
        except StrandlineError:
            # It answered, if only to refuse: it is there again.
            self._answered()
            raise
        self._answered()

    def _raise_failure(self, error: SourceUnavailableError) -> None:
        """Count the failure, once and for its own source, and raise what the run ends with."""
        if error.connection not in {"", self.connection}:
            raise error
        error.connection = self.connection
        circuit = self._failed(error)
        if circuit is None or circuit.state is CircuitState.CLOSED:
            raise error
        raise self._open(circuit) from None

    def _failed(self, error: SourceUnavailableError) -> Circuit | None:
        """The circuit after the failure; None: it is not known."""

        def count(
            document: _Document, now: float
        ) -> tuple[_Document, tuple[Circuit, Transition | None]]:
            before = Circuit.read(document)
            after, transition = before.failed(self.run, now, self._limits, error.found)
            return None if after == before else after.document(), (after, transition)

        try:
            circuit, transition = self.documents.change(circuit_document(self.connection), count)
        except StoreUnavailableError as unavailable:
            self._without_circuit(unavailable)
            return None
        self._tell(transition, circuit)
        return circuit

    def _answered(self) -> None:
        def close(
            document: _Document, _now: float
        ) -> tuple[_Document, tuple[Circuit, Transition | None]]:
            before = Circuit.read(document)
            after, transition = before.answered()
            return None if after == before else after.document(), (before, transition)

        try:
            before, transition = self.documents.change(circuit_document(self.connection), close)
        except StoreUnavailableError as error:
            self._without_circuit(error)
            return
        self._tell(transition, before)

    def _tell(self, transition: Transition | None, circuit: Circuit) -> None:
        if transition is None:
            return
        get_logger("strandline").warning(
            "%s: the circuit of %s is %s", self.where, self.connection, transition
        )
        emit_circuit(transition, self.connection, circuit, contract=self.where)

    def _open(self, circuit: Circuit) -> SourceCircuitOpenError:
        tried = "is being tried by another run"
        if circuit.state is CircuitState.OPEN:
            tried = f"is tried again by the first run after {_clock(circuit.next_probe)}"
        return SourceCircuitOpenError(
            where=f"{self.where}, source {self.connection}",
            expected="a source that answers",
            found=f"its circuit open since {_clock(circuit.since)}, after {circuit.failures} "
            f"failures in a row, the last one {circuit.reason}",
            next_step=f"It {tried}; strandline source status {self.connection} shows it. "
            "Nothing was changed.",
        )

    def _without_circuit(self, error: Exception) -> None:
        get_logger("strandline").warning(
            "%s: the state of the circuit of %s can't be kept (%s); the source is read without it",
            self.where,
            self.connection,
            error if isinstance(error, StoreUnavailableError) else type(error).__name__,
        )


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
