"""Opening a load: everything that is required before the first step, and its end.

Promise: what is missing or wrong (a contract, a block, a key ring, Java, room on the disk, another
run on the table) is reported before anything is read or written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pyspark.sql import SparkSession

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from contracts.alerts import event_names as names
from contracts.errors import ContractError, StrandlineError
from contracts.loader import TABLES, contract_files, find_contract, select_contracts
from contracts.model import Contract
from contracts.model.referenced_table import referenced_tables
from history import Batch
from history.release.release_record import green_table, refuse_replaced_contract
from tasks.lifecycle.leftover_cleanup import clear_leftovers, note_leftovers
from tasks.lifecycle.table_lock import table_lock
from tasks.lifecycle.time_limit import time_limit
from tasks.observability.emit_prefect_events import source_resource, table_resource
from tasks.observability.ledger_tables import ensure_namespaces_and_ledgers
from tasks.observability.lineage_rows import lineage_of
from tasks.observability.open_lineage.tell_runs import told_as_lineage
from tasks.observability.resource_usage import UsageWatch
from tasks.observability.run_metrics import record_failure, record_unrecorded
from tasks.run.progress_listeners import listening
from tasks.run.run_context import Run, batch_name
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.step_durations import StepDurations
from tasks.run.unexpected_errors import map_unexpected_errors


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run and its contract, with its resource usage and the durations of its steps."""

    run: Run
    contract: Contract
    watch: UsageWatch
    times: StepDurations


@contextmanager
def open_run(
    contract: str,
    settings: str,
    *,
    run_id: str,
    started: datetime,
    green: Contract | None = None,
    unwritten: Contract | None = None,
) -> Iterator[OpenRun]:
    """A run of the contract with its table locked; a failure inside is recorded, then raised.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
        run_id: The flow run's id.
        started: When the flow run first started; a retry has the same.
        green: The contract of a release: its green table is loaded, not the published one.
        unwritten: The contract, where no file has it.
    """
    block = block_lookup.settings(settings)
    with map_unexpected_errors(contract, block.state_directory):
        model = green or unwritten or find_contract(contract, contracts_folder(block))
        source = block_lookup.source(model.source.connection)
        block.lakehouse.check()
    published = f"{block.lakehouse.catalog}.{model.target}"
    target = green_table(published) if green else published
    with (
        map_unexpected_errors(model.name, block.state_directory),
        table_lock(block.state_directory, target, run_id=run_id),
    ):
        run = run_of(
            model,
            block,
            source,
            session(block, source, *_referenced_sources(model)),
            batch_id=batch_name(run_id, started),
            run_id=run_id,
            started=started,
        )
        if green:
            run = _of_green(run, model, target)
        watch = UsageWatch()
        with map_spark_errors(model.name, "open"):
            _prepare(run, model)
        limit = time_limit(run.spark, block.table_minutes, where=model.name, tag=run.batch_id)
        times = StepDurations(model.name)
        unexpected = map_unexpected_errors(model.name, block.state_directory)
        told = nullcontext() if green else told_as_lineage(run, model)
        with (
            listening(times),
            _recorded_if_failed(run, watch, times),
            told,
            limit as ends_at,
            unexpected,
        ):
            yield OpenRun(replace(run, ends_at=ends_at), model, watch, times)
        with map_spark_errors(model.name, "close", publishes=True):
            clear_leftovers(run, published=True)


def run_of(
    contract: Contract,
    settings: RunSettings,
    source: SourceDatabase,
    spark: SparkSession,
    *,
    batch_id: str,
    run_id: str,
    started: datetime,
) -> Run:
    """A run of the contract; see `Run` for the arguments."""
    return Run(
        name=contract.name,
        target=f"{settings.lakehouse.catalog}.{contract.target}",
        relation=contract.source.relation,
        table_resource=table_resource(contract),
        source_resource=source_resource(contract),
        lineage=lineage_of(contract),
        settings=settings,
        source=source,
        spark=spark,
        batch_id=batch_id,
        run_id=run_id,
        started=started,
    )


