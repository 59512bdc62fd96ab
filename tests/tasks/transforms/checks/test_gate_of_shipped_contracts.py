"""The gate's table: so many bad rows and so many checks, and whether the batch is published."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import Observation
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.loader import TABLES, find_contract
from contracts.model import Check
from contracts.schemas.spark_schemas import source_schema
from tasks.transforms.checks.row_checks import (
    compile_row_checks,
    counts,
    failed_checks,
    findings,
    judged,
    reference_mark,
)
from tasks.transforms.checks.verdict import judge

ROWS = 200
SHARES = (0, 2.5, 5, 5.5, 50, 70, 100)
MORE_CHECKS = (0, 20, 100)
READ_AT = datetime(2024, 5, 1, 12, tzinfo=UTC)
THEN = datetime(2024, 4, 1, tzinfo=UTC)
GOOD = {
    "aircraft": {"tail_number": "N14228", "carrier": "UA", "destination": "ORD", "origin": "EWR"},
    "new_source_table": {"status": "ACTIVE", "data_classification": "INTERNAL"},
    "existing_table_1": {"code": "ORD"},
}
SPOILED = {
    "aircraft": ("destination", None),
    "new_source_table": ("column1", "  "),
    "existing_table_1": ("latitude", 91.0),
}
"""A column of each contract, and a value in it that a check of severity error refuses."""


def good_value(field, contract):
    given = GOOD[contract.name].get(field.name)
    if given is not None:
        return given
    return {
        T.TimestampType(): THEN, T.StringType(): "text", T.DoubleType(): 1.0,
    }.get(field.dataType, 1)  # fmt: skip


def batch(spark, contract, share):
    """Rows of the contract's source, of which the first `share` percent are spoiled."""
    schema = source_schema(contract)
    decimals = {f.name for f in schema.fields if isinstance(f.dataType, T.DecimalType)}
    plain = [
        T.StructField(f.name, T.IntegerType() if f.name in decimals else f.dataType)
        for f in schema.fields
    ]
    good = tuple(good_value(field, contract) for field in schema.fields)
    rows = spark.createDataFrame([good], T.StructType(plain)).crossJoin(
        spark.range(ROWS).select(F.col("id").alias("__n"))
    )
    column, value = SPOILED[contract.name]
    is_bad = F.col("__n") < round(ROWS * share / 100)
    rows = rows.withColumn(column, F.when(is_bad, F.lit(value)).otherwise(F.col(column)))
    return rows.select(
        *[F.col(f.name).cast(f.dataType).alias(f.name) for f in schema.fields], "__n"
    )


def with_passing_checks(contract, count):
    column = contract.source.columns[0].name
    extra = tuple(Check(f"extra_{n}", "required", (column,)) for n in range(count))
    return replace(contract, checks=(*contract.checks, *extra))


def verdict_on(spark, contract, share):
    checks = compile_row_checks(contract)
    observation = Observation("gate")
    marks = {reference_mark(each.position): F.lit(True) for each in checks.references}
    rows = (
        batch(spark, contract, share).withColumns(marks) if marks else batch(spark, contract, share)
    )
    mask = failed_checks(checks, as_of=READ_AT, ignored=F.lit(False))
    words = {f"m{n}": word for n, word in enumerate(mask)}
    carried = rows.withColumns(words)
    carried.observe(observation, *counts(checks, tuple(map(F.col, words)))).select("__n").collect()
    observed = observation.get
    return judge(
        contract.quality, judged(observed), findings(checks, observed),
        quarantined=observed["refused"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def table(spark):
    """The verdict per contract, share of bad rows and number of checks that all rows pass."""
    shipped = [find_contract(name, TABLES) for name in GOOD]
    return {
        (contract.name, share, more): verdict_on(spark, with_passing_checks(contract, more), share)
        for contract in shipped
        for share in SHARES
        for more in MORE_CHECKS
    }


def test_no_batch_with_more_than_its_limit_of_refused_rows_is_published(table):
    for (_, share, _), verdict in table.items():
        assert verdict.refused_percent == share
        assert verdict.passed is (share <= 5)


def test_checks_that_all_rows_pass_change_neither_score_nor_gate(table):
    for (name, share, more), verdict in table.items():
        without = table[name, share, 0]
        assert len(verdict.findings) == len(without.findings) + more
        assert (verdict.score, verdict.passed) == (without.score, without.passed)
        assert verdict.score == pytest.approx(1 - share / 100)


def test_the_documented_table_is_what_the_gate_does(table):
    documented = Path("docs/quality.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([\d.]+) % \| ([\d.]+) % \| (published|stopped) \|$", documented, re.MULTILINE
    )

    assert [float(share) for share, _, _ in rows] == list(SHARES)
    for share, score, gate in rows:
        for name in GOOD:
            for more in MORE_CHECKS:
                verdict = table[name, float(share), more]
                assert f"{verdict.score:.1%}".rstrip("%") == f"{float(score):.1f}"
                assert verdict.passed is (gate == "published")
