"""Changes of a table's columns, as ALTER statements: metadata alone, no file is rewritten."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from history.iceberg import branches
from history.schema_evolution.allowed_type_changes import can_widen
from history.spark.column_quoting_and_comparison import quoted


@dataclass(frozen=True, slots=True)
class ColumnChanges:
    """Columns to add, columns to widen, and required columns that may be null from now on.

    `wider` are fields in their new types. Each is changed only where a table does not have it yet,
    so that repeating a change completes one that broke off.
    """

    added: tuple[T.StructField, ...] = ()
    wider: tuple[T.StructField, ...] = ()
    loosened: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.added or self.wider or self.loosened)

    @classmethod
    def between(
        cls, have: T.StructType, wanted: T.StructType, loosened: tuple[str, ...]
    ) -> ColumnChanges:
        """The changes from the columns that a table has to those it should have."""
        types = {field.name: field.dataType for field in have.fields}
        return cls(
            added=tuple(f for f in wanted.fields if f.name not in types),
            wider=tuple(
                f for f in wanted.fields if f.name in types and can_widen(types[f.name], f.dataType)
            ),
            loosened=loosened,
        )


def alter_table(spark: SparkSession, table: str, alteration: ColumnChanges) -> None:
    """Alter the table where it differs; the kept events have no interval and may lack columns."""
    have = {field.name: field for field in spark.table(table).schema.fields}
    for name in alteration.loosened:
        if name in have and not have[name].nullable:
            _alter(spark, table, f"ALTER COLUMN {quoted(name)} DROP NOT NULL")
    for field in alteration.wider:
        if field.name in have and can_widen(have[field.name].dataType, field.dataType):
            kind = field.dataType.simpleString()
            _alter(spark, table, f"ALTER COLUMN {quoted(field.name)} TYPE {kind}")
    new = [field for field in alteration.added if field.name not in have]
    if new:
        # All in one statement: a table never shows only some of a batch's columns.
        _alter(spark, table, f"ADD COLUMNS ({', '.join(map(_declared, new))})")


def _alter(spark: SparkSession, table: str, change: str) -> None:
    branches.alter(spark, f"ALTER TABLE {table} {change}")


def _declared(field: T.StructField) -> str:
    comment = field.metadata.get("comment", "").replace("\\", "\\\\").replace("'", "\\'")
    clause = f" COMMENT '{comment}'" if comment else ""
    return f"{quoted(field.name)} {_sql_type(field.dataType)}{clause}"


def _sql_type(kind: T.DataType) -> str:
    """The type as SQL; `simpleString` does not quote the names of fields."""
    if isinstance(kind, T.StructType):
        fields = (f"{quoted(f.name)}: {_sql_type(f.dataType)}" for f in kind.fields)
        return f"struct<{', '.join(fields)}>"
    if isinstance(kind, T.ArrayType):
        return f"array<{_sql_type(kind.elementType)}>"
    if isinstance(kind, T.MapType):
        return f"map<{_sql_type(kind.keyType)}, {_sql_type(kind.valueType)}>"
    return kind.simpleString()
