"""The stored rows that are about some persons, found in whatever form their columns are stored.

Promise: nothing is written on the way, and no value is in a plan. A pseudonym and a deterministic
token are found by what the person's would be; other tokens are decrypted to be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.model.encryption_keys import DataKey, ProtectionKeys
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.protection.aes_gcm_encryption import decrypted
from tasks.transforms.protection.aes_siv_encryption import deterministic_token, scope_of
from tasks.transforms.protection.column_protection import ColumnProtection
from tasks.transforms.protection.key_transport import provide_transport_key
from tasks.transforms.protection.pseudonymisation import pseudonymised
from tasks.transforms.subject_digests import SUBJECT_DIGEST, with_subject_digest


def stored_subjects(
    subjects: DataFrame,
    columns: Sequence[str],
    protection: ColumnProtection,
    keys: ProtectionKeys,
    *,
    table: str,
) -> DataFrame:
    """Persons with their digests, and their columns as rows are to be compared with them.

    Args:
        subjects: The clear values of the subject columns in their types, one row a person.
        columns: The subject columns.
        protection: How the target's columns are protected.
        keys: The table's keys, and those of the join domains of the columns.
        table: `namespace.table` of the target.

    Returns:
        `SUBJECT_DIGEST` and the columns: pseudonyms and deterministic tokens in place of the values
        that are stored so. Persons that occur twice are there once.
    """
    provide_transport_key(subjects.sparkSession)
    digested = with_subject_digest(subjects, columns, keys.fingerprint.material, table=table)
    pseudonyms = [name for name in columns if name in protection.pseudonymised]
    tokens = {
        name: deterministic_token(
            named(name),
            kind=each.kind,
            key=keys.deterministic[each.join_domain],
            scope=scope_of(table, name, each.join_domain),
        )
        for name, each in protection.deterministic.items()
        if name in columns
    }
    stored = digested.withColumns(tokens) if tokens else digested
    if pseudonyms:
        stored = pseudonymised(
            stored,
            {name: named(name) for name in pseudonyms},
            keys.pseudonym.material,
            table=table,
        )
    return stored.where(F.col(SUBJECT_DIGEST).isNotNull()).dropDuplicates([SUBJECT_DIGEST])


def with_subjects(
    rows: DataFrame,
    subjects: DataFrame,
    columns: Sequence[str],
    protection: ColumnProtection,
    opening_keys: Mapping[str, DataKey],
    *,
    table: str,
) -> DataFrame:
    """All rows as they are, with `SUBJECT_DIGEST`: that of the person a row is about, or null.

    Args:
        rows: Rows of the target, of its kept events or of a stage, in stored form.
        subjects: What `stored_subjects` gives.
        columns: The subject columns.
        protection: How the target's columns are protected.
        opening_keys: The keys that open the table's tokens, by id.
        table: `namespace.table` of the target.
    """
    sought = subjects.select(
        F.col(SUBJECT_DIGEST), *[named(name).alias(_sought(at)) for at, name in enumerate(columns)]
    )
    provide_transport_key(rows.sparkSession)
    equal = []
    for position, name in enumerate(columns):
        value = named(name)
        if name in protection.encrypted:
            kind = protection.encrypted[name]
            value = decrypted(value, opening_keys, table=table, column_name=name, kind=kind)
        rows = rows.withColumn(_found(position), value)
        equal.append(F.col(_found(position)) == F.col(_sought(position)))
    same = reduce(lambda one, other: one & other, equal)
    temporary = [name(at) for at, _ in enumerate(columns) for name in (_found, _sought)]
    return rows.join(F.broadcast(sought), same, "left").drop(*temporary)


def _sought(position: int) -> str:
    return f"__sought_{position}"


def _found(position: int) -> str:
    return f"__found_{position}"
