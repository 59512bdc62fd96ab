"""Opening a load: everything that must be there before the first step, and its end.

Promise: what is missing or wrong (a contract, a block, a key ring, Java, room on the disk, another
run on the table) is told before anything is read or written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pyspark.sql import SparkSession

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from contracts.errors import ContractError, StrandlineError
from contracts.loader import TABLES, find_contract
from contracts.model import Contract
from tasks.lifecycle.leftover_cleanup import clear_leftovers, note_leftovers
from tasks.lifecycle.table_lock import table_lock
from tasks.lifecycle.time_limit import time_limit
from tasks.observability.emit_prefect_events import emit_failure, source_resource, table_resource
from tasks.observability.ledger_tables import ensure_namespaces_and_ledgers
from tasks.observability.lineage_rows import lineage_of
from tasks.observability.resource_usage import UsageWatch
from tasks.observability.run_metrics import record_failure, record_unrecorded
from tasks.run.progress_listeners import listening
from tasks.run.run_context import Run, batch_name
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.step_durations import StepDurations
from tasks.run.unexpected_errors import map_unexpected_errors


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run and its contract, and the watches over what it costs and how long its steps take."""

    run: Run
    contract: Contract
    watch: UsageWatch
    times: StepDurations


@contextmanager
def open_run(contract: str, settings: str, *, run_id: str, started: datetime) -> Iterator[OpenRun]:
    """A run of the contract with its table held; a failure inside is recorded, then raised.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
        run_id: The flow run's id.
        started: When the flow run first started; a retry has the same.
    """
    where = block_lookup.settings(settings)
    with map_unexpected_errors(contract, where.state_directory):
        found = find_contract(contract, contracts_folder(where))
        source = block_lookup.source(found.source.connection)
        where.lakehouse.check()
    target = f"{where.lakehouse.catalog}.{found.target}"
    with (
        map_unexpected_errors(found.name, where.state_directory),
        table_lock(where.state_directory, target, run_id=run_id),
    ):
        run = run_of(
            found,
            where,
            source,
            session(where, source),
            batch_id=batch_name(run_id, started),
            run_id=run_id,
            started=started,
        )
        watch = UsageWatch()
        with map_spark_errors(found.name, "open"):
            _prepare(run, found.namespace)
        limit = time_limit(run.spark, where.table_minutes, where=found.name, tag=run.batch_id)
        times = StepDurations(found.name)
        within_reach = map_unexpected_errors(found.name, where.state_directory)
        with listening(times), _recorded_if_failed(run, found, watch), limit, within_reach:
            yield OpenRun(run, found, watch, times)
        with map_spark_errors(found.name, "close", publishes=True):
            clear_leftovers(run)


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


def known_contracts(names: Sequence[str], settings: str) -> tuple[str, ...]:
    """The contracts of those names, each once; an unknown one is told before any is loaded."""
    folder = contracts_folder(block_lookup.settings(settings))
    return tuple(dict.fromkeys(find_contract(name, folder).name for name in names))


def contracts_to_load(names: Sequence[str], settings: str) -> tuple[str, ...]:
    """As `known_contracts`, but where there are several, one whose file is broken is among them.

    Its own load tells what is wrong with it; the others are loaded.
    """
    folder = contracts_folder(block_lookup.settings(settings))
    several = len({*names}) > 1

    def name_of(name: str) -> str:
        try:
            return find_contract(name, folder).name
        except ContractError:
            if several and (folder / f"{name}.yaml").is_file():
                return name
            raise

    return tuple(dict.fromkeys(map(name_of, names)))


def run_settings(settings: str) -> RunSettings:
    """The settings of that name, for how many loads may run and how long."""
    return block_lookup.settings(settings)


def contracts_folder(settings: RunSettings) -> Path:
    """Where the contracts lie: the settings' directory, else the ones that come along."""
    return settings.contracts_directory or TABLES


def session(settings: RunSettings, source: SourceDatabase) -> SparkSession:
    """A Spark session of its own, which knows the source's driver, over the process's one Spark."""
    return settings.spark.session(settings.lakehouse, *source.packages(), shared=False)


def _prepare(run: Run, namespace: str) -> None:
    ensure_namespaces_and_ledgers(run.spark, run.settings, namespace)
    clear_leftovers(run)
    record_unrecorded(run)
    note_leftovers(run)


@contextmanager
def _recorded_if_failed(run: Run, contract: Contract, watch: UsageWatch) -> Iterator[None]:
    try:
        yield
    except StrandlineError as error:
        emit_failure(run, error, attempts=contract.source.retry_attempts + 1)
        # The failure itself matters more than a record of it that can't be written.
        with suppress(Exception):
            record_failure(run, error, watch)
            clear_leftovers(run)
        raise
