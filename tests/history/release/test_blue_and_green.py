"""Green begins as a copy, is compared, is published by one commit, and is taken back by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.errors import SchemaDriftError, SettingsError, TableBusyError
from history import Batch, HistorySettings, load_changes
from history.iceberg.current_snapshot import WATERMARK, current_state
from history.iceberg.history_table import kept_events
from history.release.compare_histories import compare_histories
from history.release.green_table import copy_history, create_green, drop_green
from history.release.promote_green import (
    batch_of_release,
    keep_way_back,
    move_back,
    publish_promotion,
    records_of,
    write_promotion,
)
from history.release.release_record import (
    Release,
    ReleaseState,
    refuse_during_release,
    release_of,
    write_record,
)
from history.release.routed_views import drop_shares, write_shares

SETTINGS = HistorySettings(key=("id",), sequence="at", tracked=("city",), operation="op")
NOW = datetime(2024, 5, 1, tzinfo=UTC)
COLUMNS = "id int, city string, visits int, at timestamp, op string"


def day(number: int) -> datetime:
    return datetime(2024, 4, number, tzinfo=UTC)


def load(spark, table, name, *rows, columns=COLUMNS, settings=SETTINGS, until=30):
    return load_changes(
        spark,
        spark.createDataFrame(list(rows), columns),
        table,
        settings,
        batch_id=name,
        batch_time=NOW,
        watermark=day(until).isoformat(),
    )


def release(table: str, **changes) -> Release:
    begun = Release(
        id="r1", state=ReleaseState.STARTING, table=table, contract="visits",
        text="a: secret token", version="2.0.0",
        version_before="1.0.0", code="1", seed="history", started_at="",
        started_by="Ada", reason="a new column", key=("id",), same_key=True,
    )  # fmt: skip
    return replace(begun, **changes)


def started(spark, table) -> Release:
    begun = release(table)
    create_green(spark, begun, spark.table(table).schema, format_version=3)
    copy_history(spark, begun, current_state(spark, table), SETTINGS, {})
    return begun


def rows(spark, table, *columns):
    frame = spark.table(table)
    names = columns or [name for name in frame.columns if name != "surrogate_key"]
    return sorted(tuple(map(str, row)) for row in frame.select(*names).collect())


def kept(spark, table):
    pinned = str(current_state(spark, table).kept_snapshot)
    frame = spark.read.option("versionAsOf", pinned).table(kept_events(table))
    return sorted(tuple(map(str, row)) for row in frame.collect())


FIRST = (
    (1, "Ghent", 1, day(1), "upsert"),
    (2, "Ghent", 1, day(1), "upsert"),
    (2, "Ghent", 5, day(2), "upsert"),
    (3, "Ghent", 1, day(1), "upsert"),
    (3, None, None, day(3), "delete"),
)


def promoted(spark, table, name="r1", settings=SETTINGS):
    batch = Batch(
        table=table, settings=settings, id=batch_of_release(name), time=NOW, quarantine=""
    )
    green = f"{table}__green"
    written = write_promotion(spark, batch, green, current_state(spark, table), {})
    return publish_promotion(spark, batch, green, written), written


def test_a_copy_equals_its_table_and_loads_go_on_in_both(spark, lake_namespace):
    table = f"{lake_namespace}.visits"
    load(spark, table, "first", *FIRST)
    begun = started(spark, table)

    assert rows(spark, begun.green) == rows(spark, table)
    assert rows(spark, begun.green, "surrogate_key", "id") == rows(
        spark, table, "surrogate_key", "id"
    )
    assert kept(spark, begun.green) == kept(spark, table) != []
    assert release_of(spark, table) == begun
    late = (2, "Bruges", 4, datetime(2024, 4, 1, 12, tzinfo=UTC), "upsert")
    for each in (table, begun.green):
        load(spark, each, "second", late)
    found = compare_histories(spark, table, begun.green, SETTINGS, random=())
    assert (found.differences, found.left_out, found.blue) == (0, 0, found.green)
    assert found.blue.versions == 5


def test_a_second_release_and_a_change_beside_a_release_are_refused(spark, lake_namespace):
    table = f"{lake_namespace}.visits"
    load(spark, table, "first", *FIRST)
    spark.sql(f"CREATE TABLE {table}__green (id int) USING iceberg")
    with pytest.raises(SettingsError, match="no release made"):
        started(spark, table)
    with pytest.raises(SettingsError, match="no release made"):
        drop_green(spark, table)
    spark.sql(f"DROP TABLE {table}__green")
    begun = started(spark, table)

    with pytest.raises(TableBusyError, match="started by Ada"):
        started(spark, table)
    with pytest.raises(SettingsError, match="rollback visits"):
        refuse_during_release(spark, table, "a person is erased")
    assert write_record(spark, begun, failure="why").failure == "why"
    # This catalog keeps no views: there is nobody to shift, and nothing to take back.
    assert not write_shares(spark, begun, ["nurse"])
    drop_shares(spark, table)
    drop_green(spark, table)
    drop_green(spark, table)
    assert release_of(spark, table) is None
    refuse_during_release(spark, table, "a person is erased")


def test_what_differs_is_named_by_column_and_later_keys_are_left_out(spark, lake_namespace):
    table = f"{lake_namespace}.visits"
    load(spark, table, "first", *FIRST, until=10)
    begun = started(spark, table)
    load(spark, table, "second", (4, "Lille", 1, day(9), "upsert"), until=10)
    load(spark, table, "third", (2, "Lille", 1, day(20), "upsert"), until=20)
    spark.sql(f"UPDATE {begun.green} SET city = upper(city) WHERE id = 1")  # noqa: S608
    columns = COLUMNS.replace("visits int", "visits int, phone string")
    load(
        spark,
        begun.green,
        "own",
        (1, "GHENT", 7, None, day(8), "upsert"),
        columns=columns,
        until=10,
    )

    found = compare_histories(spark, table, begun.green, SETTINGS, random=("visits",))

    assert found.compared_until == day(10)
    assert (found.left_out, found.only_in_blue, found.only_in_green) == (1, 1, 0)
    assert (found.differing, dict(found.columns)) == (1, {"city": 1})
    assert (found.only_green_columns, found.not_compared) == (("phone",), ("visits",))
    assert (found.blue.keys, found.green.keys) == (3, 2)


def test_green_is_published_by_one_commit_and_taken_back_by_one(spark, lake_namespace):
    table = f"{lake_namespace}.visits"
    load(spark, table, "first", *FIRST, until=10)
    begun = started(spark, table)
    columns = COLUMNS.replace("visits int", "visits bigint, phone string")
    load(spark, table, "second", (4, "Lille", 1, day(9), "upsert"), until=10)
    load(
        spark, begun.green, "own",
        (4, "LILLE", 1, "1", day(9), "upsert"), (4, None, None, None, day(11), "delete"),
        (5, "PARIS", 1, "2", day(8), "upsert"),
        columns=columns, until=12,
    )  # fmt: skip
    spark.sql(f"DELETE FROM {begun.green} WHERE id = 1")  # noqa: S608
    before, records = current_state(spark, table), records_of(spark, table)
    names = ("id", "city", "visits", "at", "valid_from", "valid_to", "is_current")
    blue, numbers = rows(spark, table, *names), rows(spark, table, "id", "at", "surrogate_key")
    states = spark.table(f"{table}.history").count()

    keep_way_back(spark, table, "r1", before.snapshot_id)
    snapshot, written = promoted(spark, table)

    assert spark.table(f"{table}.history").count() == states + 1
    assert (written.added, written.changed, written.removed) == (1, 1, 1)
    assert rows(spark, table) == rows(spark, begun.green)
    published = rows(spark, table, "id", "at", "surrogate_key")
    assert [each for each in published if each[0] != "5"] == [e for e in numbers if e[0] != "1"]
    assert len({each[2] for each in published}) == len(published)
    after = current_state(spark, table)
    assert (after.snapshot_id, after.batches) == (snapshot, before.batches | {"release-r1"})
    assert after.properties[WATERMARK] == day(12).isoformat()
    # Stopped after it was published: tried again, it changes nothing.
    assert promoted(spark, table)[1].head is None
    # A late event finds what was kept, and the number of no version is given twice.
    late = (2, "BRUGES", 4, "3", datetime(2024, 4, 1, 12, tzinfo=UTC), "upsert")
    load(spark, table, "later", late, columns=columns)
    assert ("2", "BRUGES") in rows(spark, table, "id", "city")

    move_back(spark, table, before.snapshot_id, records, SETTINGS)

    assert rows(spark, table, *names) == blue
    assert records_of(spark, table) == records
    assert current_state(spark, table).batches == before.batches
    load(spark, table, "later", late[:3] + late[4:], until=12)
    assert ("2", "BRUGES") in rows(spark, table, "id", "city")


@pytest.mark.parametrize(
    ("columns", "settings", "why"),
    [
        (COLUMNS.replace("visits int", "visits string"), SETTINGS, "visits"),
        (
            COLUMNS.replace("id int", "number int"),
            replace(SETTINGS, key=("number",)),
            "number: new",
        ),
    ],
)
def test_another_type_or_key_is_refused_before_anything_is_written(
    spark, lake_namespace, columns, settings, why
):
    table = f"{lake_namespace}.visits"
    load(spark, table, "first", *FIRST)
    row = (1, "Ghent", "1" if "visits string" in columns else 1, day(1), "upsert")
    load(spark, f"{table}__green", "own", row, columns=columns, settings=settings)
    before = spark.table(f"{table}.snapshots").count()

    with pytest.raises(SchemaDriftError, match=why):
        promoted(spark, table, settings=settings)

    assert spark.table(f"{table}.snapshots").count() == before
