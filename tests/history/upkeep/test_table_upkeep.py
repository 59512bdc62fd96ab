"""Upkeep on real Iceberg tables: the history stays what it was, whatever is thrown away."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlparse

import pytest
from pyspark.sql import SparkSession

from contracts.errors import CommitConflictError, NotFoundError, SettingsError
from history import HistorySettings, load_changes
from history.iceberg import branches
from history.iceberg.current_snapshot import (
    _STATES,
    CurrentState,
    current_snapshot,
    current_state,
)
from history.iceberg.history_table import kept_events
from history.upkeep.compaction import CompactionLimits
from history.upkeep.snapshot_expiry import Retention
from history.upkeep.table_upkeep import UpkeepSettings, upkeep
from tests.history.reference import Event, history
from tests.history.values import rank

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SCHEMA = "key int, at int, tracked string, rest int, operation string, tie int"
SETTINGS = HistorySettings(
    key=("key",), sequence="at", tracked=("tracked",), operation="operation", tie_breaker=("tie",)
)
LATER = datetime.now(UTC) + timedelta(days=30)
"""When everything that a test has written is old."""
EAGER = UpkeepSettings(
    compaction=CompactionLimits(small_files=2, manifests=2),
    retention=Retention(keep_days=0, keep_at_least=1, unfinished_hours=24),
    orphans=False,
)


def load(spark: SparkSession, table: str, batch_id: str, *events: Event) -> None:
    rows = [(*e.key, e.at, *e.tracked, *e.rest, e.operation, *e.tie) for e in events]
    load_changes(
        spark,
        spark.createDataFrame(rows, SCHEMA),
        table,
        SETTINGS,
        batch_id=batch_id,
        batch_time=NOW,
        watermark=batch_id,
    )


def event(
    key: int, at: int, tracked: str | None, *, operation: str = "upsert", tie: int = 0
) -> Event:
    return Event((key,), at, (tracked,), (0,), operation, (tie,))


def told(events: list[Event]) -> list[tuple[object, ...]]:
    """The versions that the reference makes of the events."""
    versions, _, _ = history(events, rank)
    rows = [(*v.key, *v.tracked, *v.rest, v.start, v.end) for v in versions]
    return sorted(rows, key=lambda row: (row[0], row[3]))


def versions(spark: SparkSession, table: str):
    rows = spark.table(table).orderBy("key", "valid_from").collect()
    return [(r.key, r.tracked, r.rest, r.valid_from, r.valid_to) for r in rows]


def numbers(spark: SparkSession, table: str) -> list[int]:
    return sorted(row.surrogate_key for row in spark.table(table).select("surrogate_key").collect())


def published(spark: SparkSession, table: str) -> CurrentState | None:
    """The state as a process reads it that has not seen the table before."""
    _STATES.clear()
    return current_state(spark, table)


def snapshots(spark: SparkSession, table: str) -> int:
    return spark.table(f"{table}.snapshots").count()


FIRST = [event(key, 10, "a") for key in range(12)]
SECOND = [event(key, 20, "b" if key % 2 else "a") for key in range(12)]
THIRD = [
    event(1, 15, "late"),  # before the second batch's version of its key
    event(2, 30, None, operation="delete"),
    event(3, 30, "c"),
    event(4, 18, "a"),  # late, and says what is known: kept
    event(5, 20, "b"),  # a repeat of an event whose batch has expired
    event(50, 30, "n"),
]


@pytest.fixture(scope="module")
def saved(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A table after two batches, and a copy of its files as they were then."""
    spark.sql("CREATE NAMESPACE lake.upkeep")
    table = "lake.upkeep.t"
    load(spark, table, "b1", *FIRST)
    load(spark, table, "b2", *SECOND)
    copy = tmp_path_factory.mktemp("upkeep") / "copy"
    place = folder(spark, table).parent
    shutil.copytree(place, copy)
    yield table, copy
    shutil.rmtree(place)


