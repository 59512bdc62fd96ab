"""Keyed pseudonyms: the same value of the same column always gets the same one.

Promise: without the key no value can be found by hashing candidates, and pseudonyms of different
columns or tables can't be joined with each other.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tasks.transforms.hashing import hash_input_encoding
from tasks.transforms.hashing.hmac_sha256 import HashKey, hashed

DOMAIN = "strandline pseudonym 1\n"


def pseudonymised(
    frame: DataFrame, values: Mapping[str, Column], key: bytes | HashKey, *, table: str
) -> DataFrame:
    """The frame with each named column replaced by its pseudonym, 64 lower-case hex digits.

    HMAC-SHA-256 over `DOMAIN`, table, column and the value, each framed as in
    `tasks.transforms.hashing.hash_input_encoding`; null for null. Equal numbers have equal
    pseudonyms.
    """
    return hashed(frame, pseudonym_messages(frame, values, table=table), key)


def pseudonym_messages(
    frame: DataFrame, values: Mapping[str, Column], *, table: str
) -> dict[str, Column]:
    """What is hashed with the pseudonym key, by column; see `pseudonymised`."""
    schema = frame.select(*[value.alias(label) for label, value in values.items()]).schema
    messages = {}
    for (label, value), field in zip(values.items(), schema.fields, strict=True):
        prefix = (
            DOMAIN + hash_input_encoding.framed_text(table) + hash_input_encoding.framed_text(label)
        )
        messages[label] = F.concat(
            F.lit(prefix),
            hash_input_encoding.framed(hash_input_encoding.tagged(value, field.dataType)),
        )
    return messages
