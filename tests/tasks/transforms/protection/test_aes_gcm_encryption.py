from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyspark.errors import PythonException
from pyspark.sql import functions as F

from contracts.errors import DataError, KeyUnavailableError, SettingsError
from contracts.model.encryption_keys import DataKey
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.protection.aes_gcm_encryption import (
    _nonces,
    _opening,
    _sealing,
    carried_key,
    ciphers_by_mark,
    decrypted,
    encrypted,
    opened_token,
    token,
)
from tasks.transforms.protection.token_layout import AES_256_GCM, associated, key_mark

KEY = DataKey("key-1", bytes(range(32)))
OTHER = DataKey("key-2", bytes(range(1, 33)))
KEYS = {key.id: key for key in (OTHER, KEY)}
TABLE = "lake.target_schema.people"
MOMENT = datetime(2024, 7, 1, 1, 2, 3, 456789, tzinfo=UTC)
FAR = Decimal("-12345678901234567890.123456789012345678")
VALUES = {
    "tinyint": [-128, 0, 127],
    "int": [-(2**31), 0, 2**31 - 1],
    "bigint": [-(2**63), 0, 2**63 - 1],
    "decimal(10,2)": [Decimal("-0.01"), Decimal("0.00"), Decimal("99999999.99")],
    "decimal(38,18)": [FAR, Decimal("0.000000000000000001"), Decimal("1.100000000000000000")],
    "float": [0.10000000149011612, -0.0, float("inf")],
    "double": [0.1, 5e-324, -1.7976931348623157e308],
    "string": ["", "é😀 \x00\n", "x" * 5000],
    "boolean": [True, False, True],
    "date": [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)],
    "timestamp": [MOMENT, datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)],
    "timestamp_ntz": [MOMENT.replace(tzinfo=None)] * 3,
    "binary": [b"", b"\x00\xff", bytes(range(256))],
    "array<decimal(9,2)>": [[], [Decimal("1.10"), None], [Decimal("0.01")]],
    "struct<a:int,`b.c`:timestamp>": [(None, None), (1, MOMENT), (2, MOMENT)],
    "map<string,array<binary>>": [{}, {"k": [b"\x01", None]}, {"": None}],
}


def names():
    return {f"c.{number}": kind for number, kind in enumerate(VALUES)}


@pytest.fixture(scope="module")
def sealed(spark):
    """A row number, the values of every type (the last row is null) and their tokens, kept."""
    schema = "n int, " + ", ".join(f"`{name}` {kind}" for name, kind in names().items())
    rows = [(n, *(values[n] for values in VALUES.values())) for n in range(3)]
    frame = spark.createDataFrame([*rows, (3, *[None] * len(VALUES))], schema)
    tokens = encrypted(frame, {name: named(name) for name in names()}, key=KEY, table=TABLE)
    return frame, spark.createDataFrame(tokens.collect(), tokens.schema)


def opened(tokens, keys=KEYS, table=TABLE, **column_of):
    return tokens.select(
        "n",
        *[
            decrypted(
                named(name), keys, table=table, column_name=column_of.get(name, name), kind=kind
            ).alias(name)
            for name, kind in names().items()
        ],
    )


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns"])
def test_every_type_comes_back_as_it_was_and_null_stays_null(spark, sealed, zone):
    frame, tokens = sealed
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        back = opened(tokens)
        assert [field.dataType for field in back.schema] == [
            field.dataType for field in frame.schema
        ]
        assert back.orderBy("n").collect() == frame.orderBy("n").collect()
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def test_a_token_is_laid_out_as_described_and_never_twice_the_same(spark, sealed):
    _, tokens = sealed
    assert {f.dataType.simpleString() for f in tokens.schema.fields[1:]} == {"binary"}
    (row,) = tokens.where("n = 0").select(named("c.1").alias("t")).collect()
    octets = bytes(row.t)

    assert octets[:2] == b"\x01\x01"
    assert octets[2:6] == key_mark("key-1")
    bound = associated(AES_256_GCM, "key-1", TABLE, "c.1")
    assert AESGCM(KEY.material).decrypt(octets[6:18], octets[18:], bound) == b"n-2147483648"
    assert bound.endswith(b"\x00\x00\x00\x03c.1")
    same = spark.range(300).select(
        token(F.lit("x"), kind="string", key=KEY, table="t", column="c").alias("t")
    )
    assert same.select(F.count_distinct(F.substring("t", 7, 12))).collect()[0][0] == 300


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None, None],
        [b"n1", None, b"n2", b"n1", None],
        [b"", b"s" + bytes(3_000_000), b"s"],
    ],
)
def test_batches_and_their_slices_are_sealed_value_by_value_under_nonces_of_their_own(values):
    seal, cipher = _sealing(KEY, TABLE, "a"), AESGCM(KEY.material)
    bound = associated(AES_256_GCM, "key-1", TABLE, "a")
    nonces = []

    for start in range(len(values) + 1):
        made = seal(pa.array(values, pa.binary()).slice(start))
        assert made.type == pa.binary()
        plain = []
        for octets in made.to_pylist():
            if octets is None:
                plain.append(None)
                continue
            assert octets[:6] == b"\x01\x01" + key_mark("key-1")
            nonces.append(octets[6:18])
            plain.append(cipher.decrypt(octets[6:18], octets[18:], bound))
        assert plain == values[start:]
    assert len(set(nonces)) == len(nonces)
    assert {len(nonce) for nonce in nonces} <= {12}


