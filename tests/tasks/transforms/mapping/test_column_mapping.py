from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from contracts.errors import ContractError
from contracts.model.transformation_registry import TRANSFORMATIONS
from tasks.transforms.mapping.column_mapping import TRANSFORMS, mapped, sequence, watermark
from tests.tasks.transforms.examples import (
    BOUNDS,
    CODES,
    SOURCE_SCHEMA,
    contract,
    made,
    plain_contract,
)


def test_every_transformation_that_is_not_generated_has_a_spark_side():
    assert set(TRANSFORMS) == {name for name, s in TRANSFORMATIONS.items() if not s.generated}


CASES = [
    ("string", made("o", "int", "direct", "v"), {"12": 12, "x1": None, None: None}),
    ("decimal(12,4)", made("o", "decimal(4,2)", "direct", "v"), {
        Decimal("1.2350"): Decimal("1.24"), Decimal(100): None, None: None}),
    ("string", made("o", "date", "direct", "v"), {
        "2024-02-30": None, "2024-02-29": date(2024, 2, 29)}),
    ("string", made("o", "string", "trim", "v"), {
        "  a b ": "a b", "   ": None, "": None, "\u00a0é ": "\u00a0é", None: None}),
    ("string", made("o", "string", "upper_trim", "v"), {
        " straße ": "STRASSE", "éa": "ÉA", "  ": "", None: None, "ж": "Ж"}),
    ("string", made("o", "string", "trim_or_default", "v", arguments={"default": "UNKNOWN"}), {
        " a ": "a", None: "UNKNOWN", "  ": ""}),
    ("string", made("o", "int", "default_if_null", "v", arguments={"default": 7}), {
        "1": 1, None: 7, "one": None}),
    ("decimal(12,4)", made("o", "decimal(10,2)", "round_within", "v", arguments=BOUNDS), {
        Decimal("0.0050"): Decimal("0.01"), Decimal("999999.9900"): Decimal("999999.99"),
        Decimal("999999.9901"): None, Decimal("-0.0001"): None, Decimal(0): Decimal("0.00"),
        Decimal("2.6750"): Decimal("2.68"), None: None}),
    ("string", made("o", "decimal(10,2)", "round_within", "v", arguments=BOUNDS), {
        "2.675": Decimal("2.68"), "much": None, None: None}),
    ("double", made("o", "decimal(10,2)", "round_within", "v", arguments=BOUNDS), {
        2.675: Decimal("2.68"), float("inf"): None, float("nan"): None, None: None}),
    ("string", made("o", "string", "decode", "v", arguments=CODES), {
        "ACTIVE": "A", "PENDING": "P", "active": "U", None: "U"}),
    ("int", made("o", "string", "decode", "v", arguments={
        "codes": {"1": "one"}, "otherwise": "?"}), {1: "one", 2: "?", None: "?"}),
    ("string", made("o", "string", "literal", arguments={"value": "NEW"}), {"x": "NEW"}),
    ("string", made("o", "int", "literal", arguments={"value": None}), {"x": None}),
]  # fmt: skip


@pytest.fixture(scope="module")
def results(spark):
    """What every case's column makes of its values: all cases side by side in one frame."""
    depth = max(len(values) for _, _, values in CASES)
    columns = [list(values) + [None] * (depth - len(values)) for _, _, values in CASES]
    schema = ", ".join(f"v{number} {kind}" for number, (kind, _, _) in enumerate(CASES))
    frame = spark.createDataFrame(
        [(row, *(column[row] for column in columns)) for row in range(depth)], f"id int, {schema}"
    )
    outputs = []
    for number, (kind, column, _) in enumerate(CASES):
        sources = tuple(f"v{number}" for _ in column.sources)
        placed = replace(column, sources=sources)
        expression = mapped(plain_contract({f"v{number}": kind}, (placed,)))[column.name]
        outputs.append(expression.alias(f"o{number}"))
    mapped_frame = frame.select("id", *outputs)
    return mapped_frame.schema, mapped_frame.orderBy("id").collect()


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_transformation_gives(results, number):
    schema, rows = results
    _, column, values = CASES[number]

    assert [row[f"o{number}"] for row in rows][: len(values)] == list(values.values())
    assert schema[f"o{number}"].dataType.simpleString() == column.type


def test_the_first_present_counts_even_if_it_can_not_be_cast(spark):
    frame = spark.createDataFrame(
        [(1, "1", "2"), (2, None, "2"), (3, "x", "2"), (4, None, None)],
        "id int, a string, b string",
    )
    column = made("o", "int", "first_present", "a", "b")
    expression = mapped(plain_contract({"a": "string", "b": "string"}, (column,)))["o"]

    assert [r.o for r in frame.orderBy("id").select(expression.alias("o")).collect()] == [
        1, 2, None, None,
    ]  # fmt: skip


def test_names_with_dots_spaces_and_upper_case_are_taken_as_they_are(spark):
    made_at, changed = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
    rows = [
        (1, " ann ", Decimal("1.005"), "ACTIVE", "a@b", None, made_at, changed),
        (2, "bob", None, "x", " ", None, made_at, None),
    ]
    frame = spark.createDataFrame(rows, SOURCE_SCHEMA)
    people = contract()
    columns = {
        **mapped(people),
        "seq": F.unix_seconds(sequence(people)),
        "mark": F.unix_seconds(watermark(people)),
    }

    first, second = (
        frame.select([c.alias(n) for n, c in columns.items()]).orderBy("seq").collect()[::-1]
    )

    assert first.asDict() == {
        "business_key": 1, "name": "ANN", "amount": Decimal("1.01"), "record_status": "A",
        "email": "a@b", "short_name": " ann ", "born": None, "source_system": "NEW_SOURCE",
        "seq": int(changed.timestamp()), "mark": int(changed.timestamp()),
    }  # fmt: skip
    assert (second.record_status, second.email) == ("U", None)
    assert second.seq == second.mark == int(made_at.timestamp())


def test_an_argument_of_the_wrong_shape_is_a_contract_error(spark):
    column = made("o", "string", "decode", "v", arguments={"codes": "A", "otherwise": "U"})

    with pytest.raises(ContractError, match="a mapping of codes"):
        mapped(plain_contract({"v": "string"}, (column,)))