@pytest.fixture
def loaded(spark: SparkSession, saved: tuple[str, Path]) -> str:
    """The table after two batches, its files put back as they were."""
    table, copy = saved
    place = folder(spark, table).parent
    shutil.rmtree(place)
    shutil.copytree(copy, place)
    return table


@pytest.mark.nightly
def test_loads_after_upkeep_give_the_history_they_would_have_given_without(spark, loaded):
    before = versions(spark, loaded)
    highest = max(numbers(spark, loaded))

    report = upkeep(spark, loaded, SETTINGS, now=LATER, care=EAGER)

    assert versions(spark, loaded) == before
    assert (report.rewritten > 0, report.manifests, report.snapshots_expired > 0) == (True,) * 3
    assert (report.after.data, report.after.deletes) < (report.before.data, report.before.deletes)
    assert snapshots(spark, loaded) == 1
    load(spark, loaded, "b3", *THIRD)
    assert versions(spark, loaded) == told([*FIRST, *SECOND, *THIRD])
    drawn = numbers(spark, loaded)
    assert len(set(drawn)) == len(drawn)
    state = published(spark, loaded)
    assert state.high_water == max(drawn) > highest
    # And again, with what that load left.
    upkeep(spark, loaded, SETTINGS, now=LATER, care=EAGER)
    fourth = [event(2, 40, "back"), event(1, 12, "later still"), event(4, 18, "z", tie=1)]
    load(spark, loaded, "b4", *fourth)
    assert versions(spark, loaded) == told([*FIRST, *SECOND, *THIRD, *fourth])
    assert len(set(numbers(spark, loaded))) == len(numbers(spark, loaded))


def test_what_the_next_load_looks_up_is_carried_on(spark, loaded):
    was = published(spark, loaded)

    upkeep(spark, loaded, SETTINGS, now=LATER, care=EAGER)

    state = published(spark, loaded)
    assert state.snapshot_id != was.snapshot_id
    pinned = "strandline.kept-snapshot-id"
    assert {**state.properties, pinned: ""} == {**was.properties, pinned: ""}
    assert state.batches == {"b2"}


def test_the_last_batch_is_known_by_its_id_and_earlier_ones_by_their_content(spark, loaded):
    upkeep(spark, loaded, SETTINGS, now=LATER, care=EAGER)
    before = versions(spark, loaded)
    assert published(spark, loaded).batches == {"b2"}

    load(spark, loaded, "b2", event(99, 1, "never seen"))
    assert versions(spark, loaded) == before
    load(spark, loaded, "b1", *FIRST)
    assert versions(spark, loaded) == before


def test_where_nothing_passed_a_limit_nothing_is_written(spark, loaded):
    upkeep(spark, loaded, SETTINGS, now=LATER, care=EAGER)
    tables = (loaded, kept_events(loaded))
    before = [current_snapshot(spark, table) for table in tables]
    metadata = [spark.table(f"{table}.metadata_log_entries").count() for table in tables]

    report = upkeep(spark, loaded, SETTINGS, now=LATER, care=EAGER)

    assert not report.did_something
    assert [current_snapshot(spark, table) for table in tables] == before
    assert [spark.table(f"{table}.metadata_log_entries").count() for table in tables] == metadata


@pytest.mark.nightly
def test_a_dry_run_says_what_would_be_done_and_does_not_do_it(spark, loaded):
    refs = spark.table(f"{kept_events(loaded)}.refs").count()
    count = snapshots(spark, loaded)

    told = upkeep(spark, loaded, SETTINGS, now=LATER, care=EAGER, dry_run=True)

    assert told.dry_run
    assert snapshots(spark, loaded) == count
    assert spark.table(f"{kept_events(loaded)}.refs").count() == refs
    done = upkeep(spark, loaded, SETTINGS, now=LATER, care=EAGER)
    assert (told.rewritten, told.manifests, told.before) == (
        done.rewritten,
        done.manifests,
        done.before,
    )
    assert told.snapshots_expired > 0


