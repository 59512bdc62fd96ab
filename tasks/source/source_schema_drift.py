"""The differences between a source and what the contract states about it, and rights to read it."""

from __future__ import annotations

from difflib import get_close_matches

from contracts.errors import SchemaDriftError, SourceAccessError
from contracts.model import Contract
from contracts.model.source_relation import Relation, RelationDetails
from tasks.source.sql_dialect import SqlDialect
from tasks.source.sql_dialects.postgresql_sql import POSTGRESQL

__all__ = ["refuse_drift", "refuse_unreadable", "schema_drift", "unfit_columns"]


_ANY_NUMBER = "decimal(38,9)"
"""What a number of any digits can be read as, where the contract says how many there are."""


def schema_drift(
    relation: Relation, contract: Contract, dialect: SqlDialect = POSTGRESQL
) -> tuple[str, ...]:
    """What is missing or of a type that can lose values; one sentence each, empty if it fits.

    A type fits when every value of it can be read as the contract's type, or is flagged in its
    row. Columns that the contract does not name are ignored.
    """
    available = [column.name for column in relation.columns]
    missing = [
        f"no column {column.name}{_perhaps(column.name, available)}"
        for column in contract.source.columns
        if column.name not in available
    ]
    return (*missing, *unfit_columns(relation, contract, dialect))


def refuse_drift(relation: Relation, contract: Contract, dialect: SqlDialect = POSTGRESQL) -> None:
    """Refuse a source that is not as the contract states.

    Raises:
        SchemaDriftError: With all that is missing or of another type.
    """
    messages = schema_drift(relation, contract, dialect)
    if messages:
        raise SchemaDriftError(
            where=f"{contract.name}, source {contract.source.relation}",
            expected="the columns and types that the contract promises",
            found="; ".join(messages),
            next_step="Correct the contract, or have the source changed back. Nothing was read.",
        )


def refuse_unreadable(details: RelationDetails, contract: Contract) -> None:
    """Refuse a source of which the user may not read all that the contract names, or not all rows.

    Columns that the relation lacks are ignored here.

    Raises:
        SourceAccessError: With the columns, or that rows would be hidden.
    """
    where = f"{contract.name}, source {contract.source.relation}"
    names = [column.name for column in contract.source.columns]
    closed = [
        name for name in names if name in details.columns and not details.columns[name].readable
    ]
    if closed:
        raise SourceAccessError(
            where=where,
            expected="permission to read every column of the contract",
            found=f"none for {', '.join(closed)}",
            next_step="Grant the block's user SELECT on them, or take them out of the contract.",
        )
    if details.policies_hide_rows:
        raise SourceAccessError(
            where=where,
            expected="a user who sees every row",
            found="row-level security that would hide rows from it",
            next_step="Give the block's user BYPASSRLS, or name a view whose owner sees the rows.",
        )


def unfit_columns(
    relation: Relation, contract: Contract, dialect: SqlDialect = POSTGRESQL
) -> tuple[str, ...]:
    """One sentence for each column that can't be read as the type in the contract.

    It names the column, its type in the database and in the contract, and what to write. Columns
    that the relation lacks and those that the contract does not name are ignored here.
    """
    columns = {column.name: column for column in relation.columns}
    messages = []
    for expected in contract.source.columns:
        column = columns.get(expected.name)
        if column is None or dialect.carrier(column, expected.type) is not None:
            continue
        words = [_worded(kind) for kind in dialect.readable_as(column)]
        if words == ["VARCHAR"] and dialect.carrier(column, _ANY_NUMBER) is not None:
            words.insert(0, "DECIMAL(p,s)")
        kinds = " or ".join(words)
        ways = f"a contract can read it as {kinds}" if kinds else "no contract can read it"
        messages.append(
            f"column {column.name} is {column.type} instead of {_worded(expected.type)} ({ways})"
        )
    return tuple(messages)


def _worded(spark: str) -> str:
    """A Spark type as contracts word it."""
    return {"string": "VARCHAR", "int": "INTEGER"}.get(spark, spark.upper())


def _perhaps(name: str, available: list[str]) -> str:
    similar = get_close_matches(name, available, n=1)
    return f" (but {similar[0]})" if similar else ""
