"""The process is killed after each write of a load; the next run leaves what nobody disturbed."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from history.iceberg.current_snapshot import current_state
from history.iceberg.history_table import exists, kept_events
from history.upkeep.snapshot_expiry import Retention
from history.upkeep.table_upkeep import UpkeepSettings, upkeep
from tests.history.crashing import SETTINGS, batch, load
from tests.history.reference import history
from tests.history.values import rank

ROOT = Path(__file__).parents[2]
FIRST, LATER = 1, 2
"""Batches by number: one that makes the tables, and one that finds them."""
MOST = 40


def killed(warehouse: Path, table: str, number: int, write: int) -> str | None:
    """After which write the load died; None: it had fewer and ended."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "tests.history.killed_engine"),
            *(str(warehouse), table, str(number), str(write)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if run.returncode == 0:
        return None
    assert run.returncode == -signal.SIGKILL, run.stderr[-2000:]
    return run.stdout.strip()


def versions(spark: SparkSession, table: str) -> list[tuple[object, ...]]:
    if not exists(spark, table):
        return []
    rows = spark.table(table).collect()
    return sorted((r.key, r.valid_from, r.tracked, r.rest, r.valid_to) for r in rows)


def told(last: int) -> list[tuple[object, ...]]:
    """The versions that the reference makes of all batches up to one."""
    events = [event for number in range(1, last + 1) for event in batch(number)]
    found, _, _ = history(events, rank)
    return sorted((*v.key, v.start, *v.tracked, *v.rest, v.end) for v in found)


def check(spark: SparkSession, warehouse: Path, table: str, number: int, write: int) -> str | None:
    for earlier in range(1, number):
        load(spark, table, earlier)

    where = killed(warehouse, table, number, write)
    between = versions(spark, table)
    load(spark, table, number)

    assert between in (told(number - 1), told(number)), where
    assert versions(spark, table) == told(number), where
    assert spark.table(f"{table}__quarantine").count() == number, where
    keys = [row.surrogate_key for row in spark.table(table).collect()]
    assert len(set(keys)) == len(keys), where
    for each in (table, kept_events(table)):
        refs = spark.table(f"{each}.refs").where("type = 'BRANCH'").collect()
        assert [ref.name for ref in refs] == ["main"], where
    return where


def assert_nothing_left(spark: SparkSession, table: str) -> None:
    """Upkeep leaves the one tag that the published state needs."""
    care = UpkeepSettings(retention=Retention(keep_days=0, keep_at_least=1), orphans=False)
    upkeep(spark, table, SETTINGS, now=datetime.now(UTC) + timedelta(days=30), care=care)
    state = current_state(spark, table)
    assert state is not None
    tags = spark.table(f"{kept_events(table)}.refs").where("type = 'TAG'").collect()
    assert [tag.name for tag in tags] == [f"kept_{state.kept_snapshot}"]


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("number", "writes"),
    [(FIRST, range(1, MOST)), (LATER, range(1, MOST))],
)
def test_a_load_killed_after_a_write_is_made_good(
    spark: SparkSession,
    warehouse: Path,
    lake_namespace: str,
    number: int,
    writes: range,
    record_property,
):
    moments = []
    for write in writes:
        table = f"{lake_namespace}.t{write}"
        where = check(spark, warehouse, table, number, write)
        if where is None:
            break
        assert_nothing_left(spark, table)
        moments.append(where)

    record_property("killed after", ", ".join(moments))
    assert {
        "iceberg.branches.append_rows",
        "iceberg.branches.fast_forward",
        "writing.quarantine_table.append_to_quarantine",
    } <= set(moments)
    assert len(moments) < len(writes), "the load has more writes than were tried"
