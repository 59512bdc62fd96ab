"""The differences between a source and what the contract states about it."""

from __future__ import annotations

from difflib import get_close_matches

from contracts.errors import SchemaDriftError
from contracts.model import Contract
from contracts.model.source_relation import Relation
from tasks.source.postgresql_to_spark_types import unfit_columns


def schema_drift(relation: Relation, contract: Contract) -> tuple[str, ...]:
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
    return (*missing, *unfit_columns(relation, contract))


def refuse_drift(relation: Relation, contract: Contract) -> None:
    """Refuse a source that is not as the contract states.

    Raises:
        SchemaDriftError: With all that is missing or of another type.
    """
    messages = schema_drift(relation, contract)
    if messages:
        raise SchemaDriftError(
            where=f"{contract.name}, source {contract.source.relation}",
            expected="the columns and types that the contract promises",
            found="; ".join(messages),
            next_step="Correct the contract, or have the source changed back. Nothing was read.",
        )


def _perhaps(name: str, available: list[str]) -> str:
    similar = get_close_matches(name, available, n=1)
    return f" (but {similar[0]})" if similar else ""
