from __future__ import annotations

import json

import pytest

from benchmarks.history import __main__ as command
from benchmarks.history.cases import Case
from benchmarks.history.driver import Measured
from benchmarks.history.results import result_rows
from benchmarks.history.subjects.spark_session import SESSION
from blocks.spark_runtime import SparkRuntime
from tests.quick_spark import QUICK_JAVA


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("bench")
    sizes = ["--sizes", "300", "--changes", "20", "--runs", "1", "--cases", "scattered"]
    places = ["--directory", str(place / "work"), "--output", str(place)]
    with pytest.MonkeyPatch.context() as patch:
        # Every JVM takes these from here: most of so small a run would be compiling.
        patch.setenv("JAVA_TOOL_OPTIONS", QUICK_JAVA)
        command.main([*sizes, *places, "--subjects", "strandline,iceberg_merge"])
    return place


@pytest.mark.nightly
def test_a_run_keeps_one_row_a_subject_and_case_with_ratios_to_strandline(run):
    document = json.loads((run / "history.json").read_text(encoding="utf-8"))
    rows = {(row["subject"], row["case"]): row for row in document["rows"]}

    assert list(rows) == [
        ("strandline", "scattered"),
        ("strandline", "replay"),
        ("iceberg_merge", "scattered"),
    ]
    assert [(row["state"], row["note"], len(row["runs"])) for row in rows.values()] == [
        ("right", "", 1)
    ] * 3
    assert rows["strandline", "scattered"]["ratio"] == 1
    merge = rows["iceberg_merge", "scattered"]
    base = rows["strandline", "scattered"]["median_s"]
    assert merge["ratio"] == pytest.approx(merge["median_s"] / base, abs=0.001)
    assert merge["ratio_to"] == "strandline, scattered, 300 keys"
    assert set(document["machine"]) == {"cores", "memory_gib", "cpu", "system"}
    assert document["versions"]["iceberg_merge"]["iceberg-spark-runtime-4.1_2.13"] == "1.12.0"
    assert (run / "history.svg").stat().st_size > 0


@pytest.mark.nightly
def test_a_run_leaves_its_rows_and_logs_but_no_table(run):
    assert {path.name for path in (run / "work").iterdir()} == {"rows", "tables", "logs"}
    assert list((run / "work" / "tables").iterdir()) == []


def test_a_subject_that_failed_is_a_row_with_its_reason():
    case = Case("scattered", 300, 20, 2)
    (row,) = result_rows([Measured("dlt", case, loads=[1.0], failed="no such disk")])

    assert (row["state"], row["note"]) == ("failed", "no such disk")
    assert (row["runs"], row["median_s"], row["ratio"]) == ([], None, None)


@pytest.mark.parametrize("name", ["scattered", "clustered", "deep"])
def test_no_key_changes_twice_and_every_changed_key_exists(name):
    case = Case(name, 1_000, 100, 6)
    keys = [key for batch in range(1, 7) for key in case.changed_keys(batch)]

    assert len(keys) == len(set(keys)) == 600
    assert min(keys) >= 0
    assert max(keys) < 1_000


def test_spark_subjects_get_the_settings_that_loads_get():
    assert SparkRuntime()._session_settings() == SESSION
