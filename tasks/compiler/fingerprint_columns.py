"""The columns that a target's fingerprint is made of, checked before the rows are read.

Promise: a schema change that the target can't take is refused here, and the fingerprint is still
made of the columns that it was first made of.
"""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from contracts.errors import ContractError
from history.iceberg.history_table import exists
from history.schema_evolution.evolve_table import preview_schema_change
from tasks.compiler.compile_contract import CompiledContract


def fingerprint_columns(
    spark: SparkSession, contract: CompiledContract, target: str
) -> tuple[str, ...]:
    """The tracked columns that the fingerprint is made of; the others are compared by themselves.

    Raises:
        ContractError: A column that is compared by itself is stored so that no change, or every
            load, would show in it.
        SchemaDriftError: The target can't take the contract's columns.
        SettingsError: The contract tracks other columns than the target was made with.
    """
    tracked = contract.stage.tracked
    if not exists(spark, target):
        return tracked
    events = loaded_events(contract)
    recorded = preview_schema_change(spark, target, events, contract.history).recorded
    if recorded.fingerprint is None:
        return tracked
    _refuse_incomparable(contract, recorded.covered)
    return recorded.covered


def loaded_events(contract: CompiledContract) -> T.StructType:
    """The schema of the events that a load hands to the history engine."""
    settings, events = contract.history, contract.events
    if settings.stamp is None:
        return events
    # The instant of the read, which the load adds to each of its rows.
    return T.StructType([*events, T.StructField(settings.sequence, T.TimestampType())])


def _refuse_incomparable(contract: CompiledContract, covered: tuple[str, ...]) -> None:
    protection = contract.stage.protection
    incomparable = {
        **dict.fromkeys(protection.encrypted, "encrypted, with other tokens for equal values"),
        **dict.fromkeys(protection.redacted, "redacted, which hides every change"),
    }
    uncovered = sorted({*contract.stage.tracked} - {*covered})
    found = [f"{name}: {incomparable[name]}" for name in uncovered if name in incomparable]
    if found:
        raise ContractError(
            where=contract.name,
            expected="tracked columns that were added later to be stored so that changes show",
            found=f"{', '.join(found)}, and not in the table's fingerprint",
            next_step="Leave it out of `tracked`, pseudonymise it, or load into a new target. "
            "Nothing was written.",
        )