def run_of_batch(
    spark: SparkSession, contract: Contract, settings: RunSettings, batch: Batch
) -> Run:
    """The run of a batch that reads no source: a rebuild, an undo."""
    return run_of(
        contract,
        settings,
        block_lookup.source(contract.source.connection),
        spark,
        batch_id=batch.id,
        run_id=batch.id,
        started=batch.time,
    )


def known_contracts(names: Sequence[str], settings: str) -> tuple[str, ...]:
    """The contracts that `contracts.loader.select_contracts` finds by these words, each once.

    An unknown one is refused before any is loaded.
    """
    return select_contracts(names, contracts_folder(block_lookup.settings(settings)))


def contracts_to_load(names: Sequence[str], settings: str) -> tuple[str, ...]:
    """As `known_contracts`, but of several names, one whose file is broken is kept.

    Its own load reports what is wrong with it; the others are loaded.
    """
    folder = contracts_folder(block_lookup.settings(settings))
    several = len({*names}) > 1

    def names_of(name: str) -> Sequence[str]:
        try:
            return select_contracts([name], folder)
        except ContractError:
            if several and any(path.stem == name for path in contract_files(folder)):
                return [name]
            raise

    return tuple(dict.fromkeys(found for name in names for found in names_of(name)))


def contract_and_settings(contract: str, settings: str) -> tuple[Contract, RunSettings]:
    """The contract of that name, or of that target, and the settings of that name."""
    block = block_lookup.settings(settings)
    return find_contract(contract, contracts_folder(block)), block


def run_settings(settings: str) -> RunSettings:
    """The settings of that name: how many loads may run, and how long."""
    return block_lookup.settings(settings)


def contracts_folder(settings: RunSettings) -> Path:
    """The folder of the contracts: the settings' directory, else the bundled one."""
    return settings.contracts_directory or TABLES


def session(settings: RunSettings, *sources: SourceDatabase) -> SparkSession:
    """A new session of the process's one Spark, with the sources' drivers."""
    packages = dict.fromkeys(each for source in sources for each in source.packages())
    return settings.spark.session(settings.lakehouse, *packages, shared=False)


def start_spark(names: Sequence[str], settings: str) -> None:
    """Start this process's Spark, with the drivers of all sources that the contracts read.

    Raises:
        StrandlineError: A block, a contract or Spark itself is not as it has to be.
    """
    block = block_lookup.settings(settings)
    models = [find_contract(name, contracts_folder(block)) for name in names]
    block.lakehouse.check()
    sources = [block_lookup.source(each.source.connection) for each in models]
    referenced = (each for model in models for each in _referenced_sources(model))
    session(block, *sources, *referenced)


def _referenced_sources(contract: Contract) -> Iterator[SourceDatabase]:
    """The other databases in which checks look values up."""
    connections = {table.connection for table in referenced_tables(contract).values()}
    for connection in sorted(connections - {""}):
        yield block_lookup.source(connection)


def _of_green(run: Run, contract: Contract, target: str) -> Run:
    """The run as one of the green table, whose events are not the published table's."""
    resource = table_resource(contract) | {
        names.ID: names.table_resource(green_table(contract.target)),
        names.NAME: green_table(contract.target),
    }
    return replace(run, target=target, stands_for=run.target, table_resource=resource)


def _prepare(run: Run, contract: Contract) -> None:
    # First, since it opens the catalog one load at a time: a new one makes its tables then.
    ensure_namespaces_and_ledgers(run.spark, run.settings, contract.namespace)
    if not run.stands_for:
        refuse_replaced_contract(run.spark, run.target, contract.version)
    clear_leftovers(run)
    record_unrecorded(run)
    note_leftovers(run)


@contextmanager
def _recorded_if_failed(run: Run, watch: UsageWatch, times: StepDurations) -> Iterator[None]:
    try:
        yield
    except StrandlineError as error:
        # The failure itself matters more than a record of it that can't be written.
        with suppress(Exception):
            record_failure(run, error, watch, times.seconds)
            clear_leftovers(run)
        raise
