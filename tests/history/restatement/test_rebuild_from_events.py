"""Histories computed anew from their events: sound ones, broken ones, and under other settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contracts.errors import CommitConflictError, NotFoundError, SettingsError
from history import HistorySettings, load_changes
from history.audit.history_invariants import broken_rules
from history.iceberg.current_snapshot import WATERMARK, current_state
from history.iceberg.history_table import kept_events
from history.reading.published_snapshots import changed_rows, published_states
from history.reading.version_diff import difference
from history.restatement.rebuild_from_events import RebuildReport, batch_of, rebuild, write_rebuild
from history.restatement.rebuild_scope import RebuildScope
from history.write_audit_publish import audit_changes, publish_changes
from tests.history import convergence
from tests.history.examples import Example, Layout, drawn
from tests.history.layouts import RULES

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SCHEMA = "key int, at int, city string, size int, operation string"
SETTINGS = HistorySettings(key=("key",), sequence="at", tracked=("city",), operation="operation")
AT_ONCE = 0
MARK = "2024-04-30T00:00:00+00:00"


def unlike(
    spark: SparkSession, table: str, layout: Layout, lots: list[tuple[Example, int]], events: list
) -> list[str]:
    """The lots whose history in the table is not the reference's under the layout's settings."""
    found = convergence._outcomes(spark, table, layout, events)
    told = []
    for lot, (example, way) in enumerate(lots):
        expected = convergence._expected(layout, example)
        if not expected.fits(found[lot]):
            told.append(str(convergence.Difference(layout, example, way, expected, found[lot])))
    return told


def vandalise(spark: SparkSession, table: str) -> None:
    """Break each history of a table in some way that its events can mend."""
    names = ("id", "at", "valid_from", "valid_to", "is_current")
    key, at, start, end, flag = (f"`{name}`" for name in names)
    state = current_state(spark, table)
    assert state is not None
    kept = (
        f"(SELECT lot, {key}, {at} FROM {kept_events(table)} "  # noqa: S608
        f"VERSION AS OF {state.kept_snapshot} WHERE __op = 'upsert')"
    )
    spark.sql(f"INSERT INTO {table} SELECT * FROM {table} WHERE lot % 7 = 0")  # noqa: S608
    spark.sql(
        f"UPDATE {table} SET "  # noqa: S608
        f"{end} = CASE WHEN lot % 7 = 1 THEN NULL WHEN lot % 7 = 2 THEN {end} + 3 "
        f"WHEN lot % 7 = 6 THEN {at} ELSE {end} END, "
        f"{flag} = CASE WHEN lot % 7 = 1 THEN true WHEN lot % 7 = 3 THEN NOT {flag} "
        f"WHEN lot % 7 = 4 THEN NULL ELSE {flag} END, "
        f"{start} = CASE WHEN lot % 7 = 5 THEN {start} - 2 ELSE {start} END"
    )
    wrong = "THEN DELETE WHEN MATCHED THEN UPDATE SET t.`text` = 'vandal'"
    spark.sql(
        f"MERGE INTO {table} t USING {kept} s "
        f"ON t.lot = s.lot AND t.{key} = s.{key} AND t.{at} = s.{at} "
        f"WHEN MATCHED AND t.lot % 2 = 0 {wrong}"
    )


@pytest.mark.nightly
def test_a_history_is_a_function_of_its_events_and_its_settings_whatever_was_done_to_it(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    lots = [(example, AT_ONCE) for example in drawn(RULES, 150, batches=2)]
    events = convergence._load(spark, table, RULES, [each.batches(way) for each, way in lots])
    assert not unlike(spark, table, RULES, lots, events)
    before = current_state(spark, table)
    assert before is not None

    def again(layout: Layout, minute: int) -> RebuildReport:
        return rebuild(spark, table, layout.settings, time=NOW.replace(minute=minute))

    sound = again(RULES, 1)
    assert (sound.published, sound.snapshot_id) == (False, before.snapshot_id)
    assert sound.versions == spark.table(table).count()

    vandalise(spark, table)
    broken = broken_rules(spark.table(table), RULES.settings, tuple(RULES.columns)[:-1])
    names = ("one_current", "ends_after_start", "overlap", "flag_agrees", "surrogate_unique")
    assert min(broken.collect()[0][name] for name in names) > 0
    mended = again(RULES, 2)
    assert min(mended.added, mended.changed, mended.surplus) > 0
    assert not unlike(spark, table, RULES, lots, events)
    assert not again(RULES, 3).published

    # Of what opened versions, some no longer does; what was overwritten now opens them.
    other = replace(RULES, settings=replace(RULES.settings, tracked=("text", "rest")))
    restated = again(other, 4)
    assert min(restated.added, restated.removed, restated.kept) > 0
    assert not unlike(spark, table, other, lots, events)
    counts = broken_rules(spark.table(table), other.settings, tuple(RULES.columns)[:-1])
    assert set(counts.collect()[0]) == {0}


def load(
    spark: SparkSession, table: str, batch_id: str, *rows: tuple, settings=SETTINGS, watermark=MARK
):
    return load_changes(
        spark,
        spark.createDataFrame(rows, SCHEMA),
        table,
        settings,
        batch_id=batch_id,
        batch_time=NOW,
        watermark=watermark,
    )


FIRST = (
    *[(1, 1, "Ulm", 1, "upsert"), (1, 4, "Bonn", 1, "upsert"), (1, 6, "Bonn", 2, "upsert")],
    *[(2, 2, "Kiel", 1, "upsert"), (2, 5, None, None, "delete")],
    *[(3, 8, "Jena", 1, "upsert"), (3, 9, "Trier", 1, "upsert")],
)
VERSIONS = [
    *[(1, "Ulm", 1, 1, 4, False), (1, "Bonn", 2, 4, None, True)],
    (2, "Kiel", 1, 2, 5, False),
    *[(3, "Jena", 1, 8, 9, False), (3, "Trier", 1, 9, None, True)],
]


def found(spark: SparkSession, table: str) -> list[tuple]:
    columns = ("key", "city", "size", "valid_from", "valid_to", "is_current")
    rows = spark.table(table).select(*columns).orderBy("key", "valid_from").collect()
    return [tuple(row) for row in rows]


@pytest.fixture
def table(spark: SparkSession, lake_namespace: str) -> str:
    name = f"{lake_namespace}.t"
    load(spark, name, "b1", *FIRST)
    assert found(spark, name) == VERSIONS
    return name


def test_some_keys_are_rebuilt_by_name_by_condition_and_since_a_moment(
    spark: SparkSession, table: str
):
    spark.sql(f"UPDATE {table} SET valid_to = 7 WHERE is_current")  # noqa: S608
    broken = found(spark, table)
    first, third = spark.createDataFrame([(1,)], "key int"), F.col("key") >= 3

    by_name = rebuild(
        spark, table, SETTINGS, time=NOW.replace(hour=2), scope=RebuildScope(keys=first)
    )
    assert (by_name.instants, by_name.changed, by_name.published) == (3, 1, True)
    assert found(spark, table) == [*VERSIONS[:2], *broken[2:]]
    by_moment = rebuild(
        spark, table, SETTINGS, time=NOW.replace(hour=3), scope=RebuildScope(since=8)
    )
    assert (by_moment.instants, by_moment.changed) == (2, 1)
    assert found(spark, table) == VERSIONS
    again = rebuild(
        spark, table, SETTINGS, time=NOW.replace(hour=4), scope=RebuildScope(keys=third)
    )
    assert (again.instants, again.published) == (2, False)
    with pytest.raises(SettingsError):
        RebuildScope(keys=first, since=8)
    with pytest.raises(AnalysisException):
        rebuild(spark, table, SETTINGS, time=NOW, scope=RebuildScope(keys=F.col("city") == "Ulm"))
    with pytest.raises(NotFoundError):
        rebuild(spark, f"{table}_2", SETTINGS, time=NOW)


@pytest.mark.nightly
def test_a_rebuild_is_a_batch_that_moves_neither_the_watermark_nor_the_numbers_of_others(
    spark: SparkSession, table: str
):
    before = current_state(spark, table)
    numbers = spark.table(table).select("surrogate_key", "key", "valid_from").collect()
    spark.sql(f"UPDATE {table} SET valid_to = 7 WHERE is_current AND key = 3")  # noqa: S608
    batch = batch_of(table, SETTINGS, time=NOW)

    # Written, and read as a difference before anybody else sees it.
    drafted = write_rebuild(spark, batch, RebuildScope())
    audit_changes(spark, batch, drafted.written)
    now = current_state(spark, table)
    assert drafted.report.snapshot_id is not None
    frames = changed_rows(spark, table, now.snapshot_id, drafted.report.snapshot_id)
    told = difference(*frames, SETTINGS).collect()
    assert [(row.key, row.valid_from, row["__change"]) for row in told] == [(3, 9, "changed")]
    load(spark, table, "b2", (2, 7, "Kiel", 1, "upsert"), watermark="later")
    with pytest.raises(CommitConflictError):
        publish_changes(spark, batch, drafted.written)

    report = rebuild(spark, table, SETTINGS, time=NOW)
    after = current_state(spark, table)
    assert report.published
    assert report.batch_id == batch.id == "rebuild-20240501T000000000000Z"
    assert found(spark, table) == [*VERSIONS[:3], (2, "Kiel", 1, 7, None, True), *VERSIONS[3:]]
    assert after.properties[WATERMARK] == "later"
    assert after.high_water == before.high_water + 1
    assert after.batches == {"b1", "b2", batch.id}
    assert published_states(spark, table)[-1].batch_id == batch.id
    assert {*numbers} < {*spark.table(table).select("surrogate_key", "key", "valid_from").collect()}
    again = rebuild(spark, table, SETTINGS, time=NOW)
    assert (again.published, again.snapshot_id) == (False, after.snapshot_id)
    refs = spark.table(f"{table}.refs").where("type = 'BRANCH'").collect()
    assert [ref.name for ref in refs] == ["main"]
    late = load(spark, table, "b3", (1, 2, "Köln", 1, "upsert"), watermark="later")
    assert (late.opened, late.late) == (1, 1)


def test_other_tracked_columns_take_hold_by_a_rebuild_of_everything(
    spark: SparkSession, table: str
):
    wider = replace(SETTINGS, tracked=("city", "size"))
    fourth = (3, 10, "Trier", 2, "upsert")
    with pytest.raises(SettingsError, match="strandline rebuild"):
        load(spark, table, "b2", fourth, settings=wider)
    some = RebuildScope(keys=F.col("key") == 1)
    with pytest.raises(SettingsError, match="--all"):
        rebuild(spark, table, wider, time=NOW.replace(hour=1), scope=some)
    assert found(spark, table) == VERSIONS

    report = rebuild(spark, table, wider, time=NOW.replace(hour=2))
    load(spark, table, "b3", fourth, settings=wider)

    assert (report.added, report.changed) == (1, 1)
    assert found(spark, table) == [
        *[(1, "Ulm", 1, 1, 4, False), (1, "Bonn", 1, 4, 6, False), (1, "Bonn", 2, 6, None, True)],
        (2, "Kiel", 1, 2, 5, False),
        *[(3, "Jena", 1, 8, 9, False), (3, "Trier", 1, 9, 10, False)],
        (3, "Trier", 2, 10, None, True),
    ]
    with pytest.raises(SettingsError, match="strandline rebuild"):
        load(spark, table, "b4", (4, 1, "Ulm", 1, "upsert"))


@pytest.mark.nightly
def test_a_rebuild_knows_of_columns_that_came_later(spark: SparkSession, table: str):
    wider = f"{SCHEMA}, street string"
    rows = [(1, 6, "Bonn", 2, "upsert", "Markt"), (3, 10, "Trier", 1, "upsert", "Ring")]
    changes = spark.createDataFrame(rows, wider)
    load_changes(spark, changes, table, SETTINGS, batch_id="b2", batch_time=NOW)
    before = spark.table(table).orderBy("key", "valid_from").collect()
    assert [row.street for row in before if row.is_current] == ["Markt", "Ring"]

    assert not rebuild(spark, table, SETTINGS, time=NOW.replace(hour=1)).published
    spark.sql(f"UPDATE {table} SET street = NULL, valid_to = 7 WHERE is_current AND key = 3")  # noqa: S608
    assert rebuild(spark, table, SETTINGS, time=NOW.replace(hour=2)).changed == 1

    after = spark.table(table).orderBy("key", "valid_from").collect()
    assert [tuple(row) for row in after] == [tuple(row) for row in before]


@pytest.mark.nightly
def test_versions_of_one_instant_that_contradict_each_other_go_to_quarantine(
    spark: SparkSession, table: str
):
    spark.sql(
        f"INSERT INTO {table} SELECT surrogate_key, key, at, 'Metz', size, valid_from, valid_to, "  # noqa: S608
        f"is_current FROM {table} WHERE key = 3 AND at = 8"
    )

    report = rebuild(spark, table, SETTINGS, time=NOW)

    assert (report.refused, report.removed, report.surplus) == ({"decided": 2}, 1, 1)
    assert found(spark, table) == [*VERSIONS[:3], VERSIONS[4]]
    held = spark.table(f"{table}__quarantine").collect()
    assert sorted("Metz" in row.row for row in held) == [False, True]
    assert not rebuild(spark, table, SETTINGS, time=NOW.replace(hour=1)).published


def test_a_tracked_set_inside_the_fingerprint_can_not_be_changed(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.printed"
    printed = HistorySettings(
        key=("key",),
        sequence="at",
        tracked=("size",),
        fingerprint="city",
        operation="operation",
    )
    other = replace(printed, tracked=())
    load(spark, table, "b1", *FIRST, settings=printed)
    spark.sql(f"UPDATE {table} SET valid_to = 7 WHERE is_current AND key = 3")  # noqa: S608

    with pytest.raises(SettingsError, match="inside the fingerprint"):
        rebuild(spark, table, other, time=NOW)
    assert rebuild(spark, table, printed, time=NOW).changed == 1
    with pytest.raises(SettingsError, match="rebuild"):
        load(spark, table, "b2", (4, 1, "Ulm", 1, "upsert"), settings=other)
