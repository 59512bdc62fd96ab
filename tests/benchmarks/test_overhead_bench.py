from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.overhead.results import STARTING, result_rows, table_text

ROOT = Path(__file__).parents[2]
SECONDS = {
    ("functions", "load"): [9.0, 2.0, 4.0, 3.0],
    ("functions", "empty"): [0.0, 0.0, 0.0, 0.0],
    ("flow, server", "load"): [9.0, 4.5, 5.0, 4.0],
    ("flow, server", "empty"): [9.0, 1.5, 1.0, 1.25],
    STARTING: [20.0, 8.0, 7.0, 9.0],
}


def test_a_row_compares_medians_without_the_warm_up_with_the_bare_functions():
    rows = {(row["subject"], row["case"]): row for row in result_rows(SECONDS)}

    load = rows["flow, server", "load"]
    assert (load["warm_up_s"], load["runs"]) == (9.0, [4.5, 5.0, 4.0])
    assert (load["median_s"], load["overhead_s"], load["ratio"]) == (4.5, 1.5, 1.5)
    assert load["ratio_to"] == "functions, load"
    assert rows["functions", "load"]["ratio"] == 1


def test_nothing_is_no_base_of_a_ratio():
    rows = {(row["subject"], row["case"]): row for row in result_rows(SECONDS)}

    empty = rows["flow, server", "empty"]
    assert (empty["overhead_s"], empty["ratio"], empty["ratio_to"]) == (1.25, None, None)
    start = rows[STARTING]
    assert (start["median_s"], start["overhead_s"], start["ratio"]) == (8.0, None, None)


def test_the_table_has_a_line_a_row():
    lines = table_text(result_rows(SECONDS)).splitlines()

    assert len(lines) == 1 + len(SECONDS)
    assert "1.50" in next(line for line in lines if line.startswith("flow, server"))


@pytest.mark.nightly
def test_a_run_measures_every_subject_and_keeps_the_rows(tmp_path):
    # A process of its own: Prefect reads its settings once, when it is first imported.
    arguments = ["--runs", "1", "--output", str(tmp_path)]
    module = [sys.executable, "-m", "benchmarks.overhead"]
    subprocess.run([*module, *arguments], cwd=ROOT, check=True, timeout=800)
    document = json.loads((tmp_path / "overhead.json").read_text())

    subjects = ("functions", "flow, server", "flow, temporary server")
    assert {(row["subject"], row["case"]) for row in document["rows"]} == {
        *((subject, case) for subject in subjects for case in ("load", "empty")),
        STARTING,
    }
    assert all(len(row["runs"]) == 1 for row in document["rows"])
