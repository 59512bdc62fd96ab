"""The table that a contract promises, as a PostgreSQL would describe it."""

from __future__ import annotations

from contracts.model import Contract
from contracts.model.source_relation import Relation, RelationColumn

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
