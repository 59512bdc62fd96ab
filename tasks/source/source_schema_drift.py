"""How far a source has moved away from what the contract says of it."""

from __future__ import annotations

from difflib import get_close_matches

from contracts.model import Contract
from contracts.model.source_relation import Relation
from contracts.source_sql.postgresql_to_spark_types import unfit_columns


def drift(relation: Relation, contract: Contract) -> tuple[str, ...]:
    """What is missing or of a type that can lose values; one sentence each, empty if it fits.

    A type fits when every value of it can be read as what the contract says, or is told apart by
    its row. Columns that the contract does not name are of no concern.
    """
    known = [column.name for column in relation.columns]
    missing = [
        f"no column {column.name}{_perhaps(column.name, known)}"
        for column in contract.source.columns
        if column.name not in known
    ]
    return (*missing, *unfit_columns(relation, contract))


def _perhaps(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (but {near[0]})" if near else ""
