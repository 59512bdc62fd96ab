"""The versions of one key, read from the table that holds its history.

Promise: the key's values stay out of the query plan, and what is encrypted never leaves Spark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.model import Contract
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.schemas.contract_to_spark_types import data_type
from history.spark.column_quoting_and_comparison import named, same
from strandline.queries.dates_beyond_python_range import is_temporal, micros_of
from strandline.queries.format_row_values import printable, readable
from strandline.queries.parse_key_argument import KeyValue
from tasks.compiler.contract_to_history_settings import history_settings

ENCRYPTED = "encrypted"
_DAY = 86_400_000_000
Moment: TypeAlias = Any
"""What orders the versions, of one type in one table: timestamps most often, dates or numbers."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version: it holds from `start` (included) to `end` (excluded; None while it is open).

    `values` are the business columns, `record` those that the load fills itself.
    """

    start: Moment
    end: Moment | None
    values: Mapping[str, object]
    record: Mapping[str, object]

    @property
    def is_open(self) -> bool:
        """Whether no later version and no delete has ended it."""
        return self.end is None

    def holds_at(self, moment: Moment) -> bool:
        """Whether the version holds at that moment."""
        return bool(self.start <= moment and (self.end is None or moment < self.end))


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """The versions of one key, oldest first.

    `tracked` are the columns whose change opens a version. `earlier` and `later` say whether
    older and newer versions were left out.
    """

    contract: str
    table: str
    key: Mapping[str, object]
    tracked: tuple[str, ...]
    versions: tuple[Version, ...]
    earlier: bool = False
    later: bool = False


def some_keys(
    spark: SparkSession, keys: Sequence[Mapping[str, KeyValue]], contract: Contract
) -> DataFrame:
    """A frame of the keys, in the clear and in the contract's types, to join with."""
    kinds = {name: data_type(contract.column(name).type) for name in contract.key}
    schema = T.StructType([T.StructField(name, _carrier(kind)) for name, kind in kinds.items()])
    rows = [tuple(_carried(key[name], kinds[name]) for name in contract.key) for key in keys]
    columns = [_restored(named(name), kind).alias(name) for name, kind in kinds.items()]
    return spark.createDataFrame(rows, schema).select(*columns)


def one_key(spark: SparkSession, key: Mapping[str, KeyValue], contract: Contract) -> DataFrame:
    """A frame of the one key, as `some_keys`."""
    return some_keys(spark, [key], contract)


def read_key(
    versions: DataFrame, key_frame: DataFrame, contract: Contract, *, table: str, limit: int
) -> KeyHistory:
    """The newest `limit` versions of the key.

    Args:
        versions: The history table.
        key_frame: One row with the key as the table stores it.
        contract: What the table promises.
        table: The name of the table.
        limit: How many versions to read at most.

    Returns:
        The versions; none when the table lacks the key. The key is as the table stores it.
    """
    settings = history_settings(contract)
    # Joined and not compared with a literal: a literal would show in the query plan.
    matching = versions.alias("v").join(
        F.broadcast(key_frame).alias("k"), same("v", "k", settings.key), "left_semi"
    )
    columns = [
        _readable(field.name, field.dataType, contract).alias(field.name)
        for field in versions.schema.fields
    ]
    rows = (
        matching.orderBy(named(settings.valid_from).desc())
        .select(*columns)
        .limit(limit + 1)
        .collect()
    )
    kinds = {field.name: field.dataType for field in versions.schema.fields}
    records = [{name: printable(row[name], kind) for name, kind in kinds.items()} for row in rows]
    return KeyHistory(
        contract=contract.name,
        table=table,
        key={name: records[0][name] for name in contract.key} if records else {},
        tracked=contract.history.tracked,
        versions=tuple(_version(cells, contract) for cells in reversed(records[:limit])),
        earlier=len(records) > limit,
    )


def _readable(name: str, kind: T.DataType, contract: Contract) -> Column:
    column = named(name)
    if isinstance(kind, T.BinaryType):
        protected = {each.name for each in contract.columns if each.protection is not None}
        shown = F.lit(ENCRYPTED) if name in protected else F.hex(column)
        return F.when(column.isNotNull(), shown)
    return readable(column, kind)


def _carrier(kind: T.DataType) -> T.DataType:
    """The type in which values go to Spark: numbers for days and moments."""
    if isinstance(kind, T.TimestampType):
        return T.LongType()
    return T.IntegerType() if isinstance(kind, T.DateType) else kind


def _carried(value: KeyValue, kind: T.DataType) -> object:
    if not is_temporal(value):
        return value
    micros = micros_of(value)
    return micros // _DAY if isinstance(kind, T.DateType) else micros


def _restored(column: Column, kind: T.DataType) -> Column:
    if isinstance(kind, T.TimestampType):
        return F.timestamp_micros(column)
    return F.date_from_unix_date(column) if isinstance(kind, T.DateType) else column


def _version(cells: Mapping[str, object], contract: Contract) -> Version:
    settings = history_settings(contract)
    business = _business(contract)
    excluded = {
        *contract.key,
        settings.valid_from,
        settings.valid_to,
        settings.is_current,
        *business,
    }
    return Version(
        start=cells[settings.valid_from],
        end=None if cells[settings.is_current] else cells[settings.valid_to],
        values={name: cell for name, cell in cells.items() if name in business},
        record={name: cell for name, cell in cells.items() if name not in excluded},
    )


def _business(contract: Contract) -> frozenset[str]:
    """The business columns: neither the key nor a column that the load fills itself."""
    return frozenset(
        column.name
        for column in contract.columns
        if column.name not in contract.key
        and not TRANSFORMATIONS[column.transformation.name].generated
    )
