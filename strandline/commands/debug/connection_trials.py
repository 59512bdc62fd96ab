"""What a run needs, tried piece by piece without Spark.

Promise: each trial is made even if one before it failed, and none changes anything but what
starting an embedded database makes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
from prefect.settings import PREFECT_API_URL

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from blocks.spark.java_installation import FETCH, find_java
from contracts.errors import SettingsError, StrandlineError
from contracts.loader import contract_files, find_contract, load_contracts, select_contracts
from contracts.model import Contract
from contracts.project.project_settings import find_setting
from tasks.lifecycle.open_run import contracts_folder
from tasks.run.unexpected_errors import unexpected_error
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.source_schema_drift import refuse_drift, refuse_unreadable

__all__ = ["Outcome", "Trial", "trials"]

Answer = TypeVar("Answer")

_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended: with a note, or with the error that a run would meet."""

    kind: str
    what: str
    note: str = ""
    error: StrandlineError | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """Something that a run needs. `ask` returns a note on it, or raises what a run would meet."""

    kind: str
    what: str
    ask: Callable[[], str]

    def made(self) -> Outcome:
        """Try it."""
        try:
            # Paths below the folder that one stands in are shown from there.
            return Outcome(self.kind, self.what, self.ask().replace(f"{Path.cwd()}{os.sep}", ""))
        except StrandlineError as error:
            return Outcome(self.kind, self.what, error=error)
        except Exception as error:  # noqa: BLE001 - one that nobody expected hides no other trial
            state = find_setting("state").path
            return Outcome(self.kind, self.what, error=unexpected_error(error, self.what, state))


def trials(words: Sequence[str], settings: str) -> Iterator[Trial]:
    """Everything to try for these contracts, of the run settings; all contracts without words.

    What can't be known, since what names it failed, is left out: its own trial says so.
    """
    yield Trial("java", "Java 17 or 21", _java)
    yield Trial("prefect", "the Prefect server", _server)
    yield Trial("blocks", f"the run settings {settings}", lambda: _settings_note(settings))
    block = _or_none(lambda: block_lookup.settings(settings))
    if block is None:
        return
    yield Trial("spark", "where Spark runs", lambda: _spark(block))
    yield Trial("lakehouse", f"the catalog {block.lakehouse.catalog}", lambda: _lakehouse(block))
    yield Trial("keys", "the key ring", lambda: _key_ring(block))
    yield Trial("state", "the state directory", lambda: _writable(block.state_directory))
    yield Trial("contracts", "the contracts", lambda: _contracts(block))
    models = _or_none(lambda: _selected(words, block))
    if models is None:
        if words:
            yield Trial("contracts", " ".join(words), lambda: _selected_note(words, block))
        return
    for connection in dict.fromkeys(each.source.connection for each in models):
        yield Trial("source", connection, lambda name=connection: _source(name))  # type: ignore[misc]
    for model in models:
        yield Trial("table", model.source.relation, lambda each=model: _table(each))  # type: ignore[misc]


def _or_none(ask: Callable[[], Answer]) -> Answer | None:
    try:
        return ask()
    except StrandlineError:
        return None


def _java() -> str:
    setting = find_setting("java")
    # Nothing is fetched to find out; a run would fetch one where that was agreed to.
    try:
        return str(find_java(may_fetch=False))
    except StrandlineError:
        if setting.value == FETCH:
            return f"none yet: a run fetches one, as {setting.origin} agrees"
        raise


def _server() -> str:
    url = PREFECT_API_URL.value()
    if not url:
        return "none is configured: each run starts one of its own"
    address = url.rpartition("@")[2]
    try:
        answer = httpx.get(f"{url}/health", timeout=_SECONDS)
    except httpx.HTTPError as error:
        raise SettingsError(
            where=f"Prefect server {address}",
            expected="an answer",
            found=type(error).__name__,
            next_step="Start it (strandline up), or correct PREFECT_API_URL.",
        ) from None
    return f"{address} answers with {answer.status_code}"


def _settings_note(settings: str) -> str:
    block_lookup.settings(settings)
    if block_lookup.on_server():
        return "of the Prefect server"
    return f"of {block_lookup.local_file()}"


def _spark(block: RunSettings) -> str:
    return f"{block.spark.master}, {block.spark.driver_memory} for the driver; not started here"


def _lakehouse(block: RunSettings) -> str:
    block.lakehouse.check()
    return f"{block.lakehouse.kind}, warehouse {block.lakehouse.warehouse}"


def _key_ring(block: RunSettings) -> str:
    ring = block.key_ring
    if ring.storage().read() is None:
        return f"{ring.storage().name} is not there yet: the first load makes it"
    keys = [each for each in ring.status() if each.wrapped_by is not None]
    if keys:
        # Opened, to see that the key that wraps them is the right one; it is not used.
        ring.data_key(keys[-1].id)
    return f"{len(keys)} keys in {ring.storage().name}"


def _writable(folder: Path) -> str:
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not os.access(there, os.W_OK):
        raise SettingsError(
            where=f"state directory {folder}",
            expected="a directory that can be written",
            found=f"{there}, which can't be",
            next_step="Correct state_directory in the run settings, or the directory's rights.",
        )
    return str(folder)


def _contracts(block: RunSettings) -> str:
    found = load_contracts(contracts_folder(block))
    return f"{len(found)} in {contracts_folder(block)}, without problems"


def _selected(words: Sequence[str], block: RunSettings) -> list[Contract]:
    folder = contracts_folder(block)
    if words:
        return [find_contract(name, folder) for name in select_contracts(words, folder)]
    found = []
    for path in contract_files(folder):
        # A broken one is told by the trial of the contracts.
        contract = _or_none(lambda name=path.stem: find_contract(name, folder))  # type: ignore[misc]
        found += [] if contract is None else [contract]
    return found


def _selected_note(words: Sequence[str], block: RunSettings) -> str:
    return f"{len(_selected(words, block))} contracts"


def _source(connection: str) -> str:
    source = block_lookup.source(connection)
    if source.dialect == "jdbc":
        return f"{source.location}: its driver needs Spark; strandline plan asks it"
    with source.reading(_SECONDS) as reading:
        if reading.open_unknown:
            return (
                f"{source.location} lets us in; it hides what others do: grant pg_read_all_stats, "
                "or rely on the contracts' overlap"
            )
    return f"{source.location} lets us in"


def _table(contract: Contract) -> str:
    source = block_lookup.source(contract.source.connection)
    if source.dialect == "jdbc":
        return "its driver needs Spark; strandline plan asks it"
    return f"{contract.name}: {_readable(contract, source)}"


def _readable(contract: Contract, source: SourceDatabase) -> str:
    wanted = contract.source
    with source.reading(_SECONDS) as reading:
        details = reading.details(wanted.schema, wanted.table)
    refuse_drift(details.relation, contract, sql_dialect_of(source))
    refuse_unreadable(details, contract)
    return f"{len(wanted.columns)} columns can be read as the contract has them"
