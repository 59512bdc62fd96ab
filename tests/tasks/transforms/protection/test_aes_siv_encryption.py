from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.cmac import CMAC
from pyspark.errors import PythonException
from pyspark.sql import functions as F

from contracts.errors import SettingsError
from contracts.model.encryption_keys import DataKey
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.protection.aes_siv_encryption import (
    Scope,
    _sealing,
    deterministic_decrypted,
    deterministic_token,
    scope_of,
)
from tasks.transforms.protection.token_layout import AES_256_SIV, associated, key_mark

KEY = DataKey("key-1", bytes(range(64)))
OTHER = DataKey("key-2", bytes(range(1, 65)))
KEYS = {key.id: key for key in (OTHER, KEY)}
TABLE = "lake.target_schema.people"
MOMENT = datetime(2024, 7, 1, 1, 2, 3, 456789, tzinfo=UTC)
VALUES = {
    "int": [-(2**31), 0, 7],
    "bigint": [-(2**63), 0, 7],
    "decimal(10,2)": [Decimal("-0.01"), Decimal("0.00"), Decimal("7.00")],
    "string": ["", "é😀 \x00\n", "x" * 500],
    "boolean": [True, False, True],
    "date": [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)],
    "timestamp": [MOMENT, datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)],
    "binary": [b"", b"\x00\xff", bytes(range(256))],
}


def scope(name="c"):
    return Scope(TABLE, name)


def siv_reference(key, plain, bound):
    """AES-SIV of RFC 5297, 2.4 to 2.6, from CMAC and CTR alone."""

    def cmac(data):
        made = CMAC(AES(key[:32]))
        made.update(data)
        return int.from_bytes(made.finalize(), "big")

    def doubled(number):
        return (number << 1) % 2**128 ^ (0x87 if number >> 127 else 0)

    state = cmac(bytes(16))
    for part in bound:
        state = doubled(state) ^ cmac(part)
    if len(plain) >= 16:
        end = int.from_bytes(plain[-16:], "big") ^ state
        iv = cmac(plain[:-16] + end.to_bytes(16, "big"))
    else:
        padded = int.from_bytes((plain + b"\x80").ljust(16, b"\0"), "big")
        iv = cmac((doubled(state) ^ padded).to_bytes(16, "big"))
    counter = iv & ~(1 << 63 | 1 << 31)
    stream = Cipher(AES(key[32:]), CTR(counter.to_bytes(16, "big"))).encryptor()
    return iv.to_bytes(16, "big") + stream.update(plain) + stream.finalize()


@pytest.mark.parametrize("plain", [b"s", b"sabc", b"s" * 16, b"s" + bytes(range(200))])
def test_a_token_with_two_keys_of_256_bits_is_that_of_the_reference(plain):
    (made,) = _sealing(KEY, scope())(pa.array([plain], pa.binary())).to_pylist()
    bound = associated(AES_256_SIV, "key-1", TABLE, "c")

    assert made[:6] == b"\x01\x02" + key_mark("key-1")
    assert made[6:] == siv_reference(KEY.material, plain, [bound])


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None, None],
        [b"s", None, b"sx", b"s", b"sx", None, b""],
        [b"s" + bytes(3_000_000), b"s", b"s" + bytes(3_000_000)],
    ],
)
def test_repeated_values_of_a_batch_and_of_its_slices_have_the_tokens_of_single_ones(values):
    seal = _sealing(KEY, scope())
    bound = [associated(AES_256_SIV, "key-1", TABLE, "c")]
    head = b"\x01\x02" + key_mark("key-1")
    single = [
        None if value is None else head + AESSIV(KEY.material).encrypt(value, bound)
        for value in values
    ]

    for start in range(len(values) + 1):
        made = seal(pa.array(values, pa.binary()).slice(start))
        assert made.type == pa.binary()
        assert made.to_pylist() == single[start:]


@pytest.fixture(scope="module")
def sealed(spark):
    names = {f"c.{number}": kind for number, kind in enumerate(VALUES)}
    schema = "n int, " + ", ".join(f"`{name}` {kind}" for name, kind in names.items())
    rows = [(n, *(values[n] for values in VALUES.values())) for n in range(3)]
    frame = spark.createDataFrame([*rows, (3, *[None] * len(VALUES))], schema)
    tokens = frame.withColumns(
        {
            name: deterministic_token(named(name), kind=kind, key=KEY, scope=scope(name))
            for name, kind in names.items()
        }
    )
    return names, frame, spark.createDataFrame(tokens.collect(), tokens.schema)


def test_every_type_comes_back_as_it_was_and_null_stays_null(sealed):
    names, frame, tokens = sealed
    opened = tokens.select(
        "n",
        *[
            deterministic_decrypted(named(name), KEYS, scope=scope(name), kind=kind).alias(name)
            for name, kind in names.items()
        ],
    )

    assert {f.dataType.simpleString() for f in tokens.schema.fields[1:]} == {"binary"}
    assert opened.orderBy("n").collect() == frame.orderBy("n").collect()


def test_equal_values_join_within_a_domain_and_not_beyond_it(spark):
    def tokens(table, column, domain, key=KEY):
        return spark.range(3).select(
            deterministic_token(
                (F.col("id") + 5).cast("int"),
                kind="int",
                key=key,
                scope=scope_of(table, column, domain),
            ).alias("t")
        )

    one = tokens("lake.a", "customer", "customers")
    two = tokens("lake.b", "buyer", "customers")
    strangers = [
        tokens("lake.a", "customer", None),
        tokens("lake.b", "buyer", "suppliers"),
        tokens("lake.b", "buyer", "customers", key=OTHER),
    ]

    assert one.join(two, "t").count() == 3
    for other in strangers:
        assert one.join(other, "t").count() == 0


def test_a_token_of_another_column_stops_a_query_without_showing_a_value(spark):
    canary = "canary-value-4711"
    made = spark.range(1).select(
        deterministic_token(F.lit(canary), kind="string", key=KEY, scope=scope("a")).alias("t")
    )
    tokens = spark.createDataFrame(made.collect(), made.schema)

    with pytest.raises(PythonException, match="another column or join domain") as caught:
        tokens.select(
            deterministic_decrypted(F.col("t"), KEYS, scope=scope("b"), kind="string")
        ).collect()

    assert canary not in str(caught.value)
    assert KEY.material.hex() not in str(caught.value)


def test_a_key_of_another_length_is_refused_before_anything_runs():
    with pytest.raises(SettingsError, match="32 octets"):
        deterministic_token(
            F.lit("x"), kind="string", key=DataKey("short", bytes(32)), scope=scope()
        )
