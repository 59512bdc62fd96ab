"""HMAC-SHA-256 (RFC 2104) inside the JVM, with a key that no plan shows.

Promise: the key is in no literal, option or configuration. The two padded key blocks come out of
a Python function as the one row of a broadcast relation, so plans, the event log and the UI show
only a join; nothing is written to a local file on the way, as `createDataFrame` would do.

A scalar subquery would do the same, but executors can't generate code around one that calls
Python: they would interpret the whole projection, row by row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from tasks.transforms.arrow_udf import Batch, by_batch
from tasks.transforms.protection.key_transport import carried, provide_transport_key

BLOCK_OCTETS = 64
_BLOCKS = "struct<inner:binary,outer:binary>"
_COLUMN = "__key_blocks"


def key_blocks(key: bytes) -> tuple[bytes, bytes]:
    """The inner and outer padded key of RFC 2104; treat either as the key itself."""
    short = hashlib.sha256(key).digest() if len(key) > BLOCK_OCTETS else key
    padded = short.ljust(BLOCK_OCTETS, b"\0")
    return bytes(octet ^ 0x36 for octet in padded), bytes(octet ^ 0x5C for octet in padded)


def hashed(frame: DataFrame, messages: Mapping[str, Column], key: bytes) -> DataFrame:
    """The frame with one column per message: its HMAC-SHA-256 in 64 lower-case hex digits.

    Messages are text, hashed as UTF-8; null for null. A column of the same name is replaced.
    """
    keyed = frame.crossJoin(F.broadcast(_blocks(frame.sparkSession, key)))
    blocks = F.col(_COLUMN)
    digests = {}
    for name, message in messages.items():
        inside = F.sha2(F.concat(blocks["inner"], message.cast("binary")), 256)
        digests[name] = F.sha2(F.concat(blocks["outer"], F.unhex(inside)), 256)
    return keyed.withColumns(digests).drop(_COLUMN)


def _blocks(spark: SparkSession, key: bytes) -> DataFrame:
    provide_transport_key(spark)
    bring = by_batch(_bring_blocks(key), _BLOCKS)
    return spark.range(0, 1, 1, 1).select(bring(F.col("id")).alias(_COLUMN))


def _bring_blocks(key: bytes) -> Batch:
    secret = carried("of hashes", b"".join(key_blocks(key)))

    def bring(rows: pa.Array) -> pa.Array:
        both = secret.opened()
        inner, outer = both[:BLOCK_OCTETS], both[BLOCK_OCTETS:]
        columns = [pa.array([block] * len(rows), pa.binary()) for block in (inner, outer)]
        return pa.StructArray.from_arrays(columns, ["inner", "outer"])

    return bring
