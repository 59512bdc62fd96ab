"""Reading a source relation as a Spark frame, over JDBC, in slices side by side.

Promise: everything is read by sessions of the run's reading, and each value is what the database
holds, or null and listed in the row's last column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from blocks.source_dialects.consistent_read import SourceReading
from contracts.errors import SchemaDriftError
from contracts.model.reserved_column_names import UNFIT
from contracts.model.source_relation import Relation
from contracts.schemas.contract_to_spark_types import data_type
from history.spark.column_quoting_and_comparison import named
from tasks.source.source_query import values_query
from tasks.source.sql_dialect import SqlDialect
from tasks.source.text_to_spark_types import value_of_text

_VALUE = "__value_of_"


@dataclass(frozen=True, slots=True)
class Fetch:
    """How rows are fetched: how many a round trip, and how long a query may take."""

    rows: int
    timeout_seconds: int


def source_rows(
    spark: SparkSession,
    reading: SourceReading,
    schema: T.StructType,
    fetch: Fetch,
    *,
    query: str,
    slices: tuple[str, ...] = ("1 = 1",),
) -> DataFrame:
    """What a query of `tasks.source.source_query` selects; each row leaves the source once.

    Args:
        spark: The session that reads.
        reading: The read that every session joins.
        schema: The columns and their types, as the contract says.
        fetch: How rows are fetched.
        query: The query to read.
        slices: Conditions that cut it into parts to be read side by side, each row in one of them.

    Returns:
        The schema's columns in its order, then `UNFIT`: null, or a JSON object with the text of
        this row's values that the contract's types or Spark's can't hold. Those are null in their
        columns.
    """
    frame = _read(spark, reading, fetch, query, slices, names=(*schema.names, UNFIT))
    if reading.as_text:
        return _from_text(frame, schema)
    columns = [_from_carrier(frame.schema[field.name].dataType, field) for field in schema.fields]
    return frame.select(*columns, named(UNFIT).cast("string").alias(UNFIT))


def reference_values(
    spark: SparkSession,
    reading: SourceReading,
    relation: Relation,
    columns: frozenset[str],
    fetch: Fetch,
    *,
    dialect: SqlDialect,
    where: str,
) -> DataFrame:
    """The distinct values of some columns of another relation, in their natural types.

    Args:
        spark: The session that reads.
        reading: The read that every session joins.
        relation: The relation, as its catalog describes it.
        columns: The columns' names.
        fetch: How rows are fetched.
        dialect: Of the source.
        where: What needs them, for the error.

    Raises:
        SchemaDriftError: A column is missing, or of a type that can't be read.
    """
    natural = {c.name: dialect.natural_type(c) for c in relation.columns if c.name in columns}
    kinds = {name: kind for name, kind in natural.items() if kind is not None}
    missing = sorted(columns - set(kinds))
    if missing:
        raise SchemaDriftError(
            where=f"{where}, relation {relation.schema}.{relation.name} of a check",
            expected=f"the columns {', '.join(sorted(columns))}",
            found=f"no column {', '.join(missing)} that can be read",
            next_step="Correct the check in the contract. Nothing was read.",
        )
    query = values_query(relation, kinds, dialect=dialect)
    frame = _read(spark, reading, fetch, query, ("1 = 1",), names=tuple(kinds))
    fields = [T.StructField(column, data_type(kind)) for column, kind in kinds.items()]
    if reading.as_text:
        values = [
            value_of_text(named(each.name), each.dataType).alias(each.name) for each in fields
        ]
        return frame.select(*values).distinct()
    return frame.select(
        *[_from_carrier(frame.schema[field.name].dataType, field) for field in fields]
    )


def _read(
    spark: SparkSession,
    reading: SourceReading,
    fetch: Fetch,
    query: str,
    slices: tuple[str, ...],
    *,
    names: tuple[str, ...],
) -> DataFrame:
    """The rows that a query selects, one partition for each of the conditions.

    `names` are its columns, which are read as text where the reading says so, whatever type the
    driver takes an expression for.
    """
    options = {"queryTimeout": str(fetch.timeout_seconds), **reading.jdbc_options()}
    options["fetchsize"] = str(fetch.rows)
    options["queryTimeout"] = str(min(fetch.timeout_seconds, int(options["queryTimeout"])))
    if reading.as_text:
        options["customSchema"] = ", ".join(f"{_backquoted(name)} STRING" for name in names)
        # Spark would have the database compare text, by the database's rules.
        options["pushDownPredicate"] = "false"
    url = options.pop("url")
    # Without AS, which not every database takes here.
    return spark.read.jdbc(url, f"({query}) batch", predicates=list(slices), properties=options)


def _from_text(frame: DataFrame, schema: T.StructType) -> DataFrame:
    """The values that the text says; the text of those that it does not say is in `UNFIT`."""
    values = {f"{_VALUE}{field.name}": field for field in schema}
    # Apart, so that Spark calculates each value once for its column and for what is unsaid.
    said = frame.select(
        "*",
        *[
            value_of_text(named(field.name), field.dataType).alias(name)
            for name, field in values.items()
        ],
    )
    unsaid = {
        field.name: named(name).isNull() & named(field.name).isNotNull()
        for name, field in values.items()
    }
    unfit = F.when(
        reduce(or_, unsaid.values(), F.lit(False)), _with_unsaid(named(UNFIT), unsaid)
    ).otherwise(named(UNFIT))
    columns = [named(name).alias(field.name) for name, field in values.items()]
    return said.select(*columns, unfit.alias(UNFIT))


def _with_unsaid(carried: Column, unsaid: Mapping[str, Column]) -> Column:
    """The values that the database did not carry, and those that its text does not say, as JSON."""
    # An object without nulls.
    texts = F.to_json(
        F.struct(*[F.when(is_so, named(name)).alias(name) for name, is_so in unsaid.items()])
    )
    but_the_end = F.expr(f"substring({UNFIT}, 1, length({UNFIT}) - 1)")
    both = F.concat(but_the_end, F.lit(","), F.substring(texts, 2, 2**31 - 1))
    return F.when(carried.isNull(), texts).otherwise(both)


def _backquoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _from_carrier(carried: T.DataType, field: T.StructField) -> Column:
    """A column in the contract's type; times are carried as numbers since 1970."""
    value = named(field.name)
    if isinstance(field.dataType, T.TimestampType) and isinstance(carried, T.LongType):
        value = F.timestamp_micros(value)
    elif isinstance(field.dataType, T.DateType) and isinstance(carried, T.IntegerType):
        value = F.date_from_unix_date(value)
    return value.cast(field.dataType).alias(field.name)
