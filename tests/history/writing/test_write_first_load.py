"""A large first load is written as it is planned, and is the same history as one that was held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from pyspark.sql import DataFrame, SparkSession

from contracts.errors import AuditError
from history import HistorySettings, LoadReport, load_changes
from history.audit.single_versions import broken_rules_of_single_versions
from history.iceberg.current_snapshot import current_state
from history.iceberg.history_table import kept_events
from history.iceberg.table_metadata import table_metadata
from history.model.recorded_source_reads import Read
from history.planning import first_load
from history.planning.key_range_pruning import KeyRange
from history.planning.merge_plan import MergePlan
from history.writing import write_first_load

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SCHEMA = "key string, at int, text string, number double, rest int, since int, op string, tie int"
SETTINGS = HistorySettings(
    key=("key",),
    sequence="at",
    tracked=("text", "number"),
    operation="op",
    tie_breaker=("tie",),
    first_valid_from="since",
    recorded_at="recorded_at",
)
Event = tuple[object, ...]


def events(number: int, *, share: bool = False) -> list[Event]:
    """Up to six events of each of 60 keys: deletes, values that come again, type-1 changes."""
    random = Random(number)  # noqa: S311
    told: list[Event] = []
    for key in range(60):
        instants = random.sample(range(100), random.choice((1, 1, 2, 3, 6)))
        for at in instants:
            text = random.choice(("a", "b", None))
            operation = random.choice(("upsert", "upsert", "upsert", None, "delete"))
            number_of = random.choice((0.0, float("nan")))
            since = random.choice((None, -5, at + 3))
            event = (f"k{key:02}", at, text, number_of, random.randrange(3), since, operation, 0)
            told.append(event)
            if share and random.random() < 0.1:
                told.append((*event[:2], "other", *event[3:7], 1))
    return random.sample(told, len(told))


def load(
    spark: SparkSession, table: str, rows: list[Event], batch: str = "first", **told: object
) -> LoadReport:
    changes = spark.createDataFrame(rows, SCHEMA)
    settings = told.pop("settings", SETTINGS)
    return load_changes(spark, changes, table, settings, batch_id=batch, batch_time=NOW, **told)


def versions(spark: SparkSession, table: str) -> list[tuple[object, ...]]:
    found = spark.table(table).drop("surrogate_key").collect()
    return sorted((tuple(map(repr, row)) for row in found), key=repr)


@pytest.fixture
def unheld(monkeypatch) -> list[bool]:
    """Notes of each load of any size whether it was written without being held."""
    monkeypatch.setattr(first_load, "MANY", 0)
    written, write = [], write_first_load.write_first_load

    def noted(*arguments, **told):
        result = write(*arguments, **told)
        written.append(result is not None)
        return result

    monkeypatch.setattr("history.write_audit_publish.write_first_load", noted)
    return written


@pytest.mark.parametrize("share", [False, True], ids=["instants of their own", "shared instants"])
def test_the_history_is_that_of_a_load_whose_plan_was_held(
    spark, lake_namespace, monkeypatch, unheld, share
):
    rows, late = events(1, share=share), events(2, share=True)
    here, there = f"{lake_namespace}.here", f"{lake_namespace}.there"

    report = load(spark, here, rows)
    monkeypatch.setattr(first_load, "MANY", 1_000_000)
    expected = load(spark, there, rows)

    assert unheld == [not share]
    assert report.counts() == expected.counts()
    assert versions(spark, here) == versions(spark, there)
    # What is kept shows when events come late.
    assert (load(spark, here, late, "late").opened, versions(spark, here)) == (
        load(spark, there, late, "late").opened,
        versions(spark, there),
    )
    assert current_state(spark, here).kept_snapshot is not None
    assert spark.table(kept_events(here)).schema == spark.table(kept_events(there)).schema


@pytest.fixture
def tried(monkeypatch) -> list[bool]:
    """Notes of each plan that is written whether it has each key with one event."""
    plans, plan = [], first_load.one_step_plan

    def noted(*arguments, alone, **told):
        plans.append(alone)
        return plan(*arguments, alone=alone, **told)

    monkeypatch.setattr(first_load, "one_step_plan", noted)
    return plans


def test_keys_with_one_event_each_are_planned_without_windows(
    spark, lake_namespace, monkeypatch, unheld, tried
):
    rows = [*{event[0]: event for event in events(6)}.values()]
    here, there = f"{lake_namespace}.here", f"{lake_namespace}.there"

    report = load(spark, here, rows)
    monkeypatch.setattr(first_load, "MANY", 1_000_000)
    expected = load(spark, there, rows)

    assert (unheld, tried) == ([True], [True])
    assert report.deleted > 0 < report.opened
    assert report.counts() == expected.counts()
    assert versions(spark, here) == versions(spark, there)
    kept = [spark.table(kept_events(table)).collect() for table in (here, there)]
    assert sorted(map(repr, kept[0])) == sorted(map(repr, kept[1]))


@pytest.mark.parametrize("share", [False, True], ids=["instants of their own", "shared instants"])
def test_a_wrong_guess_is_dropped_and_planned_anew(
    spark, lake_namespace, monkeypatch, unheld, tried, share
):
    monkeypatch.setattr(first_load, "are_probably_alone", lambda *_: True)
    rows = events(1, share=share)
    here, there = f"{lake_namespace}.here", f"{lake_namespace}.there"

    report = load(spark, here, rows)
    monkeypatch.setattr(first_load, "MANY", 1_000_000)
    expected = load(spark, there, rows)

    assert (unheld, tried) == ([not share], [True, False])
    assert report.counts() == expected.counts()
    assert versions(spark, here) == versions(spark, there)
    metadata = table_metadata(spark, here)
    assert [name for name, ref in metadata.refs.items() if ref.is_branch] == ["main"]


@pytest.mark.parametrize(("keys", "alone"), [(1_000, True), (950, True), (930, False), (1, False)])
def test_about_as_many_keys_as_events_are_taken_for_one_each(keys, alone):
    assert first_load.are_probably_alone(keys, 1_000) is alone


def test_its_numbers_are_unique_and_the_greatest_is_recorded(spark, lake_namespace, unheld):
    table = f"{lake_namespace}.t"

    first = load(spark, table, events(3))
    second = load(spark, table, [("k99", 1, "a", 0.0, 0, None, None, 0)], "second")

    numbers = [row.surrogate_key for row in spark.table(table).collect()]
    assert unheld == [True]
    assert len({*numbers}) == len(numbers) == first.opened + 1
    assert second.surrogate_high_water == first.surrogate_high_water + 1 == max(numbers)


def test_its_batch_is_named_and_its_refused_rows_are_kept_once(spark, lake_namespace, unheld):
    table = f"{lake_namespace}.t"
    rows = [
        *events(4),
        (None, 1, "a", 0.0, 0, None, None, 0),
        ("k", None, "a", 0.0, 0, None, None, 0),
    ]

    report = load(spark, table, rows, watermark="9")
    again = load(spark, table, rows, watermark="9")

    assert unheld == [True]
    assert report.refused == {"key_present": 1, "sequence_present": 1}
    assert spark.table(f"{table}__quarantine").count() == 2
    assert (again.replayed, again.published, again.opened) == (True, False, report.opened)
    metadata = table_metadata(spark, table)
    assert [name for name, ref in metadata.refs.items() if ref.is_branch] == ["main"]
    assert report.files_written > 0


def test_a_read_of_a_state_is_written_so_too(spark, lake_namespace, unheld, tried, monkeypatch):
    table, held = f"{lake_namespace}.t", f"{lake_namespace}.held"
    settings = HistorySettings(
        key=("key",), sequence="seen_at", stamp="stamp", tracked=("text",), first_valid_from="born"
    )
    rows = [
        (f"k{at:03}", NOW - timedelta(hours=at), NOW - timedelta(hours=30), "a") for at in range(50)
    ]
    rows += [("ahead", NOW + timedelta(hours=3), None, "b"), ("unstamped", None, None, "c")]
    columns = "key string, stamp timestamp, born timestamp, text string"
    state = spark.createDataFrame(rows, columns)
    read = Read(at=NOW + timedelta(hours=1), full=True)

    report = load_changes(spark, state, table, settings, batch_id="b", batch_time=NOW, read=read)
    monkeypatch.setattr(first_load, "MANY", 1_000_000)
    load_changes(spark, state, held, settings, batch_id="b", batch_time=NOW, read=read)

    assert (unheld, tried) == ([True], [True])
    assert (report.opened, spark.table(table).where("is_current").count()) == (52, 52)
    starts = {row.valid_from for row in spark.table(table).select("valid_from").collect()}
    # Born 30 hours ago, and 19 stamps before that; two have no stamp to be believed.
    assert len(starts) == 1 + 19 + 1
    assert versions(spark, table) == versions(spark, held)


def test_a_fault_of_what_was_written_is_found_and_nothing_is_published(
    spark, lake_namespace, unheld, monkeypatch
):
    table = f"{lake_namespace}.t"
    append = write_first_load.branches.append_in_order

    def append_twice(rows: DataFrame, target: str) -> None:
        append(rows.unionByName(rows.limit(1)), target)

    monkeypatch.setattr(write_first_load.branches, "append_in_order", append_twice)
    with pytest.raises(AuditError, match="rows_appended"):
        load(spark, table, events(5))

    assert spark.table(table).count() == 0
    assert load_after_fault(spark, table, monkeypatch, append).opened > 0


def load_after_fault(spark, table, monkeypatch, append) -> LoadReport:
    monkeypatch.setattr(write_first_load.branches, "append_in_order", append)
    return load(spark, table, events(5))


SINGLE = HistorySettings(key=("key",), sequence="at")
RIGHT = [(1, 5, "a", 5, None, True), (2, 6, "b", 6, None, True), (3, 7, None, 7, None, True)]
FAULTS = {
    "none": (RIGHT, {}),
    "a version that begins before its event": ([(1, 5, "a", 3, None, True), *RIGHT[1:]], {}),
    "another value": ([(1, 5, "A", 5, None, True), *RIGHT[1:]], {"upserts_stand": 1}),
    "a value of another key": (
        [(1, 5, "b", 5, None, True), (2, 6, "a", 6, None, True), RIGHT[2]],
        {"upserts_stand": 1},
    ),
    "null for text": ([*RIGHT[:2], (3, 7, "", 7, None, True)], {"upserts_stand": 1}),
    "a key that is missing": (RIGHT[:2], {"upserts_stand": 1}),
    "a key that comes twice": ([*RIGHT, RIGHT[0]], {"upserts_stand": 1, "one_current": 1}),
    "a version that begins late": (
        [(1, 5, "a", 6, None, True), *RIGHT[1:]],
        {"upserts_stand": 1},
    ),
    "no flag": ([(1, 5, "a", 5, None, None), *RIGHT[1:]], {"flag_agrees": 1}),
    "an end": (
        [(1, 5, "a", 5, 8, False), *RIGHT[1:]],
        {"flag_agrees": 1, "only_deletes_leave_gaps": 1},
    ),
}


KEYS = {"numbers": ("int", int), "numbers far apart": ("bigint", lambda key: key**40 - 2**62)}
KEYS |= {"negative numbers": ("tinyint", lambda key: -key), "text": ("string", str)}


@pytest.mark.parametrize(("kind", "key_of"), KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(("rows", "broken"), FAULTS.values(), ids=FAULTS)
def test_versions_that_are_one_for_each_key_are_compared_with_the_events(
    spark, rows, broken, kind, key_of
):
    told = [(key_of(key), at, text, "upsert") for key, at, text, *_ in RIGHT]
    read = spark.createDataFrame(told, f"key {kind}, at int, text string, __op string")
    planned = MergePlan(
        first_load.events_as_planned(read, SINGLE), {}, ("key", "at", "text"), (),
        KeyRange("key"), SINGLE,
    )  # fmt: skip
    written = spark.createDataFrame(
        [(key_of(key), *rest) for key, *rest in rows],
        f"key {kind}, at int, text string, valid_from int, valid_to int, is_current boolean",
    )

    found = broken_rules_of_single_versions(written, planned)

    assert {rule: count for rule, count in found.items() if count} == broken
