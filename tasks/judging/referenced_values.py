"""The values that reference checks look up: in the source, in another source, in a history of ours.

Promise: values of the contract's own source are of the state that its rows are read in. Those of
another database are of one state of that one, read before the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from blocks.lookup import block_lookup
from blocks.source_dialects.consistent_read import SourceReading
from contracts.errors import ContractError
from contracts.loader import TABLES, find_contract
from contracts.model.referenced_table import ReferencedTable
from history.iceberg.history_table import exists
from history.spark.checkpoint import checkpoint
from history.spark.column_quoting_and_comparison import named
from tasks.compiler.compile_contract import CompiledContract
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.resilience.source_reading import other_source_reading
from tasks.run.run_context import Run
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.jdbc_reader import reference_values
from tasks.source.sql_dialect import SqlDialect


@dataclass(frozen=True, slots=True)
class ReferencedValues:
    """What checks look up, by the key of the table; `unavailable` says why a history can't be."""

    frames: Mapping[str, DataFrame]
    unavailable: Mapping[str, str]


def referenced_values(
    run: Run, contract: CompiledContract, reading: SourceReading
) -> ReferencedValues:
    """The values of every table that the contract's checks refer to.

    Raises:
        SchemaDriftError: A relation lacks the column.
        SettingsError: There is no block for a connection.
        ContractError: No contract is about a history table that a check names, or it lacks the
            column.
    """
    frames: dict[str, DataFrame] = {}
    unavailable: dict[str, str] = {}
    for key, table in contract.references.items():
        if table.history:
            found = _open_versions(run, table)
            if isinstance(found, str):
                unavailable[key] = found
            else:
                frames[key] = found
        elif table.connection:
            frames[key] = _of_other_source(run, contract, table)
        else:
            values = _of_source(run, contract, table, reading, sql_dialect_of(run.source))
            if run.source.max_connections is not None:
                # Else Spark would read them beside the rows, with connections of their own.
                values = _checkpoint(values)
            frames[key] = values
    return ReferencedValues(frames, unavailable)


def _of_source(
    run: Run,
    contract: CompiledContract,
    table: ReferencedTable,
    reading: SourceReading,
    dialect: SqlDialect,
) -> DataFrame:
    schema, _, name = table.relation.partition(".")
    return reference_values(
        run.spark,
        reading,
        reading.relation(schema, name),
        table.columns,
        contract.fetch,
        dialect=dialect,
        where=run.name,
    )


def _of_other_source(run: Run, contract: CompiledContract, table: ReferencedTable) -> DataFrame:
    source = block_lookup.source(table.connection)
    seconds = contract.fetch.timeout_seconds
    with other_source_reading(run, table.connection, source, seconds=seconds) as reading:
        values = _of_source(run, contract, table, reading, sql_dialect_of(source))
        # Held, since the other database's snapshot ends here.
        return _checkpoint(values)


def _checkpoint(values: DataFrame) -> DataFrame:
    return checkpoint(values.distinct(), {"rows": F.count(F.lit(1))}).rows


def _open_versions(run: Run, table: ReferencedTable) -> DataFrame | str:
    """The open versions of a history, or why nothing can be looked up in it."""
    try:
        other = find_contract(table.history, run.settings.contracts_directory or TABLES)
    except ContractError as error:
        raise ContractError(
            where=f"contract {run.name}, a check that refers to {table.history}",
            expected="a contract for that table, which says what its open versions are",
            found=error.found,
            next_step="Correct the table's name in the check. Nothing was read.",
        ) from None
    columns = {column.name: column for column in other.columns}
    for name in sorted(table.columns - columns.keys()):
        raise ContractError(
            where=f"contract {run.name}, a check that refers to {table.history}",
            expected=f"a column {name}",
            found=f"{', '.join(columns)}",
            next_step="Correct the column in the check. Nothing was read.",
        )
    for name in sorted(table.columns):
        if columns[name].protection is not None:
            return f"{table.history} does not hold {name} in the clear"
    target = f"{run.settings.lakehouse.catalog}.{table.history}"
    if not exists(run.spark, target):
        return f"{table.history} was not loaded yet"
    is_current = history_settings(other).is_current
    rows = run.spark.table(target).where(named(is_current))
    return rows.select(*[named(name) for name in sorted(table.columns)])
