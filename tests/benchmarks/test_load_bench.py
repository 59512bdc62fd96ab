from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import yaml
from pyspark.sql import functions as F

from benchmarks.commits import commit_of
from benchmarks.load.accounts import SPARK_DIGEST, Accounts, Changed
from benchmarks.load.case import KINDS, Case
from benchmarks.load.contract import target, write_contract
from benchmarks.load.measure import Measured
from benchmarks.load.results import result_rows, table_text
from contracts import model
from contracts.loader import load_contract

ROOT = Path(__file__).parents[2]
COLUMNS = {
    "id": "bigint", "name": "string", "city": "string", "email": "string",
    "balance": "decimal(12, 2)", "rate": "decimal(9, 4)", "born_on": "date", "active": "boolean",
    "created_at": "timestamp", "updated_at": "timestamp",
}  # fmt: skip


@pytest.fixture
def accounts(postgres):
    made = Accounts(postgres.dsn)
    made.fill(2_000)
    yield made
    made.close()


def rows_of(postgres):
    with psycopg.connect(postgres.dsn.get_secret_value()) as connection:
        return connection.execute("SELECT * FROM bench.accounts ORDER BY id").fetchall()


def said_of(frame):
    return tuple(frame.selectExpr(*SPARK_DIGEST).first())


def load(seconds, **steps):
    counts = dict.fromkeys(("rows_read", "refused", "opened", "closed", "memory_mb"), 0)
    return {"seconds": seconds, "steps": steps, **counts}


def measured(build, *seconds, found=("1",)):
    loads = [load(each, extract=each / 2) for each in seconds]
    return Measured(build, Case("full", 1_000, 10, 3), loads, found, ("1",))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("says_kind", [False, *([True] if hasattr(model, "SourceKind") else [])])
def test_the_contract_of_each_case_is_read_without_a_problem(kind, says_kind, tmp_path):
    case = Case(kind, 1_000, 10, 3)
    write_contract(tmp_path, case, says_kind=says_kind)

    contract = load_contract(tmp_path / f"{case.name}.yaml")

    assert contract.target == target(case)
    assert (contract.source.load, contract.history.absent) == (
        kind,
        "close" if kind == "full" else "keep",
    )


def test_a_build_from_before_the_word_finds_none_of_it(tmp_path):
    case = Case("full", 1_000, 10, 3)
    for says_kind in (False, True):
        write_contract(tmp_path, case, says_kind=says_kind)
        document = yaml.safe_load((tmp_path / f"{case.name}.yaml").read_text())
        (own,) = document["customProperties"]
        assert own["value"]["source"].get("kind") == ("state" if says_kind else None)


def test_no_key_changes_in_two_rounds_and_every_one_exists():
    cases = [Case(kind, 1_000, 40, 5) for kind in KINDS]
    numbers = [number for case in cases for number in case.numbers]
    chosen = [cases[0].chosen(number) for number in numbers]
    keys = [key for each in chosen for key in range(each["first"], each["last"] + 1, 25)]

    assert numbers == list(range(12))
    assert len(keys) == len(set(keys)) == 12 * 40
    assert (min(keys), max(keys) <= 1_000) == (1, True)


def test_rounds_that_would_change_a_key_twice_are_refused():
    with pytest.raises(ValueError, match="999 rows are too few"):
        Case("full", 999, 100, 4)


def test_a_round_of_a_full_load_brings_keys_and_takes_as_many(accounts, postgres):
    case = Case("full", 2_000, 100, 1)
    before = rows_of(postgres)

    changed = accounts.change(case, case.numbers[0])

    after = rows_of(postgres)
    assert changed == Changed(updated=80, deleted=10, inserted=10)
    assert len(after) == 2_000
    assert len(set(before) - set(after)) == 90
    assert {row[0] for row in after} - {row[0] for row in before} == {
        row[0] for row in after if row[0] > 2_000
    }


def test_a_round_of_an_incremental_load_changes_rows_and_dates_them_after_all_others(
    accounts, postgres
):
    case = Case("incremental", 2_000, 100, 1)
    before = rows_of(postgres)
    latest = max(row[-1] for row in before)

    changed = accounts.change(case, case.numbers[0])

    new = set(rows_of(postgres)) - set(before)
    assert changed == Changed(updated=100)
    assert len(new) == 100
    assert all(row[-1] > latest for row in new)


@pytest.fixture
def copied(accounts, postgres, spark):
    """The same rows as a frame of Spark's."""
    accounts.change(Case("full", 2_000, 100, 1), 0)
    zoned = [
        [each.replace(tzinfo=UTC) if isinstance(each, datetime) else each for each in row]
        for row in rows_of(postgres)
    ]
    schema = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    return spark.createDataFrame(zoned, schema)


def test_the_source_and_an_equal_table_say_the_same_of_themselves(accounts, copied):
    assert said_of(copied) == accounts.standing()


def test_a_table_that_differs_in_one_value_of_any_column_says_something_else(accounts, copied):
    others = {
        "id": "-id", "name": "name || 'x'", "city": "coalesce(city, '') || 'x'",
        "email": "'household-10@example.org'",  # as it was before the round
        "balance": "balance + 0.01BD",
        "rate": "coalesce(rate, 0BD) + 0.0001BD", "born_on": "born_on + 1", "active": "NOT active",
        "created_at": "created_at + interval '1' microsecond",
        "updated_at": "updated_at + interval '1' microsecond",
    }  # fmt: skip
    wanted = accounts.standing()

    found = {
        name: said_of(copied.withColumn(name, F.expr(f"if(id = 21, {other}, {name})")))
        for name, other in others.items()
    }

    assert list(others) == list(COLUMNS)
    assert [name for name, said in found.items() if said == wanted] == []


def test_a_ratio_is_of_medians_without_the_first_load_and_the_warm_up():
    rows = result_rows([measured("base", 40, 9, 2, 4, 3), measured("tree", 50, 9, 6, 3, 1)])
    base, tree = rows

    assert (tree["first_load_s"], tree["warm_up_s"], tree["runs"]) == (50, 9, [6, 3, 1])
    assert (tree["median_s"], tree["ratio"], tree["first_ratio"]) == (3, 1.0, 1.25)
    assert tree["aim"] == 1.10
    assert tree["steps_s"] == {"extract": 1.5}
    assert (base["ratio"], base["aim"]) == (None, None)


def test_the_table_says_which_build_is_not_what_the_source_is():
    one, other = measured("base", 40, 9, 2, 4, 3), measured("tree", 50, 9, 6, 3, 1)
    lines = table_text(result_rows([one, replace(other, found=("2",))])).splitlines()

    assert [line.endswith("NOT what the source is") for line in lines] == [False, False, True]


def test_a_commit_that_is_not_there_is_told():
    with pytest.raises(SystemExit, match="no commit nowhere"):
        commit_of("nowhere")


@pytest.mark.nightly
def test_a_run_keeps_a_row_a_case_and_build(tmp_path):
    small = ["--rows", "2000", "--changed", "100", "--rounds", "1", "--against", "HEAD"]
    module = [sys.executable, "-m", "benchmarks.load", *small, "--output", str(tmp_path)]
    subprocess.run(module, cwd=ROOT, check=True, timeout=800)
    document = json.loads((tmp_path / "load.json").read_text())

    assert {(row["load"], row["build"]) for row in document["rows"]} == {
        (kind, build) for kind in KINDS for build in ("tree", "base")
    }
    assert all(row["right"] and len(row["runs"]) == 1 for row in document["rows"])
    assert document["builds"]["base"]["commit"] == commit_of("HEAD")
