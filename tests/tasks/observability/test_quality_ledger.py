from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tasks.observability.quality_ledger import (
    EXAMPLES_PER_FEATURE,
    record_quality,
    record_unusual_rows,
)
from tasks.run.step_results import StagedBatch
from tasks.transforms.checks.quality_score import Finding, Outcome
from tasks.transforms.checks.verdict import Verdict
from tests.strandline.examples import NOW, day

STAGED = StagedBatch("lake.stage.x", 12_345, 9_000, 3, 42, 3_300, day(3))
FINDINGS = (
    Finding("carrier_required", ("carrier",), "refuse", 3, 1000, 0.5, rule="not_null"),
    Finding(
        "null_share", ("seats", "engines"), "refuse", 7, 1000,
        dimension="completeness", metric=float("nan"), limit="at most 5%",
        outcome=Outcome.FAILED,
    ),
    Finding("unusual", (), "warn", 0, 0, note="too few rows: 12", outcome=Outcome.NOT_EVALUATED),
)  # fmt: skip
VERDICT = Verdict(
    score=0.9,
    threshold=0.95,
    passed=False,
    findings=FINDINGS,
    quarantined=4,
    rows=1000,
    refused_percent=0.3,
    refused_limit=5.0,
    reasons=("the score is 90.00%", "null_share is 0.7"),
)


def rows_of(run, name="quality_findings"):
    return [
        row.asDict(recursive=True)
        for row in run.spark.table(run.ledger(name)).where(f"batch_id = '{run.batch_id}'").collect()
    ]


def commits_of(run, name="quality_findings"):
    return run.spark.table(f"{run.ledger(name)}.snapshots").count()


def test_a_closed_gate_is_recorded_with_each_check_in_one_commit_of_one_file(run):
    record_quality(run, STAGED, VERDICT, contract_version="1.2.0", judged_at=NOW)

    rows = rows_of(run)
    batch = next(row for row in rows if row["grain"] == "batch")
    checks = {row["check"]: row for row in rows if row["grain"] == "check"}
    assert len(rows) == 1 + len(FINDINGS)
    assert batch["outcome"] == "failed"
    assert batch["reasons"] == [*VERDICT.reasons]
    assert (batch["score"], batch["threshold"]) == (0.9, 0.95)
    assert (batch["refused_percent"], batch["refused_limit"]) == (0.3, 5.0)
    assert [batch[f"rows_{name}"] for name in ("read", "judged", "quarantined")] == [
        12_345,
        1000,
        4,
    ]
    assert batch["contract_version"] == "1.2.0"
    assert checks["null_share"]["columns"] == ["seats", "engines"]
    assert checks["null_share"]["metric"] != checks["null_share"]["metric"]
    assert checks["null_share"]["limit"] == "at most 5%"
    assert checks["carrier_required"]["weight"] == 0.5
    assert checks["carrier_required"]["metric"] is None
    assert checks["unusual"]["outcome"] == "not evaluated"
    assert checks["unusual"]["note"] == "too few rows: 12"
    assert {row["target_table"] for row in rows} == {run.target}
    assert commits_of(run) == 1
    assert run.spark.table(f"{run.ledger('quality_findings')}.files").count() == 1


def test_a_batch_that_is_judged_again_is_there_once_with_its_last_judgement(run):
    batch = replace(run, batch_id="again")
    record_quality(batch, STAGED, VERDICT, contract_version="1", judged_at=NOW)
    better = replace(VERDICT, passed=True, score=1.0, reasons=(), findings=FINDINGS[:1])
    later = NOW + timedelta(minutes=1)
    record_quality(batch, STAGED, better, contract_version="1", judged_at=later)

    rows = rows_of(batch)
    assert sorted(row["grain"] for row in rows) == ["batch", "check"]
    assert {row["score"] for row in rows if row["grain"] == "batch"} == {1.0}
    assert {row["outcome"] for row in rows} == {"passed"}


def test_a_batch_without_rows_is_neither_good_nor_bad(run):
    batch = replace(run, batch_id="empty")
    nothing = Verdict(score=None, threshold=0.95, passed=True)
    record_quality(batch, STAGED, nothing, contract_version="1", judged_at=NOW)

    assert [(row["outcome"], row["score"]) for row in rows_of(batch)] == [("not evaluated", None)]


def test_of_each_feature_the_farthest_rows_are_kept_and_all_are_counted(run):
    many = EXAMPLES_PER_FEATURE + 20
    unusual = run.spark.range(many + 3).selectExpr(
        "concat('{\"tail_number\":\"N', id, '\"}') AS record_key",
        f"if(id < {many}, 'delay', 'distance') AS feature",
        "1.0 + id AS distance",
    )
    record_unusual_rows(run, unusual, judged_at=NOW)
    record_unusual_rows(run, unusual, judged_at=NOW)

    rows = rows_of(run, "unusual_rows")
    delays = [row for row in rows if row["feature"] == "delay"]
    assert len(delays) == EXAMPLES_PER_FEATURE
    assert {row["feature_rows"] for row in delays} == {many}
    assert min(row["distance"] for row in delays) == 1.0 + 20
    assert [row["feature_rows"] for row in rows if row["feature"] == "distance"] == [3, 3, 3]
