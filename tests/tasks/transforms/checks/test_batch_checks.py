from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import Observation
from pyspark.sql import functions as F

from contracts.model import Check, Classification, Comparison, Severity, SourceColumn, Threshold
from tasks.transforms.checks.batch_checks import (
    BatchFacts,
    batch_findings,
    needs_past,
    past_run_findings,
)
from tasks.transforms.checks.batch_measures import compile_batch_measures, measure
from tasks.transforms.checks.quality_score import Finding, Judged, Outcome
from tests.tasks.transforms.examples import AS_OF, made, plain_contract

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
PASSED, FAILED, UNEVALUATED = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_EVALUATED


def measures_of(*checks, **kinds):
    return compile_batch_measures(plain_contract(kinds, (), checks))


def facts(**more):
    usual = {
        "rows_read": 100, "rows_in_source": 100, "rows_counted": 100, "full": False,
        "read_at": NOON, "newest": NOON - timedelta(hours=3),
    }  # fmt: skip
    return BatchFacts(**usual | more)


def only(findings, check):
    (found,) = [each for each in findings if each.check == check]
    return found


def test_each_row_that_the_source_counts_is_read():
    complete = batch_findings(measures_of(), facts(), {}, freshness_hours=None)
    lost = batch_findings(measures_of(), facts(rows_read=97), {}, freshness_hours=None)
    doubled = batch_findings(measures_of(), facts(rows_read=102), {}, freshness_hours=None)

    assert [(each.check, each.outcome, each.stops) for each in complete] == [
        ("all_rows_read", PASSED, False)
    ]
    assert complete[0].limit == "exactly 0"
    assert [(f.metric, f.outcome, f.stops) for f in (lost[0], doubled[0])] == [
        (3.0, FAILED, True), (2.0, FAILED, True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hours", "newest", "outcome"),
    [
        (3, NOON - timedelta(hours=3), PASSED),
        (3, NOON - timedelta(hours=3, seconds=1), FAILED),
        (3, NOON + timedelta(hours=1), PASSED),
        (3, None, UNEVALUATED),
    ],
)
def test_a_latency_is_compared_with_the_newest_row_and_only_warns(hours, newest, outcome):
    found = batch_findings(measures_of(), facts(newest=newest), {}, freshness_hours=hours)

    assert only(found, "freshness").outcome is outcome
    assert only(found, "freshness").limit == "at most 3"
    assert not only(found, "freshness").stops


def test_a_volume_is_compared_with_the_median_of_like_loads():
    check = Check("rows", "volume", (), {"percent": 50, "runs": 3})
    measured = measures_of(check)
    past = {("rows", ""): [1, 1, 90, 100, 400], ("rows.full", ""): [9000.0] * 9}

    def outcome(rows, **more):
        found = batch_findings(
            measured, facts(rows_counted=rows, **more), past, freshness_hours=None
        )
        return found[-1]

    assert needs_past(measured)
    assert [outcome(rows).outcome for rows in (49, 50, 150, 151)] == [
        FAILED, PASSED, PASSED, FAILED
    ]  # fmt: skip
    assert outcome(100, full=True).outcome is FAILED
    assert outcome(9000, full=True).check == "rows.full"
    few = batch_findings(measured, facts(), {("rows", ""): [1.0, 2.0]}, freshness_hours=None)[-1]
    assert (few.outcome, few.metric) == (UNEVALUATED, 100.0)
    assert "2 earlier batches" in few.note


@pytest.fixture(scope="module")
def drift():
    check = Check("same", "drift", ("amount", "name"), {"quantile_tolerance": 0.5})
    return compile_batch_measures(
        plain_contract({"amount": "decimal(8,2)", "name": "string"}, (), (check,))
    )


def observed(spark, measures, rows, counted=None):
    observation = Observation("drift")
    frame = spark.createDataFrame(rows, "id int, amount int, name string")
    frame = frame.withColumn("amount", F.col("amount").cast("decimal(8,2)"))
    counted = F.lit(True) if counted is None else counted
    frame.observe(observation, *measures.columns(counted, AS_OF)).collect()
    return observation.get


def test_statistics_are_measured_in_the_pass_over_the_counted_rows(spark, drift):
    rows = [(n, n, "x" if n % 2 else None) for n in range(101)] + [(1000, 99999, "not counted")]

    seen = observed(spark, drift, rows, counted=F.col("id") < 1000)

    assert seen[measure("same", "amount", "quartiles")] == [25.0, 50.0, 75.0]
    assert seen[measure("same", "amount", "nulls_percent")] == 0.0
    assert seen[measure("same", "name", "nulls_percent")] == pytest.approx(100 * 51 / 101)
    assert seen[measure("same", "name", "distinct")] == 1.0
    assert seen[measure("same", "amount", "distinct")] == pytest.approx(101, rel=0.06)


def test_what_drifts_is_told_by_column_and_statistic(spark, drift):
    usual = observed(spark, drift, [(n, n, "x") for n in range(101)])

    def findings(seen, past):
        return batch_findings(drift, facts(observed=seen), past, freshness_hours=None)[1:]

    first = findings(usual, {})
    past = {(each.check, each.columns[0]): [each.metric] * 3 for each in first}
    shifted = observed(spark, drift, [(n, n + 30, "x" if n % 5 else None) for n in range(101)])

    assert {each.outcome for each in first} == {UNEVALUATED}
    assert {each.outcome for each in findings(usual, past)} == {PASSED}
    assert {(f.check, *f.columns) for f in findings(shifted, past) if f.outcome is FAILED} == {
        ("same.lower_quartile", "amount"), ("same.median", "amount"),
        ("same.upper_quartile", "amount"), ("same.nulls_percent", "name"),
    }  # fmt: skip


def test_quartiles_of_sensitive_columns_are_not_told():
    columns = (
        made("amount", "decimal(8,2)", "direct", "amount",
             classification=Classification.CONFIDENTIAL),
    )  # fmt: skip
    contract = plain_contract(
        {"amount": "decimal(8,2)", "size": "int"}, columns,
        (Check("same", "drift", ("amount", "size")),),
    )  # fmt: skip
    secret = SourceColumn("amount", "decimal(8,2)", classification=Classification.CONFIDENTIAL)
    sources = tuple(secret if each.name == "amount" else each for each in contract.source.columns)
    from dataclasses import replace

    compiled = compile_batch_measures(
        replace(contract, source=replace(contract.source, columns=sources))
    )

    assert "median" not in compiled.statistics("amount")
    assert "median" in compiled.statistics("size")


def test_a_query_of_the_contract_is_an_aggregate_of_the_pass(spark):
    columns = (made("total", "decimal(8,2)", "direct", "amount"),)
    check = Check(
        "sum", "sql", ("total",), {"query": "SELECT SUM(total) FROM t WHERE total > 1"},
        severity=Severity.REFUSE, about_target=True,
        threshold=Threshold(Comparison.BETWEEN, (5.0, 9.0)),
    )  # fmt: skip
    measured = compile_batch_measures(
        plain_contract({"amount": "decimal(8,2)", "name": "string"}, columns, (check,))
    )

    seen = observed(spark, measured, [(1, 2, "a"), (2, 3, "b"), (3, 1, "c"), (4, None, None)])
    found = batch_findings(measured, facts(observed=seen), {}, freshness_hours=None)[-1]
    closed = batch_findings(
        measured, facts(observed={measure("sum"): 4.9}), {}, freshness_hours=None
    )[-1]
    nothing = batch_findings(
        measured, facts(rows_counted=0, observed={measure("sum"): None}), {}, freshness_hours=None
    )[-1]

    assert (found.metric, found.outcome, found.stops) == (5.0, PASSED, False)
    assert (closed.outcome, closed.stops) == (FAILED, True)
    assert nothing.outcome is UNEVALUATED


def test_figures_and_shares_of_nulls_are_compared_with_those_of_past_runs():
    def nulls(check, column, failed, rule="required", *more):
        return Finding(check, (column, *more), "warn", failed, 1_000, rule=rule)

    findings = (
        nulls("email_there", "email", 20), nulls("nulls", "phone", 20, "null_values"),
        nulls("one_row_a_key", "id", 20), nulls("both", "a", 20, "required", "b"),
        nulls("short", "name", 20, "max_length"),
    )  # fmt: skip
    runs = [NOON - timedelta(days=each) for each in range(9, 0, -1)]
    past = {
        ("rows", ""): [(at, 1_000.0) for at in runs],
        ("refused_percent", ""): [(at, 1.0) for at in runs],
        ("nulls_percent", "email"): [(at, 0.4) for at in runs],
    }

    found = past_run_findings(Judged(1_000, 20, 20.0), findings, past, NOON)

    assert [(each.check, each.columns, each.metric, each.outcome) for each in found] == [
        ("usual_rows", (), 1_000.0, PASSED),
        ("usual_score", (), 0.98, UNEVALUATED),
        ("usual_refused_percent", (), 2.0, FAILED),
        ("usual_nulls_percent", ("email",), 2.0, FAILED),
        ("usual_nulls_percent", ("phone",), 2.0, UNEVALUATED),
    ]
    *_, email, _ = past_run_findings(Judged(1_000, 20, 20.0), findings, past, NOON)
    assert (email.limit, email.stops) == ("between 0% and 0.9%", False)
