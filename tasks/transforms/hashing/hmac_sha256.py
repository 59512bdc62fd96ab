"""HMAC-SHA-256 (RFC 2104) inside the JVM, with a key that no plan shows.

Promise: the key is in no literal, option or configuration. The two padded key blocks come out of
a Python function as the one row of a broadcast relation, so plans, the event log and the UI show
only a join; nothing is written to a local file on the way, as `createDataFrame` would do. A plan
that joins with one relation twice asks Python once.

A scalar subquery would do the same, but executors can't generate code around one that calls
Python: they would interpret the whole projection, row by row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from tasks.transforms.arrow_udf import Batch, by_batch
from tasks.transforms.protection.key_transport import carried, provide_transport_key

BLOCK_OCTETS = 64
# Spark prunes fields of a struct: two joins would then have different relations.
_BLOCKS = "array<binary>"
_COLUMN = "__key_blocks"


@dataclass(frozen=True, slots=True, eq=False)
class HashKey:
    """A key on its way into a plan: the one-row relation that has it, and its place there."""

    relation: DataFrame
    place: int


def hash_keys(spark: SparkSession, *keys: bytes) -> tuple[HashKey, ...]:
    """Keys that enter a plan by one relation."""
    provide_transport_key(spark)
    bring = by_batch(_bring_blocks(*keys), _BLOCKS)
    relation = spark.range(0, 1, 1, 1).select(bring(F.col("id")).alias(_COLUMN))
    return tuple(HashKey(relation, place) for place in range(len(keys)))


def key_blocks(key: bytes) -> tuple[bytes, bytes]:
    """The inner and outer padded key of RFC 2104; treat either as the key itself."""
    short = hashlib.sha256(key).digest() if len(key) > BLOCK_OCTETS else key
    padded = short.ljust(BLOCK_OCTETS, b"\0")
    return bytes(octet ^ 0x36 for octet in padded), bytes(octet ^ 0x5C for octet in padded)


def hashed(frame: DataFrame, messages: Mapping[str, Column], key: bytes | HashKey) -> DataFrame:
    """The frame with one column per message: its HMAC-SHA-256 in 64 lower-case hex digits.

    Messages are text, hashed as UTF-8; null for null. A column of the same name is replaced.
    """
    if isinstance(key, bytes):
        (key,) = hash_keys(frame.sparkSession, key)
    keyed = frame.crossJoin(F.broadcast(key.relation))
    inner, outer = (F.col(_COLUMN)[2 * key.place + each] for each in (0, 1))
    digests = {}
    for name, message in messages.items():
        inside = F.sha2(F.concat(inner, message.cast("binary")), 256)
        digests[name] = F.sha2(F.concat(outer, F.unhex(inside)), 256)
    return keyed.withColumns(digests).drop(_COLUMN)


def _bring_blocks(*keys: bytes) -> Batch:
    secrets = [carried("of hashes", b"".join(key_blocks(key))) for key in keys]

    def bring(rows: pa.Array) -> pa.Array:
        opened = [secret.opened() for secret in secrets]
        halves = (slice(BLOCK_OCTETS), slice(BLOCK_OCTETS, None))
        blocks = [both[half] for both in opened for half in halves]
        return pa.array([blocks] * len(rows), pa.list_(pa.binary()))

    return bring