def test_nonces_are_twelve_octets_also_where_they_end_with_zeros(monkeypatch):
    drawn = bytes(11) + b"\x01" + b"\x02" + bytes(23)
    monkeypatch.setattr("os.urandom", lambda count: drawn[:count])

    assert _nonces(3) == [drawn[:12], drawn[12:24], drawn[24:]]


CANARY = "canary-value-4711"


def sealed_canary(column="a", key=KEY):
    batch = pa.array([b"s" + CANARY.encode(), None], pa.binary())
    made, nothing = _sealing(key, TABLE, column)(batch).to_pylist()
    assert nothing is None
    return made


def changed(octets, at, to):
    return octets[:at] + to + octets[at + len(to) :]


A = sealed_canary()
REFUSED = {
    "another column": (sealed_canary("b"), {}),
    "another table": (A, {"table": "lake.other.people"}),
    "a changed ciphertext": (changed(A, 25, bytes([A[25] ^ 1])), {}),
    "a changed tag": (A[:-1] + bytes([A[-1] ^ 1]), {}),
    "a changed nonce": (changed(A, 6, bytes(12)), {}),
    "another key's mark": (changed(A, 2, key_mark("key-2")), {}),
    "another key under the same name": (sealed_canary(key=DataKey("key-1", OTHER.material)), {}),
    "another version": (b"\x02" + A[1:], {}),
    "a cut token": (A[:20], {}),
    "another kind of value": (A, {"letter": "n"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_token_is_refused_for(case):
    octets, how = REFUSED[case]
    asked = {"keys": KEYS, "table": TABLE, "column": "a", "letter": "s", **how}

    with pytest.raises(DataError) as caught:
        _opening(**asked)(pa.array([octets], pa.binary()))

    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_token_opens_where_it_was_made_and_a_missing_key_is_named_by_its_mark():
    batch = pa.array([A, None], pa.binary())

    assert _opening(KEYS, TABLE, "a", "s")(batch).to_pylist() == [b"s" + CANARY.encode(), None]
    with pytest.raises(KeyUnavailableError, match=key_mark("key-1").hex()):
        _opening({"key-2": OTHER}, TABLE, "a", "s")(batch)


def test_two_keys_with_one_mark_are_told_apart():
    table = ciphers_by_mark([carried_key(OTHER), carried_key(KEY)], TABLE, "a")
    merged = {key_mark("key-1"): [*table[key_mark("key-2")], *table[key_mark("key-1")]]}

    assert opened_token(A, merged, b"s", "here") == b"s" + CANARY.encode()


def test_a_token_moved_between_columns_stops_a_query_without_showing_a_value(spark):
    values = {name: F.lit(CANARY) for name in ("a", "b")}
    tokens = spark.createDataFrame(
        encrypted(spark.range(1), values, key=KEY, table=TABLE).collect()
    )

    with pytest.raises(PythonException, match="another table or column") as caught:
        tokens.select(
            decrypted(F.col("b"), KEYS, table=TABLE, column_name="a", kind="string")
        ).collect()

    assert "DataError" in str(caught.value)
    assert CANARY not in str(caught.value)
    assert KEY.material.hex() not in str(caught.value)


def test_a_widened_type_still_decrypts_and_a_narrowed_one_says_so(spark):
    columns = {"small": F.lit(7), "large": F.lit(2**40)}
    made = encrypted(spark.range(1), columns, key=KEY, table=TABLE).collect()
    tokens = spark.createDataFrame(made)

    def read(name, kind):
        return decrypted(F.col(name), KEYS, table=TABLE, column_name=name, kind=kind)

    wide = tokens.select(read("small", "bigint"), read("large", "decimal(20,2)")).collect()[0]

    assert tuple(wide) == (7, Decimal("1099511627776.00"))
    with pytest.raises(Exception, match="does not fit the type int") as caught:
        tokens.select(read("large", "int")).collect()
    assert str(2**40) not in str(caught.value)


def test_a_key_of_another_length_is_refused_before_anything_runs():
    short = DataKey("short", b"x" * 16)

    with pytest.raises(SettingsError, match="16 octets"):
        token(F.lit("x"), kind="string", key=short, table="t", column="c")