@pytest.mark.nightly
def test_only_partitions_that_passed_a_limit_are_rewritten(spark, lake_namespace):
    table = f"{lake_namespace}.t"
    load(spark, table, "b1", *[event(key, 10, "a") for key in range(40)])
    load(spark, table, "b2", event(1, 20, "b"))
    load(spark, table, "b3", event(100, 20, "b"))
    care = replace(EAGER, compaction=CompactionLimits(small_files=3, manifests=100))

    def files(flag: str) -> set[str]:
        rows = spark.table(f"{table}.files").where(f"content = 0 AND partition.is_current = {flag}")
        return {row.file_path for row in rows.collect()}

    still, open_ones = files("false"), files("true")
    assert (len(still), len(open_ones)) == (1, 3)

    report = upkeep(spark, table, SETTINGS, now=LATER, care=care)

    assert report.rewritten == 3
    assert files("false") == still
    assert len(files("true")) == 1
    assert not files("true") & open_ones


@pytest.mark.nightly
def test_one_file_with_many_deleted_rows_is_reason_enough_and_few_are_not(spark, lake_namespace):
    table = f"{lake_namespace}.t"
    load(spark, table, "b1", *[event(key, 10, "a") for key in range(20)])
    load(spark, table, "b2", event(1, 20, "b"))
    tolerant = replace(EAGER, compaction=CompactionLimits(small_files=9, delete_ratio=0.5))
    strict = replace(EAGER, compaction=CompactionLimits(small_files=9, delete_ratio=0.05))

    assert upkeep(spark, table, SETTINGS, now=LATER, care=tolerant, dry_run=True).rewritten == 0
    # A partition that has a worn file is written anew with its small ones.
    assert upkeep(spark, table, SETTINGS, now=LATER, care=strict).rewritten == 2
    assert spark.table(f"{table}.delete_files").count() == 0


@pytest.mark.nightly
def test_states_of_the_days_to_keep_stay_readable_with_their_kept_events(spark, loaded):
    old = published(spark, loaded)
    load(spark, loaded, "b3", *THIRD)
    seen = versions(spark, loaded)
    care = replace(EAGER, retention=Retention(keep_days=1, keep_at_least=1))

    report = upkeep(spark, loaded, SETTINGS, now=datetime.now(UTC), care=care)

    assert (report.snapshots_expired, report.tags_dropped) == (0, 0)
    then = spark.read.option("versionAsOf", str(old.snapshot_id)).table(loaded)
    assert then.count() == len(told([*FIRST, *SECOND]))
    assert old.kept_snapshot is not None
    pinned = spark.read.option("versionAsOf", str(old.kept_snapshot)).table(kept_events(loaded))
    assert pinned.count() > 0
    assert versions(spark, loaded) == seen


@pytest.mark.nightly
def test_the_newest_batches_stay_however_old_they_are(spark, loaded):
    old = published(spark, loaded)
    load(spark, loaded, "b3", *THIRD)
    care = replace(EAGER, retention=Retention(keep_days=0, keep_at_least=2))

    upkeep(spark, loaded, SETTINGS, now=LATER, care=care)

    state = published(spark, loaded)
    assert state.batches == {"b2", "b3"}
    then = spark.read.option("versionAsOf", str(old.snapshot_id)).table(loaded)
    assert then.count() == len(told([*FIRST, *SECOND]))
    assert (
        spark.read.option("versionAsOf", str(old.kept_snapshot)).table(kept_events(loaded)).count()
        > 0
    )


@pytest.mark.nightly
def test_the_state_that_held_when_the_days_to_keep_began_stays(spark, loaded):
    old = current_snapshot(spark, loaded)
    load(spark, loaded, "b3", *THIRD)
    made = spark.table(f"{loaded}.history").where(f"snapshot_id = {old}").collect()[0]
    then = made.made_current_at.astimezone(UTC) + timedelta(milliseconds=1)
    care = replace(EAGER, retention=Retention(keep_days=1, keep_at_least=1))

    upkeep(spark, loaded, SETTINGS, now=then + timedelta(days=1), care=care)

    assert spark.read.option("versionAsOf", str(old)).table(loaded).count() > 0


