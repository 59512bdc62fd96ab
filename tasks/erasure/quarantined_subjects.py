"""The refused rows that are about some persons, found in the quarantine.

Promise: a row is found by the values that it was refused with, decrypted in the query that looks
for them, and by its key where persons are named by it. What is found is not written.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.schemas.spark_schemas import event_schema
from history.spark.column_quoting_and_comparison import named
from history.writing.quarantine_table import EVENT_FORM, SOURCE_FORM, record_key
from tasks.erasure.data_subjects import DataSubjects
from tasks.erasure.subject_key_ledger import key_records, with_subjects_of_source_rows
from tasks.transforms.protection.column_protection import SUBJECT, compile_protection
from tasks.transforms.rows_from_quarantine import ROW_ID, events, form, row_id, rows_of_source
from tasks.transforms.subject_digests import SUBJECT_DIGEST


def quarantined_subjects(
    spark: SparkSession, subjects: DataSubjects, ledger: str, target: str
) -> DataFrame:
    """`ROW_ID`, `record_key` and `SUBJECT_DIGEST` of the refused rows about the persons.

    Args:
        spark: A session with the lakehouse's catalog.
        subjects: The persons.
        ledger: The quarantine's table.
        target: The history table that the rows were meant for, with its catalog.

    Raises:
        KeyUnavailableError: No key of the ring made a token of a row.
    """
    settings, contract = subjects.settings, subjects.contract
    protection = compile_protection(contract)
    rows = spark.table(ledger).where(F.col("target_table") == target)
    kind = form(protection.sources)
    opening = settings.key_ring.decryption_keys(contract.target)
    from_source = rows_of_source(
        rows.where(kind == SOURCE_FORM),
        protection,
        opening,
        key_records(spark, settings, target),
        table=contract.target,
    )
    key = settings.key_ring.keys_for(contract.target, create=False).fingerprint
    about = with_subjects_of_source_rows(from_source, contract, key)
    digested = about.select(ROW_ID, F.col(SUBJECT).alias(SUBJECT_DIGEST))
    persons = F.broadcast(subjects.frame.select(SUBJECT_DIGEST))
    found = digested.join(persons, SUBJECT_DIGEST, "left_semi").select(ROW_ID, SUBJECT_DIGEST)
    in_events = events(rows.where(kind == EVENT_FORM), event_schema(contract))
    found = found.unionByName(subjects.rows_about(in_events).select(ROW_ID, SUBJECT_DIGEST))
    keyed = rows.select(row_id().alias(ROW_ID), F.col("record_key"))
    if contract.key == subjects.columns:
        by_key = subjects.frame.select(SUBJECT_DIGEST, record_key(contract.key).alias("record_key"))
        same_key = keyed.join(F.broadcast(by_key), "record_key", "inner")
        found = found.unionByName(same_key.select(ROW_ID, SUBJECT_DIGEST))
    return keyed.join(found.dropDuplicates([ROW_ID]), ROW_ID, "inner")


def keys_as_kept(keys: DataFrame, columns: tuple[str, ...]) -> DataFrame:
    """`record_key`: the keys as the ledgers have them, from the key columns in stored form."""
    return keys.select(*map(named, columns)).select(record_key(columns).alias("record_key"))
