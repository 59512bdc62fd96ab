from __future__ import annotations

import subprocess
import sys

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import SchemaDriftError
from tasks.transforms.checks.pandera_schema import refuse_mismatches, schema_mismatches

PROMISED = T.StructType(
    [
        T.StructField("patient", T.IntegerType()),
        T.StructField("weight", T.DecimalType(10, 2)),
        T.StructField("seen at", T.TimestampType()),
        T.StructField("ward.name", T.StringType()),
    ]
)
CELL = 4711
SIDE_BY_SIDE = """
import threading
from pyspark.sql import types as T
from tasks.transforms.checks.pandera_schema import pandera_schema, schema_mismatches

class Unread(Exception): ...
class Frame:
    def limit(self, rows): raise Unread

def first(act):
    gate.wait()
    try:
        act()
    except Exception as error:
        told.append(type(error).__name__)

nothing, told, gate = T.StructType(), [], threading.Barrier(6)
acts = 3 * [lambda: pandera_schema(nothing), lambda: schema_mismatches(Frame(), nothing)]
threads = [threading.Thread(target=first, args=(act,)) for act in acts]
for each in threads: each.start()
for each in threads: each.join()
print(told)
"""


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


def test_a_departure_is_refused_with_its_place_and_what_to_do(spark):
    refuse_mismatches(frame(spark), PROMISED, where="visits, stage", cause="Load again.")

    with pytest.raises(SchemaDriftError) as refusal:
        refuse_mismatches(
            frame(spark).drop("weight"), PROMISED, where="visits, stage", cause="Load again."
        )

    assert refusal.value.where == "visits, stage"
    assert refusal.value.found == "column weight is not there"
    assert refusal.value.next_step == "Nothing was published. Load again."


def test_no_job_runs_for_it(spark):
    tracker, group = spark.sparkContext.statusTracker(), "no-job-runs-for-it"
    spark.sparkContext.setJobGroup(group, "")

    schema_mismatches(frame(spark), PROMISED)

    assert tracker.getJobIdsForGroup(group) == []
    frame(spark).collect()
    assert tracker.getJobIdsForGroup(group)
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)


def test_tables_that_are_loaded_side_by_side_import_pandera_once():
    for _ in range(3):
        told = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SIDE_BY_SIDE],
            capture_output=True, text=True, check=True,
        )  # fmt: skip

        assert told.stdout.strip() == "['Unread', 'Unread', 'Unread']"
