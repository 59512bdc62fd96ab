from __future__ import annotations

import hashlib
import hmac
import struct
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import ContractError
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.hashing.hash_input_encoding import row, tagged
from tasks.transforms.hashing.hmac_sha256 import hash_keys, hashed, key_blocks
from tasks.transforms.hashing.row_fingerprint import Fingerprint, fingerprints
from tests.tasks.transforms.encodings import reference_fingerprint

KEY = bytes(range(32))
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
floats = st.floats() | st.sampled_from([0.0, -0.0, float("nan"), 1e23, 5e-324, 0.1])
decimals = st.decimals(-(10**6), 10**6, places=6, allow_nan=False)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
ROW = T.StructType([T.StructField("b.c", T.StringType()), T.StructField("a", T.DoubleType())])
KINDS = {
    "tiny": (T.ByteType(), st.integers(-128, 127)),
    "big": (T.LongType(), st.integers(-(2**63), 2**63 - 1)),
    "dec": (T.DecimalType(38, 6), decimals),
    "whole": (T.DecimalType(20, 0), st.integers(-(10**19), 10**19).map(Decimal)),
    "float": (T.FloatType(), st.floats(width=32)),
    "dou ble": (T.DoubleType(), floats),
    "te.xt": (T.StringType(), text),
    "Zé`": (T.BooleanType(), st.booleans()),
    "day": (T.DateType(), st.dates()),
    "at": (T.TimestampType(), moments.map(lambda moment: moment.replace(tzinfo=UTC))),
    "local": (T.TimestampNTZType(), moments),
    "octets": (T.BinaryType(), st.binary(max_size=6)),
    "list": (T.ArrayType(T.DecimalType(38, 6)), st.lists(st.none() | decimals, max_size=3)),
    "row": (ROW, st.tuples(st.none() | text, st.none() | floats)),
    "map": (
        T.MapType(T.StringType(), T.ArrayType(T.LongType())),
        st.dictionaries(text, st.none() | st.lists(st.integers(0, 9), max_size=2), max_size=3),
    ),
    "rows": (T.ArrayType(ROW), st.lists(st.none() | st.tuples(text, floats), max_size=2)),
}  # fmt: skip
SCHEMA = T.StructType([T.StructField(name, kind) for name, (kind, _) in KINDS.items()])
rows = st.tuples(*[st.none() | values for _, values in KINDS.values()])


@pytest.fixture
def far_zone(spark):
    """A session far from UTC: nothing may depend on it."""
    spark.conf.set("spark.sql.session.timeZone", "Pacific/Apia")
    yield
    spark.conf.set("spark.sql.session.timeZone", "UTC")


def drawn(strategy, count):
    """So many generated values, for one Spark job."""
    values = []

    @seed(20240501)
    @settings(max_examples=count, phases=[Phase.generate], deadline=None, database=None)
    @given(value=strategy)
    def draw(value):
        values.append(value)

    draw()
    return values


def test_a_fingerprint_is_that_of_the_plain_reference_for_every_type(spark, far_zone):
    values = drawn(rows, 150)
    frame = spark.createDataFrame(
        [(n, *cells) for n, cells in enumerate(values)],
        T.StructType([T.StructField("n", T.IntegerType()), *SCHEMA.fields]),
    )

    keyed = fingerprints(frame, {"fp": Fingerprint({name: named(name) for name in KINDS})}, KEY)

    assert keyed.columns == [*frame.columns, "fp"]
    assert [each.fp for each in keyed.select("n", "fp").orderBy("n").collect()] == [
        reference_fingerprint(
            {f.name: (cell, f.dataType) for f, cell in zip(SCHEMA.fields, cells, strict=True)}, KEY
        )
        for cells in values
    ]


def encodings(spark, *cases):
    """The encoded row of each tuple of SQL expressions, taken as columns a, b, ..."""
    one = spark.range(1)
    columns = []
    for case in cases:
        kinds = one.select(*map(F.expr, case)).schema.fields
        said = zip("abc", case, kinds, strict=False)
        parts = {name: tagged(F.expr(part), field.dataType) for name, part, field in said}
        columns.append(row(parts))
    return list(one.select(*columns).collect()[0])


