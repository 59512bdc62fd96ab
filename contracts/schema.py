"""A contract as Spark schemas, as Iceberg DDL and as a data dictionary.

Promise: the table that the DDL creates has exactly the schema that `target_schema` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pyspark.sql import types as T

from contracts.errors import ContractError
from contracts.model import Column, Contract, Ledger, ProtectionKind
from contracts.partitioning import term
from contracts.spark_types import data_type, stored_type
from contracts.transformations import TRANSFORMATIONS

__all__ = [
    "FILLED_BY_HISTORY",
    "TABLE_PROPERTIES",
    "add_columns",
    "comment",
    "create_ledger",
    "create_table",
    "data_dictionary",
    "data_type",
    "event_schema",
    "ledger_schema",
    "source_schema",
    "stored_type",
    "target_schema",
]

FILLED_BY_HISTORY = frozenset(
    {
        *("surrogate_key", "valid_from", "valid_to", "is_current", "recorded_at", "changed_at"),
        "read_at",
    }
)
"""The transformations whose columns the history engine fills itself."""

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
"""The Iceberg properties of a history table, as `history.table` sets them too."""

_HEADINGS = (
    "column", "meaning", "type", "stored as", "null", "made of", "by", "classification",
    "protection",
)  # fmt: skip


def source_schema(contract: Contract) -> T.StructType:
    """The source rows as the contract promises them, columns in the contract's order."""
    return T.StructType(
        [
            T.StructField(column.name, data_type(column.type), column.nullable)
            for column in contract.source.columns
        ]
    )


def event_schema(contract: Contract) -> T.StructType:
    """One change event as it is staged: the target columns that history does not fill itself."""
    return T.StructType(
        [
            T.StructField(column.name, stored_type(column), column.nullable)
            for column in contract.columns
            if column.transformation.name not in FILLED_BY_HISTORY
        ]
    )


def target_schema(contract: Contract) -> T.StructType:
    """All columns of the target in stored types, with what the catalog says of each as comment."""
    return T.StructType(
        [
            T.StructField(
                column.name, stored_type(column), column.nullable, {"comment": comment(column)}
            )
            for column in contract.columns
        ]
    )


def ledger_schema(ledger: Ledger) -> T.StructType:
    """The columns of a ledger."""
    return T.StructType(
        [
            T.StructField(
                column.name,
                data_type(column.type),
                column.nullable,
                {"comment": column.description},
            )
            for column in ledger.columns
        ]
    )


def comment(column: Column) -> str:
    """What the catalog says of a column: its meaning, classification and protection."""
    protection = f", {_protection(column)}" if column.protection else ""
    return f"{column.description.strip()} [{column.classification}{protection}]"


def create_table(contract: Contract, identifier: str) -> str:
    """Iceberg DDL that creates the target, if it is not there, as `catalog.namespace.table`."""
    fields = target_schema(contract).fields
    return _create(identifier, fields, contract.history.partitioning, contract.description)


def create_ledger(ledger: Ledger, identifier: str) -> str:
    """Iceberg DDL that creates the ledger, if it is not there, as `catalog.namespace.table`."""
    fields = ledger_schema(ledger).fields
    return _create(identifier, fields, ledger.partitioning, ledger.description)


def add_columns(ledger: Ledger, names: Iterable[str], identifier: str) -> str:
    """Iceberg DDL that adds columns of those names to a ledger; rows from before have nulls."""
    wanted = set(names)
    lines = [_column(field) for field in ledger_schema(ledger).fields if field.name in wanted]
    return f"ALTER TABLE {_name(identifier)} ADD COLUMNS ({', '.join(lines)})"


def data_dictionary(contract: Contract) -> str:
    """The target as a Markdown table, one row per column, for people."""
    rows = [_row(_HEADINGS), _row(["---"] * len(_HEADINGS))]
    for column in contract.columns:
        cells = (
            f"`{column.name}`",
            column.description,
            column.physical_type or column.type,
            stored_type(column).simpleString(),
            "yes" if column.nullable else "no",
            ", ".join(f"`{name}`" for name in column.sources),
            _logic(column),
            str(column.classification),
            _protection(column),
        )
        rows.append(_row(cells))
    title = f"# {contract.target}\n\n{contract.description.strip()}\n\n"
    origin = f"Version {contract.version}, from `{contract.source.relation}`, owned by "
    return f"{title}{origin}{contract.owner}.\n\n" + "\n".join(rows) + "\n"


def _logic(column: Column) -> str:
    signature = TRANSFORMATIONS[column.transformation.name]
    given = ", ".join(
        f"{name} = {_told(value)}" for name, value in column.transformation.arguments.items()
    )
    return f"{signature.says} ({given})" if given else signature.says


def _told(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{code} → {meaning}" for code, meaning in value.items())
    return str(value)


def _protection(column: Column) -> str:
    if column.protection is None:
        return ""
    if column.protection.kind is ProtectionKind.ENCRYPT:
        return "encrypted"
    if column.protection.kind is ProtectionKind.PSEUDONYMISE:
        return "pseudonymised"
    keep = column.protection.keep
    return f"masked but for {keep} characters" if keep else "masked"


def _row(cells: Iterable[str]) -> str:
    plain = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(plain)} |"


def _column(field: T.StructField) -> str:
    null = "" if field.nullable else " NOT NULL"
    kind, about = field.dataType.simpleString(), _literal(field.metadata["comment"])
    return f"{_quoted(field.name)} {kind}{null} COMMENT {about}"


def _name(identifier: str) -> str:
    return ".".join(_quoted(part) for part in identifier.split("."))


def _create(
    identifier: str, fields: Iterable[T.StructField], partitioning: Iterable[str], about: str
) -> str:
    lines = [f"  {_column(field)}" for field in fields]
    terms = ", ".join(_partition(text) for text in partitioning)
    properties = ", ".join(f"'{name}'='{value}'" for name, value in TABLE_PROPERTIES.items())
    return (
        f"CREATE TABLE IF NOT EXISTS {_name(identifier)} (\n"
        + ",\n".join(lines)
        + "\n)\nUSING iceberg\n"
        + (f"PARTITIONED BY ({terms})\n" if terms else "")
        + f"COMMENT {_literal(about)}\nTBLPROPERTIES ({properties})"
    )


def _partition(text: str) -> str:
    found = term(text)
    if found is None:
        raise ContractError(
            where=f"partition term {text}",
            expected="a column, or years, months, days, hours or bucket(column, N)",
            found="something else",
            next_step="Correct `partitioning` in the contract.",
        )
    column = _quoted(found.column)
    if found.function is None:
        return column
    return f"{found.function}({f'{found.buckets}, ' if found.buckets else ''}{column})"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(text: str) -> str:
    plain = " ".join(text.split())
    return "'" + plain.replace("\\", "\\\\").replace("'", "\\'") + "'"
