"""What the source of a table was taken for by the load that made it.

A contract that does not say it is settled by every load; whoever looks at the table goes by what
the table itself says, without asking the source.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from contracts.model import Contract
from contracts.model.source_kind import with_source_kind
from history.iceberg.history_table import exists
from history.iceberg.table_properties import recorded_source_kind


def with_recorded_source_kind(spark: SparkSession, contract: Contract, table: str) -> Contract:
    """The contract with its source's kind as the table has it; as it is where neither says one."""
    if contract.source.kind is not None or not exists(spark, table):
        return contract
    recorded = recorded_source_kind(spark, table)
    return contract if recorded is None else with_source_kind(contract, None, recorded)
