"""What of the ledger a new batch is compared with."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.observability.past_batches import past_batches

COLUMNS = (
    "target_table string, batch_id string, grain string, outcome string, check string, "
    "rule string, columns array<string>, failed bigint, evaluated bigint, metric double, "
    "model string, judged_at timestamp, rows_judged bigint, score double, refused_percent double"
)


def batch(name, day, nulls, outcome="passed", target="lake.t"):
    """A batch of ten rows, in which so many e-mail addresses are null."""
    at = datetime(2024, 5, day, tzinfo=UTC)
    common = (None, at, 10, 1.0 - nulls / 10, 10.0 * nulls)
    return [
        (target, name, "batch", outcome, None, None, None, None, None, None, *common),
        (target, name, "check", outcome, "there", "required", ["email"], nulls, 10, None, *common),
        (target, name, "check", outcome, "drift.median", "drift", ["age"], 0, 10, 40.0, *common),
    ]


def test_figures_are_of_the_batches_of_a_table_that_passed_oldest_first(spark):
    rows = [
        *batch("b2", 2, 2), *batch("b1", 1, 1), *batch("closed", 3, 9, outcome="failed"),
        *batch("this", 4, 3), *batch("other", 1, 7, target="lake.other"),
    ]  # fmt: skip
    ledger = spark.createDataFrame(rows, COLUMNS)

    past = past_batches(ledger, "lake.t", without={"this"})

    days = [datetime(2024, 5, day, tzinfo=UTC) for day in (1, 2)]
    assert past.metrics == {("drift.median", "age"): [40.0, 40.0]}
    assert {name: list(runs) for name, runs in past.figures.items()} == {
        ("rows", ""): list(zip(days, (10.0, 10.0), strict=True)),
        ("score", ""): list(zip(days, (0.9, 0.8), strict=True)),
        ("refused_percent", ""): list(zip(days, (10.0, 20.0), strict=True)),
        ("nulls_percent", "email"): list(zip(days, (10.0, 20.0), strict=True)),
    }
    assert past.model is None
