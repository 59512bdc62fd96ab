"""A record is told by its digest, and what is from before its retirement stays away."""

from __future__ import annotations

from datetime import UTC, datetime

from pyspark.sql import functions as F

from tasks.transforms.hashing.hmac_sha256 import hashed
from tasks.transforms.protection.pseudonymisation import pseudonym_messages
from tasks.transforms.record_digests import (
    RECORD_DIGEST,
    RETIRED_UNTIL,
    staged_record_message,
    with_record_digest,
    with_retired,
    with_stored_keys,
    without_retired,
)

KEY, PSEUDONYM, TABLE = b"f" * 32, b"p" * 32, "clinic.patients"
COLUMNS = ("patient", "ward")
ROWS = [
    ("retired, before", 1, "a", "2024-01-01"),
    ("retired, then", 1, "a", "2024-02-01"),
    ("retired, after", 1, "a", "2024-02-02"),
    ("retired, undated", 1, "a", None),
    ("of another key", 1, "b", "2024-01-01"),
    ("without a ward", 1, None, "2024-01-01"),
]


def rows_of(spark):
    told = [
        (name, patient, ward, at and datetime.fromisoformat(at).replace(tzinfo=UTC))
        for name, patient, ward, at in ROWS
    ]
    return spark.createDataFrame(told, "name string, patient int, ward string, at timestamp")


def test_events_from_before_a_retirement_are_left_out_and_later_and_undated_ones_are_not(spark):
    rows = rows_of(spark)
    ones = with_record_digest(rows, COLUMNS, KEY, table=TABLE)
    until = F.lit(datetime(2024, 2, 1, tzinfo=UTC)).alias(RETIRED_UNTIL)
    retired = ones.where("name = 'retired, then'").select(RECORD_DIGEST, until)

    left = without_retired(rows, retired, COLUMNS, KEY, table=TABLE, stamp=F.col("at"))

    assert sorted(row.name for row in left.select("name").collect()) == [
        "of another key", "retired, after", "retired, undated", "without a ward",
    ]  # fmt: skip


def test_a_row_to_be_staged_has_the_digest_of_its_stored_record_under_a_pseudonym_too(spark):
    clear = rows_of(spark).where("name = 'retired, before'").withColumn("gone", F.lit(False))
    values = {name: F.col(name) for name in COLUMNS}
    hidden = pseudonym_messages(clear, {"ward": F.col("ward")}, table=TABLE)
    stored = hashed(clear, {"pseudonym": hidden["ward"]}, PSEUDONYM)
    stored = stored.select("patient", F.col("pseudonym").alias("ward"))
    until = F.lit(datetime(2024, 2, 1, tzinfo=UTC)).alias(RETIRED_UNTIL)
    digested = with_record_digest(stored, COLUMNS, KEY, table=TABLE)
    retired = digested.select(RECORD_DIGEST, until)

    staged, keys = with_stored_keys(clear, values, ("ward",), PSEUDONYM, table=TABLE)
    staged = hashed(staged, staged_record_message(staged, keys, table=TABLE), KEY)

    (row,) = with_retired(staged, retired, F.col("at"), "gone").select("gone").collect()
    assert row.gone
