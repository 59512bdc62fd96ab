from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.aws.measure import Measured
from benchmarks.aws.place import BUCKET, KEYS
from benchmarks.aws.results import result_rows, summary, table_text
from tools.aws_double.aws_requests import Call
from tools.aws_double.aws_server import Kept

ROOT = Path(__file__).parents[2]
HISTORY = "bench.accounts_1_incremental"


def kept(service, operation, step, *, table="", key="", bucket=""):
    call = Call(service, operation, "eu-central-1", "bench", table=table, key=key, bucket=bucket)
    return Kept(call, 200, step)


def of_history(step):
    key = "warehouse/bench.db/accounts_1_incremental/metadata/v1.metadata.json"
    return [
        kept("glue", "GetTable", step, table=HISTORY),
        kept("s3", "GetObject", step, key=key, bucket=BUCKET),
    ]


@pytest.fixture
def measured():
    """Two rounds of a load with two steps, and of plain statements with five calls."""
    load = [
        *of_history("merge"),
        kept("glue", "UpdateTable", "publish", table=HISTORY),
        kept("glue", "GetTable", "publish", table="governance.run_metrics"),
        kept("s3", "PutObject", "publish", key="ring.json", bucket=KEYS),
    ]
    plain = [*of_history("") * 2]
    plain[:1] = [kept("glue", "UpdateTable", "", table="plain.accounts") for _ in range(2)]
    plain[-1] = kept("s3", "PutObject", "", key="warehouse/plain.db/accounts/x", bucket=BUCKET)
    return Measured({"here": [1.0, 3.0], "there": [4.0, 4.0]}, [load, load], [plain, plain], True)


def test_a_step_has_the_calls_of_catalog_and_files_and_those_of_keys_beside(measured):
    rows = {row["step"]: row for row in result_rows(measured, HISTORY)}

    assert (rows["merge"]["catalog"], rows["merge"]["files"], rows["merge"]["of_history"]) == (
        1,
        1,
        2,
    )
    publish = rows["publish"]
    assert (publish["catalog"], publish["files"], publish["other"]) == (2, 0, 1)
    assert (publish["of_history"], publish["writes"], publish["commits"]) == (1, 1, 1)
    assert publish["calls"] == {"glue:GetTable": 1, "glue:UpdateTable": 1, "s3:PutObject": 1}


def test_the_ratio_compares_the_load_without_its_keys_with_the_plain_statements(measured):
    rows = result_rows(measured, HISTORY)
    ratios = summary(measured, rows)

    assert ratios["calls_ratio"] == 0.8
    assert ratios["calls_per_commit_ratio"] == 1.6
    assert ratios["history_calls_ratio"] == 0.6
    assert ratios["writes_ratio"] == 0.33
    assert (ratios["here_s"], ratios["there_s"], ratios["right"]) == (2.0, 4.0, True)
    text = table_text(rows, ratios)
    assert "1.6 times" in text
    assert len(text.splitlines()) == 1 + len(rows) + 2


@pytest.mark.nightly
def test_a_run_counts_the_calls_of_each_step(tmp_path):
    # A process of its own: Prefect reads its settings once, when it is first imported.
    options = ["--rows", "4000", "--changed", "100", "--rounds", "1", "--output", str(tmp_path)]
    module = [sys.executable, "-m", "benchmarks.aws"]
    subprocess.run([*module, *options], cwd=ROOT, check=True, timeout=800)
    document = json.loads((tmp_path / "aws.json").read_text())

    steps = {row["step"] for row in document["rows"]}
    assert {"extract", "protect", "merge", "publish", "plain append and MERGE"} <= steps
    assert document["right"]
    assert 0 < document["calls_per_commit_ratio"] < document["calls_ratio"]
