"""Views, moments and differences on real tables, in a catalog with views and in one without."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from blocks.lakehouse import Lakehouse
from blocks.spark_runtime import SparkRuntime
from contracts.errors import NotFoundError
from history import HistorySettings, load_changes
from history.reading.point_in_time import as_of, current
from history.reading.published_snapshots import (
    changed_rows,
    published_states,
    read_state,
    state_at,
    state_before,
    state_named,
)
from history.reading.sql_views import create_views, current_view, open_as_of
from history.reading.version_diff import (
    APPEARED,
    CHANGE,
    CHANGED,
    CLOSED,
    VANISHED,
    difference,
    held_difference,
)
from history.upkeep.snapshot_expiry import Retention
from history.upkeep.table_upkeep import CompactionLimits, UpkeepSettings, upkeep
from tests.night import AT_NIGHT
from tests.quick_spark import QUICK, QUICK_JAVA

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SCHEMA = "key int, at timestamp, city string, rest int, operation string"
SETTINGS = HistorySettings(
    key=("key",), sequence="at", tracked=("city",), operation="operation", changed_at="changed_at"
)
FAR = HistorySettings(
    key=("key",),
    sequence="at",
    tracked=("city",),
    operation="operation",
    open_end=datetime(9999, 12, 31, tzinfo=UTC),
)


def hour(number: int) -> datetime:
    return datetime(2024, 1, 1, number, tzinfo=UTC)


def load(spark, table, batch_id, *rows, settings=SETTINGS):
    events = [(*row, *(0, "upsert")[len(row) - 3 :]) for row in rows]
    load_changes(
        spark,
        spark.createDataFrame(events, SCHEMA),
        table,
        settings,
        batch_id=batch_id,
        batch_time=NOW,
    )


def cities(frame: DataFrame) -> dict[int, str]:
    return {row.key: row.city for row in frame.collect()}


def changes(frame: DataFrame) -> set[tuple[int, datetime, str]]:
    return {
        (row.key, row.valid_from.astimezone(UTC), row[CHANGE])
        for row in frame.select("key", "valid_from", CHANGE).collect()
    }


@pytest.fixture(scope="module")
def table(spark: SparkSession):
    """Three batches: two keys; a change and a new key; a delete, a late event, a type-1 change."""
    spark.sql("CREATE NAMESPACE lake.reading")
    name = "lake.reading.people"
    load(spark, name, "b1", (1, hour(1), "Ulm"), (2, hour(1), "Bonn"), (9, hour(1), "Kiel"))
    load(spark, name, "b2", (1, hour(3), "Köln"), (3, hour(3), "Jena"))
    load(
        spark,
        name,
        "b3",
        (2, hour(4), None, 0, "delete"),
        (1, hour(2), "Trier"),
        (3, hour(5), "Jena", 7),
    )
    yield name
    for each in (name, f"{name}__kept_events"):
        spark.sql(f"DROP TABLE {each} PURGE")
    spark.sql("DROP NAMESPACE lake.reading")


def snapshot(spark, table, batch_id) -> int:
    found = state_named(published_states(spark, table), batch_id)
    assert found is not None
    return found.snapshot_id


def test_what_holds_and_what_held_at_a_moment(spark, table):
    versions = spark.table(table)

    assert cities(current(versions, SETTINGS)) == {1: "Köln", 3: "Jena", 9: "Kiel"}
    assert cities(as_of(versions, SETTINGS, hour(1))) == {1: "Ulm", 2: "Bonn", 9: "Kiel"}
    assert cities(as_of(versions, SETTINGS, hour(1) - timedelta(microseconds=1))) == {}
    # The start belongs to a version, the end does not.
    assert cities(as_of(versions, SETTINGS, hour(2)))[1] == "Trier"
    before = hour(2) - timedelta(microseconds=1)
    assert cities(as_of(versions, SETTINGS, before))[1] == "Ulm"
    assert 2 not in cities(as_of(versions, SETTINGS, hour(4)))


def test_an_open_end_of_9999_reads_like_one_of_null(spark, lake_namespace):
    name = f"{lake_namespace}.far"
    load(spark, name, "b1", (1, hour(1), "Ulm"), settings=FAR)

    versions = spark.table(name)
    assert versions.collect()[0].valid_to is not None
    assert cities(current(versions, FAR)) == {1: "Ulm"}
    assert cities(as_of(versions, FAR, datetime(9999, 12, 31, tzinfo=UTC))) == {1: "Ulm"}


def test_the_difference_of_two_states_names_what_became_of_each_version(spark, table):
    first, second, third = (snapshot(spark, table, batch) for batch in ("b1", "b2", "b3"))

    step = difference(*(read_state(spark, table, at) for at in (first, second)), SETTINGS)
    assert changes(step) == {
        (1, hour(1), CLOSED),
        (1, hour(3), APPEARED),
        (3, hour(3), APPEARED),
    }
    step = difference(*(read_state(spark, table, at) for at in (second, third)), SETTINGS)
    assert changes(step) == {
        (2, hour(1), CLOSED),
        (1, hour(1), CHANGED),  # its end moved to the late event
        (1, hour(2), APPEARED),
        (3, hour(3), CHANGED),  # a value was overwritten within the version
    }
    back = difference(*(read_state(spark, table, at) for at in (third, first)), SETTINGS)
    assert {(key, what) for key, _, what in changes(back)} == {
        (1, CHANGED),
        (1, VANISHED),
        (2, CHANGED),
        (3, VANISHED),
    }


PAIRS = [("b3", "b1"), ("b1", "b2"), ("b2", "b3"), ("b1", "b3")]


@pytest.mark.parametrize("pair", PAIRS if AT_NIGHT else PAIRS[:2])
def test_leaving_out_what_lies_in_the_same_place_changes_no_difference(spark, table, pair):
    ids = [snapshot(spark, table, batch) for batch in pair]
    whole = difference(*(read_state(spark, table, at) for at in ids), SETTINGS)

    before, after = changed_rows(spark, table, *ids)

    assert changes(difference(before, after, SETTINGS)) == changes(whole)


def test_of_a_small_change_few_rows_are_looked_at(spark, lake_namespace):
    name = f"{lake_namespace}.many"
    load(spark, name, "b1", *[(key, hour(1), "Ulm") for key in range(500)])
    load(spark, name, "b2", (7, hour(2), "Köln"), (8, hour(2), "Köln"))
    ids = [snapshot(spark, name, batch) for batch in ("b1", "b2")]

    before, after = changed_rows(spark, name, *ids)

    assert (before.count(), after.count()) == (2, 4)


@pytest.mark.nightly
def test_compaction_makes_no_difference(spark, lake_namespace):
    name = f"{lake_namespace}.packed"
    load(spark, name, "b1", (1, hour(1), "Ulm"), (2, hour(1), "Bonn"))
    load(spark, name, "b2", (1, hour(2), "Köln"))
    care = UpkeepSettings(
        compaction=CompactionLimits(small_files=2), retention=Retention(), orphans=False
    )
    assert upkeep(spark, name, SETTINGS, now=datetime.now(UTC), care=care).rewritten > 0

    known = published_states(spark, name)
    frames = changed_rows(spark, name, snapshot(spark, name, "b2"), known[-1].snapshot_id)
    since = changed_rows(spark, name, snapshot(spark, name, "b1"), known[-1].snapshot_id)

    assert changes(difference(*frames, SETTINGS)) == set()
    assert changes(difference(*since, SETTINGS)) == {(1, hour(1), CLOSED), (1, hour(2), APPEARED)}


def test_what_held_at_one_moment_against_another(spark, table):
    versions = spark.table(table)

    found = held_difference(versions, SETTINGS, hour(1), hour(4))
    assert changes(found) == {
        (1, hour(3), CHANGED),
        (2, hour(1), VANISHED),
        (3, hour(3), APPEARED),
    }
    assert changes(held_difference(versions, SETTINGS, hour(5), hour(6))) == set()


def test_a_key_that_went_and_came_back_saying_the_same_does_not_differ(spark, lake_namespace):
    name = f"{lake_namespace}.back"
    load(
        spark,
        name,
        "b1",
        (1, hour(1), "Ulm"),
        (1, hour(2), None, 0, "delete"),
        (1, hour(3), "Ulm"),
    )

    assert changes(held_difference(spark.table(name), SETTINGS, hour(1), hour(4))) == set()
    assert changes(held_difference(spark.table(name), SETTINGS, hour(1), hour(2))) == {
        (1, hour(1), VANISHED)
    }


def test_a_state_is_found_by_batch_snapshot_or_moment(spark, table):
    known = published_states(spark, table)

    # The empty first snapshot, then one state a batch: the half of a load is none.
    assert [state.batch_id for state in known] == [None, "b1", "b2", "b3"]
    second = state_named(known, "b2")
    assert second is not None
    assert state_named(known, str(second.snapshot_id)) == second
    assert state_named(known, "b9") is None
    assert state_at(known, second.published_at, where=table) == second
    just_before = second.published_at - timedelta(microseconds=1)
    assert state_at(known, just_before, where=table).batch_id == "b1"
    assert state_before(known, second) == state_named(known, "b1")
    with pytest.raises(NotFoundError, match="oldest"):
        state_at(known, hour(1), where=table)


def test_a_catalog_without_views_says_so_and_nothing_is_wrong(spark, table):
    assert create_views(spark, table, SETTINGS) is False


def test_the_session_view_reads_the_moment_from_a_variable(spark, table):
    session = spark.newSession()
    view = open_as_of(session, table, SETTINGS)

    found = []
    for at in ("01:00", "02:00", "05:00"):
        session.sql(f"SET VAR moment = TIMESTAMP '2024-01-01T{at}:00Z'")
        found.append(cities(session.table(view)).get(1))

    assert view == "people_as_of"
    assert found == ["Ulm", "Trier", "Köln"]


@pytest.fixture(scope="module")
def house(spark, postgres, tmp_path_factory) -> SparkSession:
    """A session on a catalog that keeps views."""
    folder = tmp_path_factory.mktemp("views")
    postgres.create_database("views")
    lakehouse = Lakehouse(
        catalog="views",
        warehouse=str(folder / "warehouse"),
        uri=f"jdbc:postgresql://{postgres.host}:{postgres.port}/views",
        user=postgres.user,
        password=postgres.password,
    )
    runtime = SparkRuntime(
        master="local[2]",
        log_directory=folder,
        shuffle_partitions=2,
        configuration={"spark.driver.extraJavaOptions": QUICK_JAVA, **QUICK},
    )
    return runtime.session(lakehouse)


def test_the_current_view_lies_in_the_catalog_and_follows_the_columns(house):
    house.sql("CREATE NAMESPACE views.crm")
    name = "views.crm.people"
    load(house, name, "b1", (1, hour(1), "Ulm"), (2, hour(1), "Bonn"))

    assert create_views(house, name, SETTINGS) is True
    made = house.sql(f"SHOW CREATE TABLE {current_view(name)}").collect()
    assert create_views(house, name, SETTINGS) is True
    load(house, name, "b2", (1, hour(2), "Köln"))
    assert cities(house.table(current_view(name))) == {1: "Köln", 2: "Bonn"}
    assert house.sql(f"SHOW CREATE TABLE {current_view(name)}").collect() == made
    house.sql(f"ALTER TABLE {name} DROP COLUMN rest")
    house.sql(f"ALTER TABLE {name} ADD COLUMN street string")
    assert create_views(house, name, SETTINGS) is True
    columns = house.table(current_view(name)).columns
    assert columns == house.table(name).columns
    assert "street" in columns
    assert cities(house.table(current_view(name))) == {1: "Köln", 2: "Bonn"}


DOCUMENT = (Path(__file__).parents[3] / "docs" / "reading.md").read_text(encoding="utf-8")
SNIPPET = re.compile(r"```sql\n(.*?)```(?:\n\n```\n(.*?)```)?", re.DOTALL)
WRITTEN_SNAPSHOT = "399845628055570027"


def test_what_the_document_says_of_spark_sql_is_so(house, capsys):
    house.sql("CREATE NAMESPACE IF NOT EXISTS views.documented")
    name = "views.documented.customers"
    settings = HistorySettings(
        key=("customer_id",), sequence="updated_at", tracked=("city",), operation="op"
    )
    schema = "customer_id int, updated_at timestamp, city string, op string"

    def load_day(batch, *rows):
        changes = house.createDataFrame(rows, schema)
        load_changes(house, changes, name, settings, batch_id=batch, batch_time=NOW)

    def may(number):
        return datetime(2024, 5, number, tzinfo=UTC)

    load_day(
        "monday",
        (1, may(1), "Ulm", "upsert"),
        (2, may(1), "Bonn", "upsert"),
        (3, may(2), "Kiel", "upsert"),
    )
    create_views(house, name, settings)
    load_day("tuesday", (1, may(4), "Jena", "upsert"), (2, may(5), None, "delete"))
    real = str(snapshot(house, name, "monday"))
    text = DOCUMENT.replace("lake.crm.", "views.documented.").replace(WRITTEN_SNAPSHOT, real)

    snippets = SNIPPET.findall(text)
    for query, printed in snippets:
        *before, last = [part for part in query.split(";") if part.strip()]
        for statement in before:
            house.sql(statement)
        capsys.readouterr()
        house.sql(last).show(truncate=False)
        shown = capsys.readouterr().out.strip()
        assert "|" in shown
        assert not printed or shown == printed.strip()
    assert len([printed for _, printed in snippets if printed]) == 5
    assert house.table("views.documented.customers_current").count() == 2
