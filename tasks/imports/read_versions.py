"""Reading the versions of another tool as the events of a first load.

Promise: no version is left out: each is an event, or is refused with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from blocks.source_dialects.consistent_read import SourceReading
from contracts.errors import SettingsError
from contracts.model import Contract
from contracts.schemas.spark_schemas import source_schema
from history import events_of_versions
from history.iceberg.current_snapshot import current_state
from history.iceberg.history_table import exists
from history.planning.event_validation import DELETE, UPSERT
from history.spark.column_quoting_and_comparison import named
from tasks.compiler.compile_contract import compile_contract
from tasks.imports.contract_of_import import (
    contract_of_events,
    contract_of_versions,
    operation_column,
    relation_of_events,
)
from tasks.imports.peer_table import PeerTable
from tasks.run.run_context import Run
from tasks.run.step_results import Extraction
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.jdbc_partitions import source_slices
from tasks.source.jdbc_reader import source_rows
from tasks.source.source_query import compile_source_query
from tasks.source.source_schema_drift import refuse_drift

__all__ = ["PEER_END", "VersionsRead", "read_versions", "refuse_loaded"]

PEER_END = "__peer_end"
"""The staged column with the end of a version in the other tool's table."""
_ROWS_A_SLICE = 100_000
_SAYS_DELETED = "true"


@dataclass(frozen=True, slots=True)
class VersionsRead:
    """What is to be staged: as an extraction has it, and the rows that were made of it."""

    extraction: Extraction
    rows: DataFrame


def refuse_loaded(run: Run) -> None:
    """Refuse a target that was loaded before.

    Raises:
        SettingsError: It was.
    """
    if exists(run.spark, run.target) and current_state(run.spark, run.target) is not None:
        raise SettingsError(
            where=run.target,
            expected="a table that was never loaded: a history is taken over once, before that",
            found="a table that was",
            next_step="Choose another --target. Nothing was changed.",
        )


def read_versions(
    run: Run, contract: Contract, table: PeerTable, reading: SourceReading
) -> VersionsRead:
    """The history's rows as events, in one read of its table.

    Args:
        run: The run of the import.
        contract: What is written of the table; its source is what later loads read.
        table: The history.
        reading: A read of the database that it is in.

    Raises:
        SchemaDriftError: A column of the history can't be read as the contract says.
    """
    dialect, connection = sql_dialect_of(run.source), contract.source.connection
    of_versions = contract_of_versions(contract, table, connection)
    refuse_drift(table.relation, of_versions, dialect)
    query = compile_source_query(of_versions, table.relation, dialect=dialect)
    of_events = contract_of_events(contract, table, connection)
    compiled = compile_contract(
        of_events,
        relation_of_events(of_events, table),
        target=run.target,
        recorded=None,
        dialect=dialect,
    )
    compiled = replace(compiled, stage=replace(compiled.stage, carried=(PEER_END,)))
    slices = source_slices(
        reading.widened(min(run.settings.slices, table.rows // _ROWS_A_SLICE + 1)),
        pages=query.pages,
        cuts=(),
        dialect=dialect,
    )
    versions = source_rows(
        run.spark,
        reading,
        source_schema(of_versions),
        compiled.fetch,
        query=query.rows(),
        slices=slices,
    )
    extraction = Extraction(
        contract=compiled,
        query=query.rows(),
        slices=slices,
        rows=table.rows,
        first_load=True,
        full=True,
        after=None,
        watermark=None,
        read_at=reading.now,
        watermark_limit=reading.now,
        judged_until=None,
        read=None,
    )
    return VersionsRead(extraction, _events(versions, table))


def _events(versions: DataFrame, table: PeerTable) -> DataFrame:
    """The events, with the columns as the source calls them.

    A row that says that its record is deleted is no version: where it begins, the record ends.
    """
    peer, operation = table.peer, operation_column(table)
    end = named(peer.valid_to)
    if peer.open_end is not None:
        end = F.when(end != F.lit(peer.open_end), end)
    events = events_of_versions(
        versions.withColumn(PEER_END, end),
        key=peer.key,
        valid_from=peer.valid_from,
        valid_to=peer.valid_to,
        sequence=peer.valid_from,
        operation=operation,
        open_end=peer.open_end,
        keep_values=True,
    )
    if peer.deleted is not None:
        is_deleted = F.lower(named(peer.deleted)) == _SAYS_DELETED
        ends = (named(operation) == UPSERT) & F.coalesce(is_deleted, F.lit(False))
        events = events.withColumn(operation, F.when(ends, DELETE).otherwise(named(operation)))
        events = events.drop(peer.deleted)
    ours = {theirs: name for name, theirs in table.columns.items()}
    return events.select(*[named(name).alias(ours.get(name, name)) for name in events.columns])
