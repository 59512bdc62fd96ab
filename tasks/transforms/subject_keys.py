"""Rows beside the keys of the persons whom they are about: those to be encrypted, and tokens.

Promise: what is joined is a wrapped key, never one in the clear; no row is lost or doubled by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tasks.transforms.protection.column_protection import KNOWN_KEY, SUBJECT
from tasks.transforms.protection.subject_key_encryption import (
    SubjectKeyring,
    key_id_of_record,
    key_id_of_token,
    made_record,
)
from tasks.transforms.subject_digests import SUBJECT_DIGEST

SUBJECT_KEY = "subject_key"
"""The column of the ledger with the record of a person's key."""

MADE_KEY = "__made_key"
"""The staged column with the record of a key that the pass made; null where it made none."""

KEY_OF_TOKENS = "__key_of_tokens"
"""The column with the record of the key that made a row's tokens; null where the table's did."""


@dataclass(frozen=True, slots=True)
class SubjectKeys:
    """The keys of a table's persons, for one pass.

    Attributes:
        known: `SUBJECT_DIGEST`, each once, and `SUBJECT_KEY`.
        keyring: What opens them, and makes others.
    """

    known: DataFrame
    keyring: SubjectKeyring


def with_known_keys(rows: DataFrame, keys: SubjectKeys) -> DataFrame:
    """Rows with `SUBJECT`, beside it `KNOWN_KEY`."""
    known = keys.known.select(
        F.col(SUBJECT_DIGEST).alias("__known_subject"), F.col(SUBJECT_KEY).alias(KNOWN_KEY)
    )
    same = F.col(SUBJECT) == F.col("__known_subject")
    return rows.join(known, same, "left").drop("__known_subject")


def with_made_keys(rows: DataFrame, keys: SubjectKeys) -> DataFrame:
    """Rows with `SUBJECT` and `KNOWN_KEY`, with `MADE_KEY` in place of the latter."""
    made = made_record(F.col(SUBJECT), F.col(KNOWN_KEY), keys.keyring)
    return rows.withColumn(MADE_KEY, made).drop(KNOWN_KEY)


def with_keys_of_tokens(
    rows: DataFrame, tokens: Iterable[Column], records: DataFrame | None
) -> DataFrame:
    """The rows with `KEY_OF_TOKENS`.

    Args:
        rows: Rows whose tokens are each of the key of their person, or of the table.
        tokens: All their tokens.
        records: `SUBJECT_KEY` of the table's persons; None: there are none.
    """
    ids = [key_id_of_token(token) for token in tokens]
    if records is None or not ids:
        return rows.withColumn(KEY_OF_TOKENS, F.lit(None).cast("binary"))
    keys = records.select(
        F.col(SUBJECT_KEY).alias(KEY_OF_TOKENS), key_id_of_record(F.col(SUBJECT_KEY)).alias("__id")
    ).dropDuplicates(["__id"])
    return rows.join(keys, F.coalesce(*ids) == F.col("__id"), "left").drop("__id")
