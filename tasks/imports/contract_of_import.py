"""From a contract of a table to the two by which a history of it is read and loaded once.

Promise: what is tracked, protected and stored is as the contract says; the checks of its rows are
left out, since what a record was is not to be judged by what it has to be now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from contracts.model import (
    Absence,
    Check,
    Condition,
    Contract,
    LoadKind,
    Operator,
    Source,
    SourceColumn,
    SourceKind,
)
from contracts.model.source_relation import Relation, RelationColumn
from history.planning.event_validation import DELETE, UPSERT
from history.restatement.import_existing_history import EMPTY, OVERLAPPING
from tasks.imports.peer_table import PeerTable
from tasks.introspection.target_names import free_name

__all__ = ["contract_of_events", "contract_of_versions", "operation_column", "relation_of_events"]

_STATED_BY_HISTORY = "read_at"


def operation_column(table: PeerTable) -> str:
    """What the column with the operation of an event is called."""
    return free_name("operation", [*table.columns, table.peer.valid_from])


def contract_of_versions(contract: Contract, table: PeerTable, connection: str) -> Contract:
    """The contract by which the history's rows are read, its columns as they are called there."""
    peer = table.peer
    columns = [
        replace(column, name=table.columns[column.name], nullable=True, derived_from=None)
        for column in contract.source.columns
        if column.name in table.columns
    ]
    columns += [SourceColumn(name, "timestamp") for name in (peer.valid_from, peer.valid_to)]
    columns += [SourceColumn(name, "string") for name in [peer.deleted] if name is not None]
    return replace(contract, source=_source(contract, table, connection, columns))


def contract_of_events(contract: Contract, table: PeerTable, connection: str) -> Contract:
    """The contract by which the events of the history are loaded: a log of changes."""
    start, operation = table.peer.valid_from, operation_column(table)
    columns = [
        replace(column, nullable=True)
        for column in contract.source.columns
        if column.name in table.columns
    ]
    columns += [SourceColumn(start, "timestamp"), SourceColumn(operation, "string")]
    source = _source(contract, table, connection, columns)
    operations = (UPSERT, DELETE, OVERLAPPING, EMPTY)
    return replace(
        contract,
        source=replace(
            source,
            sequence=(start,),
            membership=(Condition(operation, Operator.NOT_IN, (DELETE,)),),
        ),
        columns=tuple(
            column
            for column in contract.columns
            if column.transformation.name != _STATED_BY_HISTORY
        ),
        history=replace(
            contract.history, absent=Absence.KEEP, first_valid_from=None, tie_breaker=()
        ),
        checks=tuple(
            Check(
                id=name,
                rule="in_set",
                columns=(operation,),
                arguments={"values": tuple(each for each in operations if each != refused)},
                dimension="consistency",
            )
            for name, refused in (
                ("versions_do_not_overlap", OVERLAPPING),
                ("version_ends_after_its_start", EMPTY),
            )
        ),
        quality=replace(contract.quality, anomalies=None),
        service_level=replace(contract.service_level, freshness_hours=None),
    )


def relation_of_events(contract: Contract, table: PeerTable) -> Relation:
    """The events as a table that is as the contract promises: they are made, not read."""
    described = {column.name: column for column in table.relation.columns}
    start, operation = table.peer.valid_from, operation_column(table)
    columns = [
        replace(described[table.columns[column.name]], name=column.name)
        for column in contract.source.columns
        if column.name not in (start, operation)
    ]
    columns += [described[start], RelationColumn(operation, "text", "base", nullable=True)]
    return replace(table.relation, columns=tuple(columns), unique_keys=())


def _source(
    contract: Contract, table: PeerTable, connection: str, columns: Sequence[SourceColumn]
) -> Source:
    return replace(
        contract.source,
        connection=connection,
        schema=table.relation.schema,
        table=table.relation.name,
        columns=tuple(columns),
        load=LoadKind.FULL,
        kind=SourceKind.EVENTS,
        sequence=(),
        watermark=(),
        partition_column=None,
        membership=(),
        ignore=(),
        null_watermark=None,
    )
