"""A refused row comes back from its JSON with the values that it had."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from pyspark.errors import PythonException
from pyspark.sql import functions as F

from contracts.model import Classification, SourceColumn
from history.spark.column_quoting_and_comparison import named
from history.writing.quarantine_table import quarantine_columns
from tasks.transforms.protection.column_protection import compile_protection, source_row
from tasks.transforms.rows_from_quarantine import ROW_ID, rows_of_source
from tests.tasks.transforms.examples import KEYS, SOURCE, TABLE, contract

EVERY_KEY = {KEYS.encryption.id: KEYS.encryption}
VALUES = {
    "tiny": ("tinyint", ["-128", "127"]),
    "small": ("smallint", ["-32768", "32767"]),
    "whole": ("int", ["-2147483648", "0"]),
    "big": ("bigint", ["-9223372036854775808", "9223372036854775807"]),
    "money": ("decimal(38,10)", ["1234567890123456789012345678.0123456789", "-0.0000000001"]),
    "count": ("decimal(38,0)", ["99999999999999999999999999999999999999", "-1"]),
    "single": ("float", ["'NaN'", "1.1"]),
    "double": ("double", ["'-Infinity'", "0.1"]),
    "tiny_double": ("double", ["4.9E-324", "1.7976931348623157E308"]),
    "flag": ("boolean", ["true", "false"]),
    "day": ("date", ["'-0044-03-15'", "'9999-12-31'"]),
    "far_day": ("date", ["'+12345-01-01'", "'0001-01-01'"]),
    "moment": ("timestamp", ["'-0044-03-15 12:00:00.000001Z'", "'2024-10-27 00:30:00.999999Z'"]),
    "far_moment": ("timestamp", ["'+12345-06-07 08:09:10Z'", "'1582-10-10 00:00:00Z'"]),
    "octets": ("binary", ["X'00FF10'", "X''"]),
    "text": ("string", ["'a \"quoted\" \\\\ text, ü 😀'", "''"]),
    "tricky": ("string", ["'{\"a\": [1]}'", "'null'"]),
    "A.b` c": ("string", ["'dotted'", "'  '"]),
}
NAMES = (*VALUES, *(f"secret {name}" for name in VALUES))


@pytest.fixture(scope="module")
def people():
    columns = [SourceColumn(name, kind) for name, (kind, _) in VALUES.items()]
    columns += [
        SourceColumn(f"secret {name}", kind, classification=Classification.RESTRICTED)
        for name, (kind, _) in VALUES.items()
    ]
    source = replace(SOURCE, columns=tuple(columns))
    return compile_protection(contract(source=source, columns=()))


@pytest.fixture(scope="module")
def rows(spark):
    """Two rows of awkward values and one of nulls, each value in a clear and a sensitive column."""
    parts = []
    for at in (0, 1, None):
        values = [
            f"CAST({'NULL' if at is None else texts[at]} AS {kind}) AS `{name.replace('`', '``')}`"
            for kind, name, texts in _columns()
        ]
        parts.append(f"SELECT {', '.join(values)}")
    return spark.sql(" UNION ALL ".join(parts))


def _columns():
    for prefix in ("", "secret "):
        for name, (kind, texts) in VALUES.items():
            yield kind, f"{prefix}{name}", texts


def quarantined(rows, protection, unfit):
    frame = rows.withColumn("__unfit", F.lit(unfit))
    row = source_row(protection, KEYS, table=TABLE, refused=F.lit(True), unfit=F.col("__unfit"))
    values = {"batch_id": F.lit("b"), "row_digest": F.lit("d"), "row": row}
    kept = frame.select(*quarantine_columns(values))
    return kept.sparkSession.createDataFrame(kept.toArrow())


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_every_value_comes_back_as_it_was(spark, rows, people, zone):
    before = spark.conf.get("spark.sql.session.timeZone")
    kept = quarantined(rows, people, None)
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        found = rows_of_source(kept, people, EVERY_KEY, table=TABLE)
        columns = [named(name) for name in NAMES]
        texts = [
            value.cast("string") if kind != "binary" else F.hex(value)
            for value, kind in zip(columns, [kind for kind, *_ in _columns()], strict=True)
        ]
        expected = [tuple(row) for row in rows.select(*texts).collect()]
        actual = [tuple(row) for row in found.select(*texts).collect()]
        unfit = [row[0] for row in found.select("__unfit").collect()]
        ids = {row[0] for row in found.select(ROW_ID).collect()}
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)

    differing = [
        (NAMES[at], one[at], other[at])
        for one, other in zip(expected, actual, strict=True)
        for at in range(len(NAMES))
        if one[at] != other[at]
    ]
    assert differing == []
    assert unfit == [None] * 3
    assert ids == {"b/d"}


def test_values_that_did_not_fit_are_still_said_and_a_change_removes_them(spark, rows, people):
    kept = quarantined(
        rows.limit(1), people, '{"whole":"99999999999","secret whole":"88888888888"}'
    )
    changes = spark.createDataFrame([("5",)], "whole string").selectExpr("CAST(whole AS int) whole")

    same = rows_of_source(kept, people, EVERY_KEY, table=TABLE)
    first = same.select("whole", "__unfit").collect()[0]
    changed = rows_of_source(kept, people, EVERY_KEY, table=TABLE, changes=changes)
    second = changed.select("whole", "__unfit").collect()[0]

    assert "88888888888" not in kept.collect()[0]["row"]
    assert first["__unfit"] in (
        '{"whole":"99999999999","secret whole":"88888888888"}',
        '{"secret whole":"88888888888","whole":"99999999999"}',
    )
    assert (second["whole"], second["__unfit"]) == (5, '{"secret whole":"88888888888"}')


def test_a_value_that_a_narrower_type_would_change_does_not_fit(spark, rows, people):
    kept = quarantined(rows.limit(1), people, None)
    narrower = {**people.sources, "money": "decimal(12,2)", "big": "int"}
    protection = replace(people, sources=narrower)

    found = rows_of_source(kept, protection, EVERY_KEY, table=TABLE)
    (row,) = found.select("big", "__unfit").collect()

    assert {"money", "big"} == set(json.loads(row["__unfit"]))
    assert row["big"] is None


def test_a_row_from_before_a_column_was_said_to_be_derived_still_comes_back(spark):
    columns = (
        SourceColumn("name", "string", classification=Classification.RESTRICTED),
        SourceColumn("digest", "string"),
        SourceColumn("amount", "decimal(10,2)"),
    )
    of = {"digest": ("name",), "amount": ("name",)}
    said = tuple(replace(each, derived_from=of.get(each.name)) for each in columns)
    silent, told = (
        compile_protection(contract(source=replace(SOURCE, columns=each), columns=()))
        for each in (columns, said)
    )
    frame = spark.sql("SELECT 'Ada' name, 'abc' digest, 12.50BD amount")
    earlier, later = (quarantined(frame, each, None) for each in (silent, told))

    found = [rows_of_source(kept, told, EVERY_KEY, table=TABLE) for kept in (earlier, later)]

    assert "abc" in earlier.collect()[0]["row"]
    assert "abc" not in later.collect()[0]["row"]
    for rows in found:
        (row,) = rows.select("name", "digest", "amount", "__unfit").collect()
        assert tuple(row) == ("Ada", "abc", Decimal("12.50"), None)


def test_a_clear_text_in_place_of_a_token_is_not_taken_for_the_value(spark):
    column = SourceColumn("name", "string", classification=Classification.RESTRICTED)
    clear, sealing = (
        compile_protection(contract(source=replace(SOURCE, columns=(each,)), columns=()))
        for each in (replace(column, classification=Classification.PUBLIC), column)
    )
    forged = quarantined(spark.sql("SELECT 'Mallory' name"), clear, None)

    with pytest.raises(PythonException, match="no whole token"):
        rows_of_source(forged, sealing, EVERY_KEY, table=TABLE).select("name").collect()
