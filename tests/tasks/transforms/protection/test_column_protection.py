from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from contracts.model.sensitivity import sensitive_sources
from contracts.schemas.contract_to_spark_types import stored_type
from tasks.transforms.mapping.column_mapping import mapped
from tasks.transforms.protection.aes_gcm_encryption import decrypted
from tasks.transforms.protection.column_protection import (
    compile_protection,
    from_text,
    protected,
    source_row,
)
from tests.tasks.transforms.examples import KEYS, SOURCE_SCHEMA, TABLE, contract

PEOPLE = contract()
MADE, CHANGED = datetime(2024, 1, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, 1, 2, 3, 4, tzinfo=UTC)
ROWS = [
    (1, "Annelie", Decimal("10.0049"), "ACTIVE", " a@b.example ", date(1970, 1, 1), MADE, CHANGED),
    (2, None, None, "??", None, None, MADE, None),
    (3, "Cid", Decimal("3.0000"), "ACTIVE", "c@d.example", date(1980, 1, 1), MADE, None),
]  # fmt: skip


@pytest.fixture(scope="module")
def stored(spark):
    """The source rows, mapped and protected, and as source rows, kept as they came out."""
    frame = spark.createDataFrame(ROWS, SOURCE_SCHEMA)
    columns = [column.alias(name) for name, column in mapped(PEOPLE).items()]
    refused = F.col("`the id`") < 3
    row = source_row(compile_protection(PEOPLE), KEYS, table=TABLE, refused=refused)
    mapped_rows = frame.select(*columns, row.alias("source_row"))
    targets = protected(mapped_rows, compile_protection(PEOPLE), KEYS, table=TABLE)
    return spark.createDataFrame(targets.collect(), targets.schema)


def test_every_protected_column_has_its_stored_type_and_the_others_are_left_alone(stored):
    for column in (column for column in PEOPLE.columns if column.name in stored.columns):
        assert stored.schema[column.name].dataType == stored_type(column)
    assert dict(stored.dtypes) == {
        "business_key": "bigint", "name": "string", "amount": "binary",
        "record_status": "string", "email": "string", "short_name": "string", "born": "binary",
        "source_system": "string", "source_row": "string",
    }  # fmt: skip
    rows = stored.orderBy("business_key").collect()
    assert [(row.name, row.short_name) for row in rows] == [
        ("ANNELIE", "An***"), (None, None), ("CID", "***"),
    ]  # fmt: skip
    assert [row.email and len(row.email) for row in rows] == [64, None, 64]
    assert [row.amount is None for row in rows] == [False, True, False]
    assert [row.source_row is None for row in rows] == [False, False, True]


def test_tokens_of_the_target_open_to_the_clear_value(stored):
    keys = {KEYS.encryption.id: KEYS.encryption}
    opened = stored.select(
        decrypted(
            F.col("amount"), keys, table=TABLE, column_name="amount", kind="decimal(10,2)"
        ).alias("amount"),
        decrypted(F.col("born"), keys, table=TABLE, column_name="born", kind="date").alias("born"),
    ).orderBy("born")

    assert [tuple(row) for row in opened.collect()] == [
        (None, None), (Decimal("10.00"), date(1970, 1, 1)), (Decimal("3.00"), date(1980, 1, 1)),
    ]  # fmt: skip


def test_what_is_classified_or_feeds_a_protected_column_is_sensitive():
    assert sensitive_sources(PEOPLE) == {"Name.Full", "amount", "email", "born"}


def test_a_refused_row_keeps_what_is_harmless_and_seals_the_rest(stored):
    first, second = (
        json.loads(row.source_row)
        for row in stored.where("source_row is not null").orderBy("business_key").collect()
    )

    assert list(first) == [column.name for column in PEOPLE.source.columns]
    harmless = {name: first[name] for name in ("the id", "status", "made", "changed")}
    assert harmless == {
        "the id": 1, "status": "ACTIVE", "made": "2024-01-01T01:00:00.000000Z",
        "changed": "2024-02-01T01:02:03.000004Z",
    }  # fmt: skip
    whole = stored.where("source_row is not null").select("source_row").collect()
    for value in ("Annelie", "10.0", "a@b.example", "1970-01-01"):
        assert value not in str(whole)
    assert all(second[name] is None for name in sensitive_sources(PEOPLE))


def test_a_sealed_source_value_opens_under_its_own_name(stored):
    keys = {KEYS.encryption.id: KEYS.encryption}
    text = F.get_json_object("source_row", "$['Name.Full']")
    opened = stored.where("business_key = 1").select(
        text.alias("text"),
        decrypted(
            from_text(text), keys, table=TABLE, column_name="source:Name.Full", kind="string"
        ).alias("name"),
    )

    (row,) = opened.collect()

    assert row.name == "Annelie"
    assert not set(row.text) & set("+/=\r\n")


def test_a_contract_without_protection_leaves_the_frame_alone(spark):
    plain = contract(columns=tuple(c for c in PEOPLE.columns if c.protection is None))
    frame = spark.range(1)

    assert protected(frame, compile_protection(plain), KEYS, table=TABLE) is frame
