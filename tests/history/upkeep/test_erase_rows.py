"""Erased rows are in no file, and all that readers and loads know of the others is as before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlparse

import pytest
from pyspark.sql import functions as F

from contracts.errors import AuditError, CommitConflictError
from history.iceberg import branches
from history.iceberg.current_snapshot import current_state
from history.iceberg.history_table import kept_events
from history.restatement.rebuild_from_events import rebuild
from history.upkeep import erase_rows as engine
from history.upkeep.erase_rows import RowErasure, erase_rows, marked_rows
from history.upkeep.purge_states import (
    _location,
    foreign_refs,
    left_files,
    physical_rows,
    purge_history,
)
from tests.history.upkeep.test_table_upkeep import SETTINGS, event, load, told, versions

NOW = datetime(2024, 5, 1, tzinfo=UTC)
ADA, BO, CY = "AdaPell", "BoFinch", "CyRook"


def by_value(*values: str) -> RowErasure:
    """Rows with these values, whatever their key."""
    mark = F.when(F.col("tracked").isin(*values), F.col("tracked"))
    return RowErasure(lambda rows: rows.withColumn("who", mark), "who", whole_keys=False)


def by_key(*keys: int) -> RowErasure:
    mark = F.when(F.col("key").isin(*keys), F.col("key").cast("string"))
    return RowErasure(lambda rows: rows.withColumn("who", mark), "who", whole_keys=True)


def holding(spark, word: str, *tables: str) -> list[str]:
    """The files of the tables that hold the word, as it is or as a value of a data file."""
    found = []
    for table in tables:
        folder = Path(urlparse(_location(spark, table)).path)
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or path.suffix == ".crc":
                continue
            octets = path.read_bytes()
            if path.suffix == ".parquet":
                octets += str(spark.read.parquet(str(path)).collect()).encode()
            if word.encode() in octets:
                found.append(str(path.relative_to(folder)))
    return found


EVENTS = (
    event(1, 1, BO),
    event(1, 3, ADA),
    event(1, 4, ADA),  # opens no version, and is kept
    event(1, 6, BO),
    event(2, 1, ADA),
    event(2, 5, None, operation="delete"),
    event(3, 2, CY),
    event(4, 2, CY),
    event(4, 7, ADA),
)


@pytest.fixture
def table(spark, lake_namespace):
    """Three batches: open versions were closed by deletion vectors, events are kept beside."""
    name = f"{lake_namespace}.lots"
    for position in range(3):
        load(spark, name, f"b{position}", *EVENTS[position::3])
    return name


def test_a_person_is_gone_from_every_octet_and_others_are_as_they_were(spark, table):
    kept = kept_events(table)
    assert versions(spark, table) == told([*EVENTS])
    assert holding(spark, ADA, table)
    assert holding(spark, ADA, kept)
    before, erasure = current_state(spark, table), by_value(ADA)
    counted = marked_rows(spark, table, erasure)

    erased = erase_rows(spark, table, SETTINGS, erasure)
    physical = physical_rows(spark, table, current_state(spark, table).snapshot_id)
    assert physical.where(F.col("tracked") == ADA).count() == 0
    purged = purge_history(spark, table)

    assert erased.versions == counted.versions == {ADA: 3}
    assert erased.kept_events == counted.kept_events
    assert erased.kept_events[ADA] >= 1
    assert {row.key for row in erased.keys.collect()} == {1, 2, 4}
    assert versions(spark, table) == [
        (1, BO, 0, 1, 3),
        (1, BO, 0, 6, None),
        (3, CY, 0, 2, None),
        (4, CY, 0, 2, 7),
    ]
    assert holding(spark, ADA, table, kept) == []
    assert all(holding(spark, each, table) for each in (BO, CY))
    assert purged.snapshots >= 3
    assert left_files(spark, table).data == left_files(spark, table).manifests == ()
    assert left_files(spark, kept).data == left_files(spark, kept).manifests == ()
    after = current_state(spark, table)
    assert (after.batches, after.high_water) == ({"b2"}, before.high_water)
    assert after.properties.keys() == before.properties.keys()
    assert after.properties["strandline.watermark"] == "b2"
    # The gaps are those that deletes leave: the events that are left imply the same versions.
    assert not rebuild(spark, table, SETTINGS, time=NOW).published
    assert erase_rows(spark, table, SETTINGS, erasure).rows == 0


def test_a_key_whose_rows_are_all_of_one_person_leaves_nothing_behind(spark, table):
    erased = erase_rows(spark, table, SETTINGS, by_key(1, 2))
    purge_history(spark, table)

    assert erased.versions == {"1": 3, "2": 1}
    assert versions(spark, table) == told([*EVENTS[6:]])
    state = current_state(spark, table)
    rows = spark.read.option("versionAsOf", state.kept_snapshot).table(kept_events(table))
    assert rows.where(F.col("key").isin(1, 2)).count() == 0
    # A load goes on: late events take their place, new ones follow.
    more = (event(3, 1, BO), event(4, 9, BO), event(1, 9, CY))
    load(spark, table, "b3", *more)
    assert versions(spark, table) == told([*EVENTS[6:], *more])


def test_what_a_person_had_kept_is_told_and_goes_too(spark, table):
    state = current_state(spark, table)
    assert foreign_refs(spark, table) == ()
    spark.sql(f"ALTER TABLE {table} CREATE TAG audit_2024 AS OF VERSION {state.snapshot_id}")

    assert foreign_refs(spark, table) == (f"{table}: audit_2024",)
    erase_rows(spark, table, SETTINGS, by_value(ADA))
    assert holding(spark, ADA, table)
    purged = purge_history(spark, table)

    assert f"{table}: audit_2024" in purged.refs
    assert holding(spark, ADA, table, kept_events(table)) == []


def test_a_file_that_no_snapshot_knows_is_found(spark, table):
    folder = Path(urlparse(_location(spark, table)).path)
    (known, *_) = (folder / "data").rglob("*.parquet")
    (folder / "data" / "broken-off.parquet").write_bytes(known.read_bytes())

    erase_rows(spark, table, SETTINGS, by_value(ADA))
    purge_history(spark, table)

    (found,) = left_files(spark, table).data
    assert found.endswith("/data/broken-off.parquet")


def test_nothing_is_published_where_other_rows_changed_or_another_was_faster(
    spark, table, monkeypatch
):
    before = versions(spark, table)
    delete = engine._delete

    def too_much(run, leaving, target):
        delete(run, leaving, target)
        spark.sql(f"DELETE FROM {target} WHERE key = 3")  # noqa: S608

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_delete", too_much)
        with pytest.raises(AuditError, match="other rows as they were"):
            erase_rows(spark, table, SETTINGS, by_value(ADA))
    assert versions(spark, table) == before

    forward = branches.fast_forward
    with monkeypatch.context() as patch:

        def faster(*arguments):
            patch.undo()
            load(spark, table, "b3", event(9, 9, CY))
            return forward(*arguments)

        patch.setattr(engine.branches, "fast_forward", faster)
        with pytest.raises(CommitConflictError):
            erase_rows(spark, table, SETTINGS, by_value(ADA))
    assert versions(spark, table) == [*before, (9, CY, 0, 9, None)]
    assert {row.name for row in spark.table(f"{table}.refs").collect()} == {"main"}


def test_a_column_that_is_newer_than_the_kept_events_is_no_hindrance(spark, table):
    for each in (table, kept_events(table)):
        spark.sql(f"ALTER TABLE {each} ADD COLUMN remark STRING")
    before = versions(spark, table)

    erased = erase_rows(spark, table, SETTINGS, by_key(1))

    assert erased.kept_events["1"] >= 1
    assert versions(spark, table) == [row for row in before if row[0] != 1]
