"""Records are replaced or removed with all that is theirs, and nothing else changes."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from contracts.errors import AuditError, CommitConflictError
from history.iceberg.history_table import kept_events
from history.upkeep.forget_states import ForgottenStates, forget_states
from history.upkeep.replace_records import (
    RecordReplacement,
    ReplacedRows,
    new_key,
    replace_records,
)
from tests.history.upkeep.test_erase_rows import ADA, CY, holding
from tests.history.upkeep.test_erase_rows import EVENTS as PEOPLE
from tests.history.upkeep.test_table_upkeep import event, load, published, snapshots, versions

FIRST = [event(1, 10, "a"), event(2, 10, "b"), event(3, 10, "c")]
SECOND = [
    event(1, 20, "d"),
    event(2, 15, None, operation="delete"),
    event(3, 12, "c"),
    event(2, 12, "b"),
]


def loaded(spark, name):
    load(spark, name, "b1", *FIRST)
    load(spark, name, "b2", *SECOND)
    return name


@pytest.fixture
def table(spark, lake_namespace):
    return loaded(spark, f"{lake_namespace}.t")


@pytest.fixture(scope="module")
def shared(spark, module_namespace):
    """The same, for tests that publish nothing."""
    return loaded(spark, f"{module_namespace}.t")


def kept(spark, table):
    snapshot = published(spark, table).kept_snapshot
    rows = spark.read.option("versionAsOf", snapshot).table(kept_events(table))
    return sorted((row.key, row.at, row.tracked) for row in rows.collect())


def replacing(spark, *, replaced=lambda rows: rows, new=-1):
    return RecordReplacement(
        key=("key",),
        records=spark.createDataFrame([(2, new)], f"key int, {new_key('key')} int"),
        new_keys=("key",),
        replaced=replaced,
        emptied=("tracked",),
    )


def run(spark, table, replacement, before_publish=lambda rows: None):
    state = published(spark, table)
    return replace_records(
        spark, table, replacement, state, run_id="r1", before_publish=before_publish
    )


def test_a_record_is_replaced_in_both_tables_and_older_states_go_but_later_ones_stay(spark, table):
    before, kept_before, state = versions(spark, table), kept(spark, table), published(spark, table)
    told = []

    run(spark, table, replacing(spark), told.append)

    assert versions(spark, table) == [(-1, None, *each[2:]) for each in before if each[0] == 2] + [
        each for each in before if each[0] != 2
    ]
    theirs = [each for each in kept_before if each[0] == 2]
    assert told == [ReplacedRows(1, len(theirs))]
    assert theirs
    assert kept(spark, table) == sorted(
        [(-1, at, None) for _, at, _ in theirs] + [each for each in kept_before if each[0] != 2]
    )
    now = published(spark, table)
    assert (now.batches, now.high_water) == (state.batches, state.high_water)
    assert now.properties["strandline.watermark"] == "b2"

    load(spark, table, "b3", event(3, 30, "e"))
    after = versions(spark, table)
    count = snapshots(spark, table)
    forgotten = forget_states(spark, table)

    assert forgotten.pinned == 0
    assert snapshots(spark, table) < count
    ids = {row.snapshot_id for row in spark.table(f"{table}.snapshots").collect()}
    assert now.snapshot_id in ids
    assert state.snapshot_id not in ids
    assert versions(spark, table) == after
    assert forget_states(spark, table) == ForgottenStates()
    load(spark, table, "b4", event(3, 5, "early"), event(1, 40, "f"))
    assert len(versions(spark, table)) == len(after) + 2


def test_a_record_is_removed_and_a_state_that_somebody_named_is_counted(spark, table):
    first = published(spark, table).snapshot_id
    spark.sql(f"ALTER TABLE {table} CREATE TAG `audit_2026` AS OF VERSION {first}")
    before = versions(spark, table)
    records = spark.createDataFrame([(2,)], "key int")

    run(spark, table, RecordReplacement(key=("key",), records=records))

    assert versions(spark, table) == [each for each in before if each[0] != 2]
    assert not [each for each in kept(spark, table) if each[0] == 2]
    assert forget_states(spark, table, dry_run=True).pinned == 1
    assert forget_states(spark, table).pinned == 1


@pytest.mark.parametrize(
    ("replaced", "new", "what"),
    [
        (lambda rows: rows.withColumn("rest", F.lit(7)), -1, "as they may be"),
        (lambda rows: rows.limit(0), -1, "as they may be"),
        (lambda rows: rows, 3, "of other records"),
    ],
    ids=["another value", "a row less", "the key of another record"],
)
def test_what_is_not_as_it_should_be_is_not_published(spark, shared, replaced, new, what):
    before = versions(spark, shared)
    refs = [row.name for row in spark.table(f"{shared}.refs").collect()]

    with pytest.raises(AuditError, match=what):
        run(spark, shared, replacing(spark, replaced=replaced, new=new))

    assert versions(spark, shared) == before
    assert [row.name for row in spark.table(f"{shared}.refs").collect()] == refs


def test_a_load_that_publishes_meanwhile_is_not_lost(spark, table):
    with pytest.raises(CommitConflictError):
        run(
            spark,
            table,
            replacing(spark),
            lambda _rows: load(spark, table, "b3", event(3, 30, "e")),
        )
    assert [each[1] for each in versions(spark, table) if each[0] == 3] == ["c", "e"]


def test_no_file_of_either_table_has_a_value_of_a_record_that_is_gone(spark, lake_namespace):
    name = f"{lake_namespace}.people"
    for position in range(3):
        load(spark, name, f"b{position}", *PEOPLE[position::3])
    # Records 2 and 4 alone are about her; of 1 she has versions too.
    records = spark.createDataFrame([(1,), (2,), (4,)], "key int")
    assert holding(spark, ADA, name)
    assert holding(spark, ADA, kept_events(name))

    run(spark, name, RecordReplacement(key=("key",), records=records))
    forget_states(spark, name)

    assert holding(spark, ADA, name, kept_events(name)) == []
    assert holding(spark, CY, name)
