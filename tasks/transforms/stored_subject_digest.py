"""The persons whom stored rows are about, as digests of what is stored of them.

Promise: a person's digest is the same for a row that is about them and for their own values in the
form in which rows are compared. Of a pseudonym no value can be had, so the digest is of the
pseudonym; of a token that differs each time it is of the value inside. No value is in a plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.model.encryption_keys import DataKey
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.hashing.hmac_sha256 import hashed
from tasks.transforms.protection.aes_gcm_encryption import decrypted
from tasks.transforms.protection.column_protection import ColumnProtection
from tasks.transforms.protection.key_transport import provide_transport_key
from tasks.transforms.subject_digests import subject_message

STORED_DIGEST = "stored_digest"
"""The column with the digest: 64 lower-case hexadecimal digits, null where nobody is named."""

VALUE, PSEUDONYM, TOKEN = "value", "pseudonym", "token"
"""What a digest is made of."""


def stored_as(columns: Sequence[str], protection: ColumnProtection) -> tuple[str, ...]:
    """What a digest has of each column: digests are comparable only where these are equal."""
    return tuple(
        PSEUDONYM
        if name in protection.pseudonymised
        else TOKEN
        if name in protection.deterministic
        else VALUE
        for name in columns
    )


def with_stored_digest(
    frame: DataFrame,
    columns: Sequence[str],
    key: bytes,
    *,
    table: str,
    encrypted: Mapping[str, str],
    opening_keys: Mapping[str, DataKey],
) -> DataFrame:
    """The frame with `STORED_DIGEST`.

    Args:
        frame: Rows of the target in stored form; or persons, as
            `tasks.transforms.subject_rows.stored_subjects` gives them.
        columns: The subject columns.
        key: The fingerprint key of the table.
        table: `namespace.table` of the target.
        encrypted: Those of them that are tokens to be opened, with the types of their values.
        opening_keys: The keys that open the table's tokens, by id.
    """
    provide_transport_key(frame.sparkSession)
    for position, name in enumerate(columns):
        value = named(name)
        if name in encrypted:
            value = decrypted(
                value, opening_keys, table=table, column_name=name, kind=encrypted[name]
            )
        frame = frame.withColumn(_value(position), value)
    values = {name: F.col(_value(position)) for position, name in enumerate(columns)}
    kinds = frame.select(*[value.alias(name) for name, value in values.items()]).schema
    message = subject_message(table, values, kinds)
    digested = hashed(frame, {STORED_DIGEST: message}, key)
    return digested.drop(*[_value(position) for position, _ in enumerate(columns)])


def _value(position: int) -> str:
    return f"__subject_{position}"
