"""The ledger of persons' keys: read by whatever encrypts or decrypts, and deleted from by erasures.

Promise: a key is in the ledger before anything that it encrypted is published, and no two loads of
a table disagree about a person's. It is there wrapped by a data key of the table, never in the
clear.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.model import Contract
from contracts.model.encryption_keys import DataKey, ProtectionKeys
from history.iceberg.history_table import exists
from history.upkeep.purge_states import PurgedStates
from tasks.erasure.erase_ledger_rows import erase_ledger_rows
from tasks.observability.ledger_tables import append, ensure_ledger
from tasks.run.run_context import Run, ledger_table
from tasks.transforms.hashing.hmac_sha256 import hashed
from tasks.transforms.mapping.column_mapping import mapped_column
from tasks.transforms.protection.column_protection import SUBJECT
from tasks.transforms.protection.subject_key_encryption import (
    rewrapped,
    subject_keyring,
    wrapped_by,
)
from tasks.transforms.subject_digests import SUBJECT_DIGEST, names_literal, subject_message
from tasks.transforms.subject_keys import MADE_KEY, SUBJECT_KEY, SubjectKeys

SUBJECT_KEYS = "subject_keys"
_FEW = 250_000
"""Keys of so many persons, 40 megabytes, are sent to where the rows are."""

_VIEW = "strandline_subject_keys"


def subject_keys(
    run: Run, table: str, columns: tuple[str, ...], keys: ProtectionKeys
) -> SubjectKeys | None:
    """The keys of the persons of the run's table; None where the contract gives them none.

    Args:
        run: The run.
        table: `namespace.table` of the target.
        columns: The columns that name persons, empty where they have no keys.
        keys: The keys of the table.

    A person whose key is wrapped by a data key that was destroyed gets another one.
    """
    if not columns:
        return None
    opening = run.settings.key_ring.decryption_keys(table)
    ensure_ledger(run.spark, run.settings, SUBJECT_KEYS)
    every = run.spark.table(ledger_table(run.settings, SUBJECT_KEYS))
    ledger = every.where(F.col("target_table") == run.governed_target)
    rows = ledger.where(
        (F.col("subject_columns") == names_literal(columns))
        & wrapped_by(F.col(SUBJECT_KEY), frozenset(opening))
    )
    known = rows.groupBy(SUBJECT_DIGEST).agg(F.min(SUBJECT_KEY).alias(SUBJECT_KEY))
    if ledger.count() <= _FEW:
        # Else the rows of the source are sorted and moved to be joined with them.
        known = F.broadcast(known)
    return SubjectKeys(known, subject_keyring(keys.encryption, opening))


def record_made_keys(run: Run, columns: tuple[str, ...], rows: DataFrame) -> None:
    """Keep the keys that a pass made; `rows` are stored and have `SUBJECT` and `MADE_KEY`."""
    made = rows.where(F.col(MADE_KEY).isNotNull()).groupBy(SUBJECT)
    append(
        made.agg(F.min(MADE_KEY).alias(SUBJECT_KEY)).select(
            F.lit(run.governed_target).alias("target_table"),
            names_literal(columns).alias("subject_columns"),
            F.col(SUBJECT).alias(SUBJECT_DIGEST),
            SUBJECT_KEY,
            F.lit(run.batch_id).alias("batch_id"),
            F.lit(datetime.now(UTC)).alias("made_at"),
        ),
        ledger_table(run.settings, SUBJECT_KEYS),
    )


def key_records(spark: SparkSession, settings: RunSettings, target: str) -> DataFrame | None:
    """`SUBJECT_KEY` of all persons of a table, `catalog.namespace.table`; None: there are none."""
    table = ledger_table(settings, SUBJECT_KEYS)
    if not exists(spark, table):
        return None
    return spark.table(table).where(F.col("target_table") == target).select(SUBJECT_KEY)


def with_subjects_of_source_rows(
    rows: DataFrame, contract: Contract, fingerprint_key: DataKey
) -> DataFrame:
    """Rows in the form of the source, in the clear, with `SUBJECT` of the contract's columns."""
    values = {
        name: mapped_column(contract, contract.column(name)) for name in contract.subject_columns
    }
    plain = {name: F.col(f"__subject_{position}") for position, name in enumerate(values)}
    rows = rows.withColumns(
        {f"__subject_{position}": value for position, value in enumerate(values.values())}
    )
    kinds = rows.select(*[value.alias(name) for name, value in plain.items()]).schema
    message = subject_message(contract.target, plain, kinds)
    found = hashed(rows, {SUBJECT: message}, fingerprint_key.material)
    return found.drop(*[f"__subject_{position}" for position, _ in enumerate(values)])


