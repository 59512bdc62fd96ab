"""Reading a source relation as a Spark frame, over JDBC, in slices side by side.

Promise: everything is read in the snapshot of the run's reading, and each value is what the
database holds, or null and told in the row's last column.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from blocks.postgres.consistent_read import SourceReading
from contracts.errors import SchemaDriftError
from contracts.model import Contract
from contracts.model.check_registry import RULES, Scope
from contracts.schemas.contract_to_spark_types import data_type
from contracts.schemas.spark_schemas import source_schema
from contracts.source_sql.postgresql_to_spark_types import natural_type
from contracts.source_sql.source_query import UNFIT, values_query
from history.spark.column_quoting_and_comparison import named
from tasks.run.run_context import Run
from tasks.run.step_results import Extraction


def source_rows(run: Run, extraction: Extraction, reading: SourceReading) -> DataFrame:
    """The rows of the batch in the contract's types, as `contract_rows` says."""
    return contract_rows(
        run.spark, run.contract, reading, query=extraction.query, slices=extraction.slices
    )


def contract_rows(
    spark: SparkSession,
    contract: Contract,
    reading: SourceReading,
    *,
    query: str,
    slices: tuple[str, ...] = ("1 = 1",),
) -> DataFrame:
    """What a `source_query` of the contract selects; each row leaves the source once.

    Args:
        spark: Reads.
        contract: Says the columns and their types.
        reading: The snapshot that every session reads.
        query: What is read.
        slices: Conditions that cut it into parts to be read side by side, each row in one of them.

    Returns:
        The contract's columns in its order, then `UNFIT`: null, or a JSON object with the text of
        this row's values that the contract's types or Spark's can't hold. Those are null in their
        columns.
    """
    frame = _read(spark, contract, reading, query, slices)
    columns = [
        _from_carrier(frame.schema[field.name].dataType, field)
        for field in source_schema(contract).fields
    ]
    return frame.select(*columns, named(UNFIT).cast("string").alias(UNFIT))


def references(run: Run, reading: SourceReading) -> Mapping[str, DataFrame]:
    """The relations that the contract's checks refer to, with the columns that they need.

    Raises:
        SchemaDriftError: There is no such relation or column.
    """
    needed: dict[str, set[str]] = {}
    for check in run.contract.checks:
        if RULES[check.rule].scope is Scope.REFERENCE:
            relation, column = str(check.arguments["relation"]), str(check.arguments["column"])
            needed.setdefault(relation, set()).add(column)
    return {name: _values(run, reading, name, columns) for name, columns in needed.items()}


def _values(run: Run, reading: SourceReading, name: str, columns: set[str]) -> DataFrame:
    """The distinct values of some columns of another relation, in their natural types."""
    schema, _, table = name.partition(".")
    relation = reading.relation(schema, table)
    kinds = {c.name: natural_type(c) for c in relation.columns if c.name in columns}
    missing = sorted(columns - set(kinds))
    if missing:
        raise SchemaDriftError(
            where=f"{run.contract.name}, relation {name} of a check",
            expected=f"the columns {', '.join(sorted(columns))}",
            found=f"no column {', '.join(missing)}",
            next_step="Correct the check in the contract. Nothing was read.",
        )
    query = values_query(relation, kinds, dialect=run.source.dialect)
    frame = _read(run.spark, run.contract, reading, query, ("1 = 1",))
    fields = [T.StructField(column, data_type(kind)) for column, kind in kinds.items()]
    return frame.select(
        *[_from_carrier(frame.schema[field.name].dataType, field) for field in fields]
    )


def _read(
    spark: SparkSession,
    contract: Contract,
    reading: SourceReading,
    query: str,
    slices: tuple[str, ...],
) -> DataFrame:
    """What a query selects, one partition for each of the conditions."""
    source = contract.source
    options = {
        **reading.jdbc_options(),
        "fetchsize": str(source.batch_size),
        "queryTimeout": str(source.timeout_seconds),
    }
    url = options.pop("url")
    return spark.read.jdbc(url, f"({query}) AS batch", predicates=list(slices), properties=options)


def _from_carrier(carried: T.DataType, field: T.StructField) -> Column:
    """A column in the contract's type; times are carried as numbers since 1970."""
    value = named(field.name)
    if isinstance(field.dataType, T.TimestampType) and isinstance(carried, T.LongType):
        value = F.timestamp_micros(value)
    elif isinstance(field.dataType, T.DateType) and isinstance(carried, T.IntegerType):
        value = F.date_from_unix_date(value)
    return value.cast(field.dataType).alias(field.name)
