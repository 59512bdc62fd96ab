from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import ROUND_FLOOR, Decimal, localcontext

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from contracts.model import Period
from tasks.transforms.protection.generalisation import band, first_day
from tasks.transforms.protection.masking import masked
from tasks.transforms.protection.redaction import REDACTED, redacted

LEAST = {"tinyint": -(2**7), "smallint": -(2**15), "int": -(2**31), "bigint": -(2**63)}
BANDS = {
    "tinyint": ("7", st.integers(-(2**7), 2**7 - 1)),
    "smallint": ("100", st.integers(-(2**15), 2**15 - 1)),
    "int": ("10", st.integers(-(2**31), 2**31 - 1)),
    "bigint": ("999999999999999999", st.integers(-(2**63), 2**63 - 1)),
    "decimal(10,2)": ("0.25", st.decimals(-99999999, 99999999, places=2)),
    "decimal(10,0)": ("3", st.decimals(-9999999999, 9999999999, places=0)),
    "decimal(38,18)": ("0.5", st.decimals(-(10**19), 10**19, places=18)),
    "decimal(38,0)": ("1000", st.decimals(-(10**37), 10**37, places=0)),
}


def lower_bound(value, width, kind):
    """The reference, in exact arithmetic."""
    with localcontext(prec=80):
        bound = (Decimal(value) / width).to_integral_value(ROUND_FLOOR) * width
    if kind in LEAST:
        return max(int(bound), LEAST[kind])
    precision, scale = (int(part) for part in kind[8:-1].split(","))
    return max(bound, Decimal((1, (9,) * precision, -scale)))


def drawn(values, count):
    found = []

    @seed(1)
    @settings(max_examples=count, phases=[Phase.generate], deadline=None, database=None)
    @given(value=values)
    def draw(value):
        found.append(value)

    draw()
    return found


@pytest.mark.parametrize("kind", BANDS)
def test_a_number_becomes_the_lower_bound_of_its_band(kind, spark):
    text, values = BANDS[kind]
    width = Decimal(text)
    edges = [0, width, -width, 2 * width] if kind not in LEAST else [0, LEAST[kind], -1, 1]
    if kind == "decimal(10,2)":
        edges.append(Decimal("-99999999.99"))
    given_values = [*drawn(values, 60), *edges]
    if kind not in LEAST:
        given_values = [Decimal(value) for value in given_values]
    frame = spark.createDataFrame([*enumerate(given_values), (-1, None)], f"n int, v {kind}")

    rows = frame.select("n", band(F.col("v"), kind, width).alias("b")).orderBy("n")

    assert rows.schema["b"].dataType.simpleString() == kind
    nothing, *found = rows.collect()
    assert nothing.b is None
    assert [row.b for row in found] == [lower_bound(value, width, kind) for value in given_values]


@pytest.mark.parametrize("kind", ["float", "double"])
def test_a_double_becomes_one_of_the_bounds_and_nothing_else(kind, spark):
    tiny = [-1e-30, 1e-30, -0.0, 5e-324 if kind == "double" else 1e-45]
    edges = [math.inf, -math.inf, 1e300 if kind == "double" else 1e38, 0.3, -0.3, 12.5, 99.9]
    frame = spark.createDataFrame([*enumerate([*tiny, *edges]), (-1, None)], f"n int, v {kind}")

    rows = frame.select("n", band(F.col("v"), kind, Decimal("2.5")).alias("b")).orderBy("n")

    nothing, *found = [row.b for row in rows.collect()]
    far = 2.0**53 * 2.5
    assert nothing is None
    assert found[:4] == [-2.5, 0.0, 0.0, 0.0]
    assert found[4:] == [far, -far, far, 0.0, -2.5, 12.5, 97.5]
    (nan,) = spark.range(1).select(band(F.lit(math.nan), kind, Decimal(2)).alias("b")).collect()
    assert math.isnan(nan.b)


def test_a_date_becomes_the_first_of_its_month_or_year(spark):
    days = [date(1, 1, 1), date(1969, 12, 31), date(2024, 2, 29), date(9999, 12, 31), None]
    frame = spark.createDataFrame([*enumerate(days)], "n int, v date")

    rows = (
        frame.select(
            "n", *[first_day(F.col("v"), "date", each).alias(str(each)) for each in Period]
        )
        .orderBy("n")
        .collect()
    )

    assert [row.month for row in rows] == [day and day.replace(day=1) for day in days]
    assert [row.year for row in rows] == [day and day.replace(day=1, month=1) for day in days]


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Pacific/Kiritimati"])
def test_a_moment_becomes_the_first_of_its_month_of_utc_in_any_zone(zone, spark):
    moments = [
        datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1, 1, 2, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, tzinfo=UTC),
        datetime(9999, 12, 30, 5, tzinfo=UTC), None,
    ]  # fmt: skip
    first = [
        moment and moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for moment in moments
    ]
    frame = spark.createDataFrame([*enumerate(moments)], "n int, v timestamp")
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        rows = frame.select(
            "n",
            *[
                F.unix_micros(first_day(F.col("v"), "timestamp", each)).alias(str(each))
                for each in Period
            ],
        )
        found = rows.orderBy("n").collect()
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")

    def micros(moment):
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return moment and round((moment - epoch).total_seconds()) * 1_000_000

    assert [row.month for row in found] == [micros(moment) for moment in first]
    assert [row.year for row in found] == [
        micros(moment and moment.replace(month=1)) for moment in first
    ]


ANYTHING = (
    "select 1Y a, 2S b, 3 c, 4L d, 1.5BD e, 1.5F f, 1.5D g, 'text' h, true i, date'2024-01-01' j, "
    "timestamp'2024-01-01 00:00:00' k, x'00ff' l"
)


@pytest.mark.parametrize("technique", [redacted, lambda value: masked(value, 0)])
def test_redaction_and_masks_take_every_type_and_keep_null(technique, spark):
    frame = spark.sql(ANYTHING)
    filled = frame.select(*[technique(F.col(name)).alias(name) for name in frame.columns])
    empty = frame.select(
        *[
            technique(F.lit(None).cast(field.dataType)).alias(field.name)
            for field in frame.schema.fields
        ]
    )

    assert {field.dataType.simpleString() for field in filled.schema.fields} == {"string"}
    assert len(set(filled.collect()[0])) == 1
    assert set(empty.collect()[0]) == {None}


def test_nothing_of_a_redacted_value_is_left(spark):
    frame = spark.createDataFrame([("",), ("a",), ("x" * 500,)], "v string")

    found = {row.v for row in frame.select(redacted(F.col("v")).alias("v")).collect()}

    assert found == {REDACTED}
