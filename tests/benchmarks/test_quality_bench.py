from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.quality import __main__ as command
from benchmarks.quality import subject
from benchmarks.quality.measure import Measured
from benchmarks.quality.orders import broken_rows, fill
from benchmarks.quality.quality_contract import contract_of
from benchmarks.quality.results import result_rows, summary, table_text
from benchmarks.quality.rules import RULES, more_rules
from tasks.run import stage_table
from tests.quick_spark import QUICK_JAVA

ROOT = Path(__file__).parents[2]
PLANTED = dict.fromkeys((rule.name for rule in RULES), 7)


def run(cpu, jobs=1):
    return {"cpu": cpu, "seconds": cpu / 2, "jobs": jobs}


def measured(name, mode, *cpu, broken=None):
    runs = [run(each) for each in cpu]
    return Measured(name, mode, runs, PLANTED if broken is None else broken)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    place = tmp_path_factory.mktemp("quality")
    sizes = ["--rows", "3000", "--rounds", "1", "--warm-ups", "0"]
    with pytest.MonkeyPatch.context() as patch:
        # Every JVM takes these from here: most of so small a run would be compiling.
        patch.setenv("JAVA_TOOL_OPTIONS", QUICK_JAVA)
        command.main([*sizes, "--subjects", "bare,strandline", "--output", str(place)])
    return json.loads((place / "quality.json").read_text(encoding="utf-8"))


def test_strandline_finds_what_postgresql_counts_in_the_one_job_that_writes(result):
    rows = {(row["subject"], row["mode"]): row for row in result["rows"]}
    own = rows["strandline", "same rules"]

    assert (own["differs"], own["failed"]) == ({}, None)
    assert [(row["jobs"], len(row["cpu"])) for row in rows.values()] == [(1, 1)] * 5
    assert 0 < own["rows_with_reasons"] < sum(result["planted"].values())
    assert own["ratio"] == pytest.approx(
        own["median_cpu"] / rows["bare", "write"]["median_cpu"], abs=0.001
    )
    assert result["targets"]["jobs"] == 1


def test_a_run_says_what_it_was_measured_on(result):
    assert set(result["machine"]) == {"cores", "memory_gib", "cpu", "system"}
    assert result["rows"][0]["versions"].keys() == {"pyspark"}
    assert (result["source_rows"], result["rounds"], result["warm_up_rounds"]) == (3_000, 1, 0)


def test_every_rule_is_broken_by_rows_of_the_source_and_kept_by_most(postgres):
    fill(postgres.dsn, 30_000)
    broken = broken_rows(postgres.dsn, RULES)

    assert list(broken) == [rule.name for rule in RULES]
    rows = {rule.name: broken[rule.name] for rule in RULES if rule.kind != "nulls"}
    assert all(0 < count < 600 for count in rows.values()), rows


@pytest.mark.parametrize("count", [20, 60, 120])
def test_more_rules_are_as_many_different_ones(count, tmp_path):
    rules = more_rules(count)

    assert len({rule.name for rule in rules}) == count
    said = {rule.sql for rule in rules if rule.kind != "required"}
    assert len(said) == sum(rule.kind != "required" for rule in rules)
    assert len(contract_of(rules, tmp_path).checks) == count


def test_the_contract_has_every_rule_as_a_check_of_that_name(tmp_path):
    contract = contract_of(RULES, tmp_path)

    assert {check.id for check in contract.checks} == {rule.name for rule in RULES}
    limited = {check.id for check in contract.checks if check.threshold is not None}
    assert limited == {rule.name for rule in RULES if rule.kind == "nulls"}


def test_the_stage_is_written_as_loads_write_it():
    assert subject._PROPERTIES == stage_table._PROPERTIES


def test_ratios_are_those_of_medians_and_costs_are_over_the_bare_write():
    rows = result_rows(
        [
            measured("bare", "write", 9.0, 4.0, 5.0, broken={}),
            measured("strandline", "same rules", 6.0, 20.0, 6.0),
            measured("dqx", "one pass", 9.0, 9.0, 9.0),
            measured("dqx", "cached", 10.0),
        ],
        PLANTED,
    )
    found = summary(rows)

    assert [(row["ratio"], row["cost"]) for row in rows] == [
        (1.0, 0.0), (1.2, 1.0), (1.8, 4.0), (2.0, 5.0),
    ]  # fmt: skip
    assert (found["over_bare"], found["over_bare_met"]) == (1.2, True)
    assert (found["best_peer"], found["best_peer_times"], found["best_peer_met"]) == (
        "dqx, one pass",
        4.0,
        True,
    )


def test_a_peer_that_names_no_rows_is_not_the_best_of_those_that_do():
    rows = result_rows(
        [
            measured("bare", "write", 5.0),
            measured("strandline", "same rules", 7.0),
            measured("pandera", "cached", 6.0),
        ],
        PLANTED,
    )

    assert summary(rows)["best_peer"] is None
    assert summary(rows)["over_bare_met"] is False


def test_another_count_than_planted_is_shown_and_a_pass_or_fail_is_compared_as_such():
    differing = {**PLANTED, "customer_required": 8}
    says_some = {**dict.fromkeys(PLANTED, True), "email_form": False}
    one, other = result_rows(
        [
            measured("dqx", "one pass", 5.0, broken=differing),
            measured("pandera", "cached", 5.0, broken=says_some),
        ],
        PLANTED,
    )

    assert one["differs"] == {"customer_required": {"expected": 7, "found": 8}}
    assert other["differs"] == {"email_form": {"expected": 7, "found": False}}
    assert "dqx, one pass: customer_required: 8 instead of 7" in table_text([one, other])


def test_a_subject_that_failed_is_a_row_with_its_reason():
    failed = replace(measured("dqx", "one pass"), failed="no such jar")
    (row,) = result_rows([failed], PLANTED)

    assert (row["failed"], row["median_cpu"], row["differs"]) == ("no such jar", None, None)
    assert "failed: no such jar" in table_text([row])


def test_an_unknown_subject_is_refused_with_the_known_ones():
    arguments = [sys.executable, "-m", "benchmarks.quality", "--subjects", "bare,gx"]
    outcome = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)

    assert outcome.returncode == 2
    assert "unknown subjects gx" in outcome.stderr
    assert "great_expectations" in outcome.stderr
