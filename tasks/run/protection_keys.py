"""The keys that a run protects rows with: those of its table, and those of its join domains."""

from __future__ import annotations

from dataclasses import replace

from contracts.model.encryption_keys import ProtectionKeys, deterministic_owner
from history.iceberg.history_table import exists
from tasks.compiler.compile_contract import CompiledContract
from tasks.run.run_context import Run


def protection_keys(
    run: Run, contract: CompiledContract, *, rows: int, create: bool
) -> ProtectionKeys:
    """The keys from the run's key ring; with `create`, the table's are made if there are none.

    The uses of the encryption key are counted beforehand: those of so many rows.

    The key of deterministic tokens is made whenever it is missing, unless the target has a column
    of such tokens: another key would break every join with rows that are stored.

    Raises:
        KeyUnavailableError: The key ring lacks a key that may not be made anew.
    """
    ring = run.settings.key_ring
    keys = ring.keys_for_encryption(
        contract.table,
        values=rows * contract.stage.protection.tokens_per_row,
        create=create,
        at=run.started,
    )
    columns = contract.stage.protection.deterministic
    if not columns:
        return keys
    stored = run.spark.table(run.target).columns if exists(run.spark, run.target) else ()
    in_use = {each.join_domain for name, each in columns.items() if name in stored}
    return replace(
        keys,
        deterministic={
            domain: ring.deterministic_key(
                deterministic_owner(contract.table, domain),
                create=domain not in in_use,
                at=run.started,
            )
            for domain in {each.join_domain for each in columns.values()}
        },
    )


def ids_of(keys: ProtectionKeys) -> tuple[str, ...]:
    """The ids of the keys, each once, as they are recorded; never a key."""
    every = (keys.fingerprint, keys.pseudonym, keys.encryption, *keys.deterministic.values())
    return tuple(dict.fromkeys(key.id for key in every))
