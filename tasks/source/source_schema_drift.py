"""How far a source has moved away from what the contract says of it."""

from __future__ import annotations

from difflib import get_close_matches

from contracts.errors import SchemaDriftError
from contracts.model import Contract
from contracts.model.source_relation import Relation
from tasks.source.postgresql_to_spark_types import unfit_columns


def schema_drift(relation: Relation, contract: Contract) -> tuple[str, ...]:
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


def refuse_drift(relation: Relation, contract: Contract) -> None:
    """Refuse a source that is not as the contract says.

    Raises:
        SchemaDriftError: With all that is missing or of another type.
    """
    said = schema_drift(relation, contract)
    if said:
        raise SchemaDriftError(
            where=f"{contract.name}, source {contract.source.relation}",
            expected="the columns and types that the contract promises",
            found="; ".join(said),
            next_step="Correct the contract, or have the source changed back. Nothing was read.",
        )


def _perhaps(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (but {near[0]})" if near else ""
