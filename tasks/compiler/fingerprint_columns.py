"""What a load would change of its target's columns, known before the rows are read.

Promise: what the target can't become is refused here, and the fingerprint goes on being made of the
columns that it was first made of.
"""

from __future__ import annotations

from pyspark.sql import types as T

from contracts.errors import ContractError
from contracts.model import Contract, ProtectionKind
from contracts.schemas.spark_schemas import event_schema
from history.iceberg.history_table import exists
from history.schema_evolution.evolve_table import foreseen
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.run.run_context import Run


def fingerprinted(run: Run) -> tuple[str, ...]:
    """The tracked columns that the fingerprint is made of; the others are compared by themselves.

    Raises:
        ContractError: A column that is compared by itself has other tokens for equal values.
        SchemaDriftError: The target can't come to have the contract's columns.
        SettingsError: The contract tracks other columns than the target was made by.
    """
    contract = run.contract
    if not exists(run.spark, run.target):
        return contract.history.tracked
    settings = history_settings(contract)
    events = event_schema(contract)
    if settings.stamp is not None:
        # The instant of the read, which each of its rows is given when it is loaded.
        events = T.StructType([*events, T.StructField(settings.sequence, T.TimestampType())])
    told = foreseen(run.spark, run.target, events, settings).recorded
    if told.fingerprint is None:
        return contract.history.tracked
    _refuse_random(contract, told.covered)
    return told.covered


def _refuse_random(contract: Contract, covered: tuple[str, ...]) -> None:
    beside = {*contract.history.tracked} - {*covered}
    random = sorted(
        column.name
        for column in contract.columns
        if column.name in beside
        and column.protection is not None
        and column.protection.kind is ProtectionKind.ENCRYPT
    )
    if random:
        raise ContractError(
            where=contract.name,
            expected="tracked columns that were added later to have equal tokens for equal values",
            found=f"{', '.join(random)}: tracked, encrypted, and not in the table's fingerprint",
            next_step="Leave it out of `tracked`, pseudonymise it, or load into a new target. "
            "Nothing was written.",
        )
