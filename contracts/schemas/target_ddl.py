"""A contract as Spark schemas, as Iceberg DDL and as a data dictionary.

Promise: the table that the DDL creates has exactly the schema of `target_schema`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pyspark.sql import types as T

from contracts.errors import ContractError
from contracts.model import Contract, Ledger
from contracts.model.partition_transforms import term
from contracts.schemas.contract_to_spark_types import data_type, stored_type
from contracts.schemas.spark_schemas import ledger_schema, target_schema

__all__ = [
    "TABLE_PROPERTIES",
    "add_columns",
    "create_ledger",
    "create_table",
    "data_type",
    "stored_type",
]


TABLE_PROPERTIES: Mapping[str, str] = MappingProxyType(
    {
        "format-version": "3",
        "write.merge.mode": "merge-on-read",
        "write.update.mode": "merge-on-read",
        "write.delete.mode": "merge-on-read",
        "write.parquet.compression-codec": "zstd",
        "write.distribution-mode": "none",
        "write.parquet.row-group-size-bytes": "16777216",
    }
)
"""The Iceberg properties of a history table, as `history.iceberg.history_table` sets them too.

A contract may ask for another format version."""

_NO_TAGS: Mapping[str, str] = MappingProxyType({})


def create_table(contract: Contract, identifier: str, tags: Mapping[str, str] = _NO_TAGS) -> str:
    """Iceberg DDL that creates the target, if it is missing, as `catalog.namespace.table`.

    `tags` are further properties: those of `tasks.compiler.security_tags`.
    """
    fields = target_schema(contract).fields
    history = contract.history
    properties = {**tags, "format-version": str(history.format_version)}
    return _create(identifier, fields, history.partitioning, contract.description, properties)


def create_ledger(ledger: Ledger, identifier: str) -> str:
    """Iceberg DDL that creates the ledger, if it is missing, as `catalog.namespace.table`."""
    fields = ledger_schema(ledger).fields
    return _create(identifier, fields, ledger.partitioning, ledger.description)


def add_columns(ledger: Ledger, names: Iterable[str], identifier: str) -> str:
    """Iceberg DDL that adds columns of those names to a ledger; earlier rows have nulls."""
    wanted = set(names)
    lines = [_column(field) for field in ledger_schema(ledger).fields if field.name in wanted]
    return f"ALTER TABLE {_name(identifier)} ADD COLUMNS ({', '.join(lines)})"


def _column(field: T.StructField) -> str:
    null = "" if field.nullable else " NOT NULL"
    kind, comment = field.dataType.simpleString(), _literal(field.metadata["comment"])
    return f"{_quoted(field.name)} {kind}{null} COMMENT {comment}"


def _name(identifier: str) -> str:
    return ".".join(_quoted(part) for part in identifier.split("."))


def _create(
    identifier: str,
    fields: Iterable[T.StructField],
    partitioning: Iterable[str],
    comment: str,
    tags: Mapping[str, str] = _NO_TAGS,
) -> str:
    lines = [f"  {_column(field)}" for field in fields]
    terms = ", ".join(_partition(text) for text in partitioning)
    all_properties = {**TABLE_PROPERTIES, **tags}
    properties = ", ".join(
        f"{_literal(name)}={_literal(value)}" for name, value in all_properties.items()
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {_name(identifier)} (\n"
        + ",\n".join(lines)
        + "\n)\nUSING iceberg\n"
        + (f"PARTITIONED BY ({terms})\n" if terms else "")
        + f"COMMENT {_literal(comment)}\nTBLPROPERTIES ({properties})"
    )


def _partition(text: str) -> str:
    parsed = term(text)
    if parsed is None:
        raise ContractError(
            where=f"partition term {text}",
            expected="a column, or years, months, days, hours or bucket(column, N)",
            found="something else",
            next_step="Correct `partitioning` in the contract.",
        )
    column = _quoted(parsed.column)
    if parsed.function is None:
        return column
    return f"{parsed.function}({f'{parsed.buckets}, ' if parsed.buckets else ''}{column})"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(text: str) -> str:
    plain = " ".join(text.split())
    return "'" + plain.replace("\\", "\\\\").replace("'", "\\'") + "'"