def test_equal_values_agree_and_shifted_ones_do_not(spark):
    equal = [
        ("1.10BD", "cast(0 as double)"), ("1.1BD", "cast('-0.0' as double)"),
        ("cast(1.1 as decimal(38,18))", "cast('-0.0' as float)"),
    ]  # fmt: skip
    different = [
        ("'a'", "null", "'b'"), ("'a'", "'b'", "null"), ("'ab'", "null", "null"),
        ("'a|b'", "''", "null"), ("'a'", "'|b'", "null"), ("'1'", "null", "null"),
        ("1", "null", "null"), ("true", "null", "null"), ("'true'", "null", "null"),
        ("array('a', null)", "null", "null"), ("array(null, 'a')", "null", "null"),
        ("array('a')", "null", "null"), ("array()", "null", "null"), ("null", "null", "null"),
        ("cast('a' as binary)", "null", "null"), ("''", "null", "null"),
    ]  # fmt: skip

    found = encodings(spark, *equal, *different)

    assert len(set(found[:3])) == 1
    assert len(set(found[3:])) == len(different)


def test_a_new_column_of_nulls_changes_no_fingerprint_and_order_does_not_matter(spark):
    frame = spark.createDataFrame([("x", 1)], "a string, b int")
    given_one = {"a": F.col("a"), "b": F.col("b")}
    more = {"b": F.col("b"), "new": F.lit(None).cast("date"), "a": F.col("a")}

    one = fingerprints(frame, {"one": Fingerprint(given_one)}, KEY)
    both = fingerprints(one, {"other": Fingerprint(more)}, KEY)

    (found,) = both.collect()
    assert found.one == found.other
    assert both.columns == ["a", "b", "one", "other"]


@pytest.mark.parametrize("length", [0, 32, 64, 65, 131])
def test_the_padded_key_blocks_are_those_of_rfc_2104(length):
    key = bytes(number % 251 for number in range(length))
    inner, outer = key_blocks(key)

    by_hand = hashlib.sha256(outer + hashlib.sha256(inner + b"m").digest()).hexdigest()

    assert by_hand == hmac.new(key, b"m", "sha256").hexdigest()


def test_a_hash_in_the_jvm_is_pythons_hmac(spark):
    messages = ["", "é", "x" * 200, None]
    frame = spark.createDataFrame(list(enumerate(messages)), "n int, m string")

    found = hashed(frame, {"h": F.col("m")}, KEY).orderBy("n").collect()

    assert [each.h for each in found] == [
        None if m is None else hmac.new(KEY, m.encode(), "sha256").hexdigest() for m in messages
    ]


def test_keys_that_enter_a_plan_together_are_brought_by_one_call_of_python(spark):
    other = bytes(reversed(KEY))
    frame = spark.createDataFrame([("a",), (None,)], "m string")
    first, second = hash_keys(spark, KEY, other)

    once = hashed(frame, {"one": F.col("m")}, first).distinct()
    both = hashed(once, {"other": F.col("m")}, second)
    found = {each.m: (each.one, each.other) for each in both.collect()}

    hexes = [hmac.new(key, b"a", "sha256").hexdigest() for key in (KEY, other)]
    assert found == {"a": tuple(hexes), None: (None, None)}
    executed = both._jdf.queryExecution().executedPlan().toString()
    assert executed.split("== Initial Plan ==")[0].count("ReusedExchange") == 1


def test_every_nan_is_one_value(spark):
    other = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000001))[0]
    frame = spark.createDataFrame([(float("nan"),), (other,)], "d double")

    found = fingerprints(frame, {"fp": Fingerprint({"d": F.col("d")})}, KEY).collect()

    assert found[0].fp == found[1].fp


def test_a_type_without_an_encoding_is_refused(spark):
    with pytest.raises(ContractError, match="a type whose values can be encoded"):
        tagged(F.lit(None), T.DayTimeIntervalType())


def test_days_and_moments_of_one_day_differ(spark):
    frame = spark.createDataFrame([(date(1970, 1, 2),)], "d date")
    kinds = ("date", "timestamp", "timestamp_ntz")

    wanted = {kind: Fingerprint({"d": F.col("d").cast(kind)}) for kind in kinds}
    keyed = fingerprints(frame, wanted, KEY)

    assert len(set(keyed.select(*kinds).collect()[0])) == len(kinds)
