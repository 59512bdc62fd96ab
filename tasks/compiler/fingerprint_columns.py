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
        ContractError: A column that is compared by itself has other tokens for equal values.
        SchemaDriftError: The target can't take the contract's columns.
        SettingsError: The contract tracks other columns than the target was made with.
    """
    tracked = contract.stage.tracked
    if not exists(spark, target):
        return tracked
    settings, events = contract.history, contract.events
    if settings.stamp is not None:
        # The instant of the read, which the load adds to each of its rows.
        events = T.StructType([*events, T.StructField(settings.sequence, T.TimestampType())])
    recorded = preview_schema_change(spark, target, events, settings).recorded
    if recorded.fingerprint is None:
        return tracked
    _refuse_random(contract, recorded.covered)
    return recorded.covered


def _refuse_random(contract: CompiledContract, covered: tuple[str, ...]) -> None:
    uncovered = {*contract.stage.tracked} - {*covered}
    random = sorted(uncovered & contract.stage.protection.encrypted.keys())
    if random:
        raise ContractError(
            where=contract.name,
            expected="tracked columns that were added later to have equal tokens for equal values",
            found=f"{', '.join(random)}: tracked, encrypted, and not in the table's fingerprint",
            next_step="Leave it out of `tracked`, pseudonymise it, or load into a new target. "
            "Nothing was written.",
        )