def rewrap_subject_keys(
    spark: SparkSession, settings: RunSettings, contract: Contract, target: str, wrapping: DataKey
) -> int:
    """Wrap the keys of a table's persons by another data key; returns how many were not yet.

    Those that a destroyed data key wraps stay as they are. Nothing else is encrypted again.

    Raises:
        CommitConflictError: Others wrote to the ledger.
    """
    table = ledger_table(settings, SUBJECT_KEYS)
    if not exists(spark, table):
        return 0
    opening = settings.key_ring.decryption_keys(contract.target)
    record = F.col(SUBJECT_KEY)
    others = wrapped_by(record, frozenset(opening)) & ~wrapped_by(record, frozenset({wrapping.id}))
    pending = spark.table(table).where((F.col("target_table") == target) & others)
    count = pending.count()
    if not count:
        return 0
    again = rewrapped(record, wrapping, opening)
    pending.select("target_table", SUBJECT_KEY, again.alias("__again")).createOrReplaceTempView(
        _VIEW
    )
    try:
        spark.sql(
            f"MERGE INTO {table} t USING {_VIEW} s ON t.target_table = s.target_table "
            f"AND t.{SUBJECT_KEY} = s.{SUBJECT_KEY} "
            f"WHEN MATCHED THEN UPDATE SET t.{SUBJECT_KEY} = s.__again"
        )
    finally:
        spark.catalog.dropTempView(_VIEW)
    return count


def destroy_subject_keys(
    spark: SparkSession, settings: RunSettings, target: str, persons: DataFrame
) -> tuple[int, PurgedStates]:
    """Delete the keys of persons, by their `SUBJECT_DIGEST`, from every state of the ledger.

    Returns:
        How many keys there were, and what older states of the ledger went.

    Raises:
        CommitConflictError: Others wrote to the ledger each time.
    """
    table = ledger_table(settings, SUBJECT_KEYS)
    if not exists(spark, table):
        return 0, PurgedStates()
    digests = persons.select(SUBJECT_DIGEST).distinct()
    count = _of_persons(spark.table(table), target, digests).count()
    if not count:
        return 0, PurgedStates()
    rows = digests.select(SUBJECT_DIGEST, F.lit(target).alias("target_table"))
    purged = erase_ledger_rows(
        spark,
        table,
        rows,
        f"t.target_table = s.target_table AND t.{SUBJECT_DIGEST} = s.{SUBJECT_DIGEST}",
    )
    return count, purged


def count_subject_keys(
    spark: SparkSession, settings: RunSettings, target: str, persons: DataFrame
) -> int:
    """How many keys of the persons there are, by their `SUBJECT_DIGEST`."""
    table = ledger_table(settings, SUBJECT_KEYS)
    if not exists(spark, table):
        return 0
    return _of_persons(spark.table(table), target, persons.select(SUBJECT_DIGEST)).count()


def _of_persons(ledger: DataFrame, target: str, persons: DataFrame) -> DataFrame:
    own = ledger.where(F.col("target_table") == target)
    return own.join(persons, SUBJECT_DIGEST, "left_semi")
