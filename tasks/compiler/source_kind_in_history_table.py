"""The kind of source that the load of a table recorded in it.

Where a contract does not state the kind, every load determines it; a command that reads the table
takes the recorded kind, without querying the source.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from contracts.model import Contract
from contracts.model.source_kind import with_source_kind
from history.iceberg.history_table import exists
from history.iceberg.table_properties import recorded_source_kind


def with_recorded_source_kind(spark: SparkSession, contract: Contract, table: str) -> Contract:
    """The contract with the source kind that its table records; unchanged if neither has one."""
    if contract.source.kind is not None or not exists(spark, table):
        return contract
    recorded = recorded_source_kind(spark, table)
    return contract if recorded is None else with_source_kind(contract, None, recorded)
