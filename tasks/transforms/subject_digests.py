"""Persons who are subjects of a table's rows, as digests that nobody makes without the table's key.

Promise: a digest is the same for equal values, whatever read, wrote or typed them, and differs
between tables and between columns. The values that persons are asked for by are in no plan.

The message is `DOMAIN`, the table, and the row of `tasks.transforms.hashing.hash_input_encoding`
of the subject columns; it is hashed with HMAC-SHA-256 (RFC 2104) and the fingerprint key. A keyed
digest is still personal data to whoever holds the key (GDPR, recital 26; Article 29 Working Party,
opinion 05/2014): it is kept where somebody must be recognised who is in no table any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.spark.column_quoting_and_comparison import named
from tasks.transforms.arrow_udf import Batch, by_batch
from tasks.transforms.hashing import hash_input_encoding
from tasks.transforms.hashing.hmac_sha256 import hashed
from tasks.transforms.mapping.text_values import is_lost, value_of_text
from tasks.transforms.protection.key_transport import carried, provide_transport_key

SUBJECT_DIGEST = "subject_digest"
"""The column with the digest: 64 lower-case hexadecimal digits."""

DOMAIN = "strandline subject 1\n"

_LEAST_OCTETS, _BLOCK_OCTETS = 16, 8
"""What is wrapped for the workers has at least so many octets, in whole blocks (RFC 3394)."""

_TEXTS = "array<map<string,string>>"


def names_literal(names: Sequence[str]) -> Column:
    """Names of columns as the ledgers of persons keep them: one array, in their order."""
    return F.array(*[F.lit(name) for name in names])


def subject_message(table: str, values: Mapping[str, Column], schema: T.StructType) -> Column:
    """What is hashed of a person: null where one of the values is.

    Args:
        table: `namespace.table` of the target.
        values: The clear values of the subject columns: plain columns, not computations.
        schema: Their types, by the names of the subject columns.
    """
    tagged = {
        name: hash_input_encoding.tagged(value, schema[name].dataType)
        for name, value in values.items()
    }
    known = reduce(lambda one, other: one & other, (v.isNotNull() for v in values.values()))
    prefix = F.lit(DOMAIN + hash_input_encoding.framed_text(table))
    return F.when(known, F.concat(prefix, hash_input_encoding.row(tagged)))


def with_subject_digest(
    frame: DataFrame, columns: Sequence[str], key: bytes, *, table: str
) -> DataFrame:
    """The frame with the digest of the person that each row is about, null where none is named.

    Args:
        frame: Rows with the clear values of the columns.
        columns: The subject columns.
        key: The fingerprint key of the table.
        table: `namespace.table` of the target.
    """
    message = subject_message(table, {name: named(name) for name in columns}, frame.schema)
    return hashed(frame, {SUBJECT_DIGEST: message}, key)


def subject_messages(
    rows: DataFrame, persons: Sequence[Mapping[str, Column]], *, table: str
) -> dict[str, Column]:
    """What is hashed for `with_erased`, by the name of the column that it looks in.

    `persons` are the clear values of subject columns, once for each way in which persons were
    named when they were erased.
    """
    messages = {}
    for position, values in enumerate(persons):
        kinds = rows.select(*[value.alias(name) for name, value in values.items()]).schema
        messages[_person(position)] = subject_message(table, values, kinds)
    return messages


def with_erased(rows: DataFrame, erased: Sequence[DataFrame], flag: str) -> DataFrame:
    """The rows with a flag: whether a row is about a person who was erased; never null.

    Args:
        rows: Rows with the hashes of `subject_messages`.
        erased: The digests of erased persons, in `SUBJECT_DIGEST` without repetitions, one frame
            for each of the messages.
        flag: The name of the flag.
    """
    flags = []
    for position, digests in enumerate(erased):
        known = digests.select(F.col(SUBJECT_DIGEST).alias(_erased(position)))
        same = F.col(_person(position)) == F.col(_erased(position))
        rows = rows.join(F.broadcast(known), same, "left")
        flags.append(F.col(_erased(position)).isNotNull())
    return rows.withColumn(flag, reduce(lambda one, other: one | other, flags, F.lit(False)))


def _person(position: int) -> str:
    return f"__person_{position}"


def _erased(position: int) -> str:
    return f"__erased_{position}"


def subjects_of_texts(
    spark: SparkSession, subjects: Sequence[Mapping[str, str]], kinds: Mapping[str, str]
) -> DataFrame:
    """Persons as they were typed: one row each, in the types of the subject columns.

    Their values travel as keys do, so that no plan shows one. A value that is none of its column's
    type is null.

    Args:
        spark: The session.
        subjects: The text of each subject column, by name.
        kinds: The Spark SQL types of the subject columns, by name.
    """
    texts = _texts(spark, subjects)
    return texts.select(
        *[value_of_text(F.col("each")[name], kind).alias(name) for name, kind in kinds.items()]
    )


def untyped_columns(
    spark: SparkSession, subjects: Sequence[Mapping[str, str]], kinds: Mapping[str, str]
) -> tuple[str, ...]:
    """The columns for which a text was typed that is no value of theirs, or would be rounded."""
    lost = [
        F.max(F.coalesce(is_lost(F.col("each")[name], kind), F.lit(False))).alias(name)
        for name, kind in kinds.items()
    ]
    (found,) = _texts(spark, subjects).agg(*lost).collect()
    return tuple(name for name, is_wrong in found.asDict().items() if is_wrong)


def _texts(spark: SparkSession, subjects: Sequence[Mapping[str, str]]) -> DataFrame:
    provide_transport_key(spark)
    bring = by_batch(_bring(subjects), "string")
    texts = F.from_json(bring(F.col("id")), _TEXTS)
    return spark.range(0, 1, 1, 1).select(F.explode(texts).alias("each"))


def _bring(subjects: Sequence[Mapping[str, str]]) -> Batch:
    text = json.dumps([dict(each) for each in subjects]).encode()
    octets = max(-(-len(text) // _BLOCK_OCTETS) * _BLOCK_OCTETS, _LEAST_OCTETS)
    secret = carried("of persons who are asked for", text.ljust(octets))

    def bring(rows: pa.Array) -> pa.Array:
        return pa.array([secret.opened().decode()] * len(rows), pa.string())

    return bring
