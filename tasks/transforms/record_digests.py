"""Records of a table, by digests of their keys as they are stored, and the rows of retired ones.

Promise: a record's digest is the same for its stored rows and for a source row that is about to be
staged, however the key is protected. Nobody makes one without the table's fingerprint key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.spark.column_quoting_and_comparison import named
from tasks.transforms.hashing import hash_input_encoding
from tasks.transforms.hashing.hmac_sha256 import HashKey, hashed
from tasks.transforms.protection.pseudonymisation import pseudonym_messages

RECORD_DIGEST = "record_digest"
"""The column with the digest: 64 lower-case hexadecimal digits."""

RETIRED_UNTIL = "retired_until"
"""The column with the instant up to which no event of a retired record is taken."""

DOMAIN = "strandline record 1\n"
_STAGED_DIGEST, _UNTIL = "__record", "__retired_until"


def record_message(table: str, values: Mapping[str, Column], schema: T.StructType) -> Column:
    """What is hashed of a record.

    Args:
        table: `namespace.table` of the target.
        values: The key columns as they are stored: plain columns, not computations.
        schema: Their types, by the names of the key columns.
    """
    tagged = {
        name: hash_input_encoding.tagged(value, schema[name].dataType)
        for name, value in values.items()
    }
    return F.concat(
        F.lit(DOMAIN + hash_input_encoding.framed_text(table)), hash_input_encoding.row(tagged)
    )


def with_record_digest(
    rows: DataFrame, key_columns: Sequence[str], key: bytes, *, table: str
) -> DataFrame:
    """Stored rows with `RECORD_DIGEST`; `key` is the fingerprint key of the table."""
    message = record_message(table, {name: named(name) for name in key_columns}, rows.schema)
    return hashed(rows, {RECORD_DIGEST: message}, key)


def with_stored_keys(
    rows: DataFrame,
    values: Mapping[str, Column],
    pseudonymised: Sequence[str],
    key: bytes | HashKey,
    *,
    table: str,
) -> tuple[DataFrame, dict[str, Column]]:
    """Rows to be staged, and their key columns as they will be stored.

    Args:
        rows: Rows with the clear values.
        values: The clear values of the key columns.
        pseudonymised: Those of them that are stored as pseudonyms.
        key: The pseudonym key of the table.
        table: `namespace.table` of the target.
    """
    hidden = {name: values[name] for name in values if name in pseudonymised}
    if not hidden:
        return rows, dict(values)
    messages = pseudonym_messages(rows, hidden, table=table)
    places = {name: f"__stored_key_{at}" for at, name in enumerate(hidden)}
    with_keys = hashed(rows, {places[name]: each for name, each in messages.items()}, key)
    return with_keys, {
        name: F.col(places[name]) if name in places else value for name, value in values.items()
    }


def staged_record_message(
    rows: DataFrame, values: Mapping[str, Column], *, table: str
) -> dict[str, Column]:
    """What is hashed of rows to be staged, by the column that `with_retired` looks in."""
    kinds = rows.select(*[value.alias(name) for name, value in values.items()]).schema
    return {_STAGED_DIGEST: record_message(table, values, kinds)}


def with_retired(rows: DataFrame, retired: DataFrame, stamp: Column, flag: str) -> DataFrame:
    """The rows, flagged also where they are events of a retired record from before it was retired.

    Args:
        rows: Rows with the hash of `staged_record_message`, and the flag, never null.
        retired: `RECORD_DIGEST` without repetitions, and `RETIRED_UNTIL`.
        stamp: When the row's change was made; null where the source does not say.
        flag: The name of the flag.
    """
    known = retired.select(
        F.col(RECORD_DIGEST).alias("__retired_record"), F.col(RETIRED_UNTIL).alias(_UNTIL)
    )
    same = F.col(_STAGED_DIGEST) == F.col("__retired_record")
    # Not broadcast by force: retired records may become many.
    joined = rows.join(known, same, "left")
    is_retired = F.coalesce(stamp.cast("timestamp") <= F.col(_UNTIL), F.lit(False))
    return joined.withColumn(flag, F.col(flag) | is_retired).drop("__retired_record", _UNTIL)


def without_retired(
    rows: DataFrame,
    retired: DataFrame,
    key_columns: Sequence[str],
    key: bytes,
    *,
    table: str,
    stamp: Column,
) -> DataFrame:
    """Stored rows without events of retired records from before these were retired.

    Args:
        rows: Rows whose key columns are as the table stores them.
        retired: As of `with_retired`.
        key_columns: The key columns.
        key: The fingerprint key of the table.
        table: `namespace.table` of the target.
        stamp: When the row's change was made.
    """
    digested = with_record_digest(rows, key_columns, key, table=table)
    known = retired.select(RECORD_DIGEST, F.col(RETIRED_UNTIL).alias(_UNTIL))
    joined = digested.join(known, RECORD_DIGEST, "left")
    is_retired = F.coalesce(stamp.cast("timestamp") <= F.col(_UNTIL), F.lit(False))
    return joined.where(~is_retired).drop(RECORD_DIGEST, _UNTIL)
