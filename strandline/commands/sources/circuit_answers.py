"""What `strandline source` shows and changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL
from rich.text import Text

from blocks.coordination.circuit_breaker import Circuit, Transition
from blocks.coordination.store_errors import StoreUnavailableError
from blocks.lookup import block_lookup
from contracts.errors import EnvironmentUnfitError
from contracts.loader import load_contracts
from strandline.queries.source_states import (
    connections_of,
    known_source,
    read_source_states,
    source_documents,
)
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.source_tables import sources_page
from tasks.lifecycle.open_run import contracts_folder
from tasks.observability.emit_prefect_events import circuit_event
from tasks.resilience.source_circuit import circuit_document

BY_HAND = "strandline source reset"


def show(screen: CommandOutput, source: str | None, *, settings: str) -> None:
    """The circuit of each source, or of one, and who holds connections."""
    run_settings = block_lookup.settings(settings)
    contracts = load_contracts(contracts_folder(run_settings)).values()
    names = connections_of(contracts) if source is None else (known_source(source, contracts),)
    with _answering(settings):
        states = read_source_states(source_documents(run_settings), names)
    screen.answer({"sources": states}, *sources_page(states, width=screen.out.width))


def reset(screen: CommandOutput, source: str, *, settings: str) -> None:
    """Close the circuit of a source, whatever its state is."""
    run_settings = block_lookup.settings(settings)
    name = known_source(source, load_contracts(contracts_folder(run_settings)).values())
    with _answering(settings):
        before, transition = source_documents(run_settings).change(circuit_document(name), _closed)
    if transition is not None and PREFECT_API_URL.value():
        event = circuit_event(transition, name, before, contract=BY_HAND)
        emit_event(event.name, resource=dict(event.resource), payload=dict(event.figures))
    was = f"it was {before.state}" if transition else "it was closed already"
    screen.answer(
        {"source": name, "circuit": "closed", "before": str(before.state)},
        Text(f"the circuit of {name} is closed; {was}"),
    )


def _closed(
    document: object, _now: float
) -> tuple[dict[str, object], tuple[Circuit, Transition | None]]:
    """A closed circuit, also in the place of a document that can't be read."""
    try:
        before = Circuit.read(document if isinstance(document, dict) else None)
    except ValueError:
        before = Circuit()
    after, transition = before.answered()
    return after.document(), (before, transition)


@contextmanager
def _answering(settings: str) -> Iterator[None]:
    try:
        yield
    except (StoreUnavailableError, ValueError) as error:
        raise EnvironmentUnfitError(
            where=f"run settings {settings}, the state of sources",
            expected="the Prefect server, or the state directory, to have it",
            found=str(error) if isinstance(error, StoreUnavailableError) else "something else",
            next_step="See that the server answers and that the directory can be written; "
            "strandline source reset replaces a state that can't be read.",
        ) from None
