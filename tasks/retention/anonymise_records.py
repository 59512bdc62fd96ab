"""How a record is anonymised: under a key that stands for nobody, without what is personal.

Promise: the versions and kept events of a record stay together, and their intervals and all that is
not personal stay as they were. New keys and fingerprints are HMACs with a key that is made for one
run and kept by nobody, so that nothing that is kept anywhere leads from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.model import Contract
from contracts.model.sensitivity import personal_columns
from history.spark.checkpoint import checkpoint
from history.spark.column_quoting_and_comparison import named
from history.upkeep.replace_records import RecordReplacement, new_key
from tasks.transforms.hashing import hash_input_encoding
from tasks.transforms.hashing.hmac_sha256 import hashed

_DOMAIN = "strandline anonymised record 1\n"
_NUMBER, _ORDER = "__number", "__order"


def anonymising(
    contract: Contract, records: DataFrame, tables: Sequence[DataFrame], once: bytes
) -> RecordReplacement:
    """The replacement of records by anonymised ones.

    Args:
        contract: The contract of the table.
        records: The keys of the records, each once.
        tables: The rows of the table and of its kept events, whose keys the new ones must not be.
        once: A key for this call alone, 32 octets, kept by nobody.
    """
    kinds = {field.name: field.dataType for field in records.schema.fields}
    texts = tuple(name for name in contract.key if isinstance(kinds[name], T.StringType))
    numbers = tuple(name for name in contract.key if isinstance(kinds[name], T.IntegralType))
    tagged = {name: hash_input_encoding.tagged(named(name), kinds[name]) for name in contract.key}
    message = F.concat(F.lit(_DOMAIN), hash_input_encoding.row(tagged))
    digested = hashed(records, {_ORDER: message}, once)
    if numbers:
        # Below all that there are, in an order that says nothing of the old ones.
        number = F.row_number().over(Window.orderBy(_ORDER)).cast("long")
        digested = digested.withColumn(_NUMBER, number)
    new = {new_key(name): F.col(_ORDER) for name in texts}
    for name in numbers:
        least = _least(tables, name)
        new[new_key(name)] = (F.lit(least) - F.col(_NUMBER)).cast(kinds[name])
    found = checkpoint(digested.withColumns(new).drop(_ORDER, _NUMBER)).rows
    fingerprint = contract.generated("fingerprint")
    hidden = () if fingerprint is None else (fingerprint.name,)

    def replaced(rows: DataFrame) -> DataFrame:
        if fingerprint is None or fingerprint.name not in rows.columns:
            return rows
        # Bound to the record: what two persons had in common shows no more.
        names = [new_key(name) for name in (*texts, *numbers)]
        parts = [named(name).cast("string") for name in names]
        text = F.concat_ws("\n", F.lit(_DOMAIN), *parts, named(fingerprint.name))
        known = F.when(named(fingerprint.name).isNotNull(), text)
        return hashed(rows, {fingerprint.name: known}, once)

    return RecordReplacement(
        key=contract.key,
        records=found,
        new_keys=(*texts, *numbers),
        replaced=replaced,
        emptied=personal_columns(contract),
        changed=hidden,
    )


def removing(contract: Contract, records: DataFrame) -> RecordReplacement:
    """The removal of records."""
    return RecordReplacement(key=contract.key, records=checkpoint(records).rows)


def _least(tables: Sequence[DataFrame], name: str) -> int:
    """The least number among the keys, or 0 where all are greater."""
    found = [table.agg(F.min(named(name)).alias("least")).collect()[0].least for table in tables]
    return min(0, *[int(each) for each in found if each is not None])
