"""The table that a contract promises, as a PostgreSQL would describe it."""

from __future__ import annotations

from contracts.model import Contract
from contracts.model.source_relation import Relation, RelationColumn
from tasks.source.source_query import compile_source_query
from tasks.source.sql_dialects.postgresql_sql import POSTGRESQL

_TYPES = {
    "tinyint": "smallint",
    "int": "integer",
    "float": "real",
    "double": "double precision",
    "string": "text",
    "binary": "bytea",
    "timestamp": "timestamp without time zone",
}


def relation_of(contract: Contract) -> Relation:
    """A relation whose columns have the very types that the contract names."""
    columns = [
        RelationColumn(
            name=column.name,
            type=_TYPES.get(column.type, column.type.replace("decimal", "numeric")),
            kind="base",
            nullable=column.nullable,
        )
        for column in contract.source.columns
    ]
    return Relation(
        schema=contract.source.schema,
        name=contract.source.table,
        columns=tuple(columns),
        unique_keys=(),
        row_security=False,
    )


def source_query(contract, relation, *, dialect=POSTGRESQL, **bounds):
    """The SELECT of a contract's rows within bounds."""
    return compile_source_query(contract, relation, dialect=dialect).rows(**bounds)


def bounds_query(contract, **bounds):
    """The query that tells what such a SELECT would read."""
    return compile_source_query(contract, relation_of(contract)).bounds(**bounds)