def test_what_crashed_loads_left_is_dropped_once_it_is_old(spark, loaded):
    kept = kept_events(loaded)
    head = current_snapshot(spark, loaded)
    pinned = spark.table(f"{kept}.snapshots").orderBy("committed_at").first()
    assert head is not None
    branches.create(spark, loaded, "audit_crashed", head)
    branches.append_rows(
        spark.table(loaded).limit(1), branches.branch_of(loaded, "audit_crashed"), {}
    )
    branches.create(spark, kept, "audit_crashed", pinned.snapshot_id)
    branches.append_rows(spark.table(kept).limit(0), branches.branch_of(kept, "audit_crashed"), {})
    left = branches.head(spark, kept, "audit_crashed")
    spark.sql(f"ALTER TABLE {kept} CREATE TAG kept_{left} AS OF VERSION {left}")
    before = versions(spark, loaded)

    young = upkeep(spark, loaded, SETTINGS, now=datetime.now(UTC), care=EAGER)
    old = upkeep(spark, loaded, SETTINGS, now=LATER, care=EAGER)

    assert (young.branches_dropped, young.tags_dropped) == (0, 0)
    assert old.branches_dropped == 2
    refs = {row.name for row in spark.table(f"{kept}.refs").collect()}
    assert f"kept_{left}" not in refs
    assert not [name for name in refs if name.startswith("audit_")]
    assert left not in {row.snapshot_id for row in spark.table(f"{kept}.snapshots").collect()}
    assert versions(spark, loaded) == before


def test_files_that_no_snapshot_knows_go_when_they_are_old(spark, loaded):
    care = replace(EAGER, orphans=True, retention=Retention())
    now = datetime.now(UTC)
    place = folder(spark, loaded)
    young, aged = place / "data" / "young.parquet", place / "data" / "aged.parquet"
    for path in (young, aged):
        path.write_bytes(b"PAR1")
    past = (now - timedelta(days=9)).timestamp()
    os.utime(aged, (past, past))

    report = upkeep(spark, loaded, SETTINGS, now=now, care=care)

    assert report.orphans == 1
    assert (young.exists(), aged.exists()) == (True, False)
    # Nothing was written for longer than files are spared: the directory is not listed again.
    aged.write_bytes(b"PAR1")
    os.utime(aged, (past, past))
    spark.sql(
        f"ALTER TABLE {loaded} SET TBLPROPERTIES "
        f"('strandline.orphans-looked-for-at' = '{(now + timedelta(days=8)).isoformat()}')"
    )
    assert upkeep(spark, loaded, SETTINGS, now=now, care=care).orphans == 0
    assert aged.exists()


def test_compaction_gives_way_to_a_load_that_publishes_meanwhile(spark, loaded, monkeypatch):
    real = branches.fast_forward

    def slow(session: SparkSession, table: str, branch: str) -> None:
        monkeypatch.setattr(branches, "fast_forward", real)
        load(spark, loaded, "b3", *THIRD)
        real(session, table, branch)

    monkeypatch.setattr(branches, "fast_forward", slow)
    with pytest.raises(CommitConflictError):
        upkeep(spark, loaded, SETTINGS, now=LATER, care=EAGER)

    state = published(spark, loaded)
    assert state.properties["strandline.watermark"] == "b3"
    assert versions(spark, loaded) == told([*FIRST, *SECOND, *THIRD])
    assert {row.name for row in spark.table(f"{loaded}.refs").collect()} == {"main"}


def test_a_table_that_was_never_loaded_is_not_found(spark, lake_namespace):
    with pytest.raises(NotFoundError):
        upkeep(spark, f"{lake_namespace}.nowhere", SETTINGS, now=NOW)


def test_a_retention_that_could_harm_a_running_load_is_refused():
    with pytest.raises(SettingsError):
        Retention(unfinished_hours=1)


def folder(spark: SparkSession, table: str) -> Path:
    rows = spark.sql(f"DESCRIBE EXTENDED {table}").collect()
    location = next(row.data_type for row in rows if row.col_name == "Location")
    return Path(urlparse(location).path)
