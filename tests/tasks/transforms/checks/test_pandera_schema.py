from __future__ import annotations

from pyspark.sql import functions as F
from pyspark.sql import types as T

from tasks.transforms.checks.pandera_schema import schema_mismatches

PROMISED = T.StructType(
    [
        T.StructField("patient", T.IntegerType()),
        T.StructField("weight", T.DecimalType(10, 2)),
        T.StructField("seen at", T.TimestampType()),
        T.StructField("ward.name", T.StringType()),
    ]
)
CELL = 4711


def frame(spark):
    return spark.range(1).select(
        F.current_timestamp().alias("seen at"),
        F.lit(CELL).alias("patient"),
        F.lit(None).cast("decimal(10,2)").alias("weight"),
        F.lit("North").alias("ward.name"),
    )


def test_a_frame_as_promised_departs_in_nothing(spark):
    assert schema_mismatches(frame(spark), PROMISED) == ()


def test_every_departure_is_told_and_no_cell(spark):
    other = (
        frame(spark)
        .drop("seen at")
        .withColumns({"weight": F.lit(1).cast("decimal(12,2)"), "height": F.lit(1)})
    )

    told = schema_mismatches(other, PROMISED)

    assert told == (
        "column height is not promised",
        "column seen at is not there",
        "column weight is decimal(12,2) instead of decimal(10,2)",
    )
    assert str(CELL) not in "".join(told)


def test_no_row_is_read(spark):
    def fails(_):
        raise AssertionError

    unreadable = frame(spark).withColumn("patient", F.udf(fails, "int")("patient"))

    assert schema_mismatches(unreadable.drop("weight"), PROMISED) == ("column weight is not there",)
