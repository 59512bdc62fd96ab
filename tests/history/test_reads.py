"""A table that is read as it is now: what each read finds, and what its history is then."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import NamedTuple

import pytest

from contracts.errors import MassClosingError, SchemaDriftError, SettingsError
from history import ClosingLimit, HistorySettings, Read, load_changes
from history.iceberg.current_snapshot import current_state
from history.iceberg.table_properties import recorded_source_kind
from history.restatement.rebuild_from_events import rebuild

STATE = HistorySettings(
    key=("story", "id"), sequence="read_at", stamp="updated_at", tracked=("v",), operation="op"
)
EVENTS = HistorySettings(key=("story", "id"), sequence="updated_at", tracked=("v",), operation="op")
FIELDS = "story string, id int, v string, note string, updated_at timestamp, op string"
DAY = datetime(2024, 1, 1, tzinfo=UTC)
READS = (10, 11, 12, 13)
NUMBERS = count()


def at(hour: float | None) -> datetime | None:
    return None if hour is None else DAY + timedelta(hours=hour)


class Row(NamedTuple):
    """A row of the source: its value, its stamp in hours, and what else a load knows of it."""

    v: str
    stamp: float | None
    op: str = "upsert"
    note: str = ""


class Story(NamedTuple):
    """What the four reads find of one key (None: nothing), and its versions: value, start, end."""

    found: tuple[Row | tuple[Row, ...] | None, ...]
    versions: tuple[tuple[str, float, float | None], ...]


A, B = Row("a", 9), Row("b", 10.5)
STORIES = {
    "a change holds from its stamp": Story((A, B, B, B), (("a", 9, 10.5), ("b", 10.5, None))),
    "the stamp was left alone": Story(
        (A, Row("b", 9), Row("b", 9), Row("b", 9)), (("a", 9, 11), ("b", 11, None))
    ),
    "a transaction that committed late keeps its stamp": Story(
        (A, A, Row("b", 9.5), Row("b", 9.5)), (("a", 9, 9.5), ("b", 9.5, None))
    ),
    "a stamp before the start of what it replaces": Story(
        (A, Row("b", 3), Row("b", 3), Row("b", 3)), (("a", 9, 11), ("b", 11, None))
    ),
    "a stamp ahead of the clock": Story(
        (Row("a", 99), Row("b", 98), Row("b", 98), Row("b", 11.5)), (("a", 10, 11), ("b", 11, None))
    ),
    "a row without a stamp": Story(
        (Row("a", None), Row("a", None), Row("b", None), A),
        (("a", 10, 12), ("b", 12, 13), ("a", 13, None)),
    ),
    "a key that vanishes once comes back": Story((A, None, A, A), (("a", 9, 11), ("a", 12, None))),
    "a key that comes back with a stamp after the gap began": Story(
        (A, None, None, Row("a", 11.5)), (("a", 9, 11), ("a", 11.5, None))
    ),
    "a key that comes and goes": Story((None, A, None, B), (("a", 9, 12), ("b", 13, None))),
    "a key that goes for good": Story((A, B, None, None), (("a", 9, 10.5), ("b", 10.5, 12))),
    "there and back again": Story(
        (A, B, A, Row("a", 12.5)), (("a", 9, 10.5), ("b", 10.5, 12), ("a", 12, None))
    ),
    "a stamp that moves without a change": Story(
        (A, Row("a", 10.5), Row("b", 10.7), Row("b", 10.7)),
        (("a", 9, 10.7), ("b", 10.7, None)),
    ),
    "two rows of one key": Story((A, (B, Row("c", 10.6)), A, A), (("a", 9, None),)),
    "two rows of one key, then one": Story(
        (A, (B, Row("c", 10.6)), B, B), (("a", 9, 10.5), ("b", 10.5, None))
    ),
    "two equal rows of one key": Story((A, (B, B), B, B), (("a", 9, 10.5), ("b", 10.5, None))),
    "a row that leaves the filter": Story(
        (A, Row("a", 10.5, "delete"), Row("a", 10.5, "delete"), A),
        (("a", 9, 10.5), ("a", 13, None)),
    ),
    "a row that leaves the filter with its stamp left alone": Story(
        (A, Row("a", 9, "delete"), Row("b", 11.5), Row("b", 11.5)),
        (("a", 9, 11), ("b", 11.5, None)),
    ),
    "a value that is overwritten": Story(
        (A, Row("a", 9, note="n"), Row("a", 9, note="m"), B), (("a", 9, 10.5), ("b", 10.5, None))
    ),
    "a row that never belonged": Story((Row("a", 9, "delete"),) * 4, ()),
}


def rows_of(read: int) -> list[tuple[object, ...]]:
    found = {name: story.found[READS.index(read)] for name, story in STORIES.items()}
    return [
        (name, 1, row.v, row.note, at(row.stamp), row.op)
        for name, told in found.items()
        for row in (() if told is None else (told,) if isinstance(told, Row) else told)
    ]


def observed(spark, table, hour, rows, *, settings=STATE, **read):
    told = Read(at=at(hour), full=read.pop("full", True), low=at(read.pop("low", None)))
    return load_changes(
        spark,
        spark.createDataFrame(rows, FIELDS),
        table,
        settings,
        batch_id=f"read-{next(NUMBERS)}",
        batch_time=datetime.now(UTC),
        read=told,
        **read,
    )


def versions_of(frame) -> dict[str, list[tuple[str, float, float | None]]]:
    told: dict[str, list[tuple[str, float, float | None]]] = {}

    def hour(moment: datetime | None) -> float | None:
        return None if moment is None else (moment.replace(tzinfo=UTC) - DAY) / timedelta(hours=1)

    for row in frame.orderBy("valid_from").collect():
        version = (row.v, hour(row.valid_from), hour(row.valid_to))
        told.setdefault(row.story, []).append(version)
    return told


@pytest.fixture(scope="module")
def in_order(spark, module_namespace):
    table = f"{module_namespace}.in_order"
    for read in READS:
        observed(spark, table, read, rows_of(read))
    return table


@pytest.fixture(scope="module")
def out_of_order(spark, module_namespace):
    table = f"{module_namespace}.out_of_order"
    for read in (12, 10, 13, 11):
        observed(spark, table, read, rows_of(read))
    return table


@pytest.mark.parametrize("name", STORIES)
def test_the_history_of_a_key_is_what_its_reads_have_found(spark, in_order, name):
    assert versions_of(spark.table(in_order)).get(name, []) == list(STORIES[name].versions)


@pytest.mark.parametrize("name", STORIES)
def test_the_order_in_which_reads_are_loaded_changes_nothing(spark, out_of_order, name):
    assert versions_of(spark.table(out_of_order)).get(name, []) == list(STORIES[name].versions)


def test_a_version_says_at_which_read_it_was_first_seen(spark, in_order):
    rows = spark.table(in_order).where("valid_from = read_at").collect()
    assert {row.story for row in rows} >= {
        "the stamp was left alone",
        "a stamp ahead of the clock",
        "a row without a stamp",
    }
    assert "a change holds from its stamp" not in {row.story for row in rows}


def test_the_same_read_again_changes_nothing(spark, in_order):
    before = current_state(spark, in_order)
    report = observed(spark, in_order, 13, rows_of(13))
    assert not report.published
    assert current_state(spark, in_order).snapshot_id == before.snapshot_id


def test_a_read_that_changes_nothing_is_remembered_without_a_snapshot(spark, in_order):
    before = current_state(spark, in_order)
    report = observed(spark, in_order, 14, rows_of(13))
    after = current_state(spark, in_order)
    assert not report.published
    assert after.snapshot_id == before.snapshot_id
    assert after.last_read.at == at(14)


def test_a_rebuild_of_a_sound_table_changes_nothing(spark, in_order):
    assert not rebuild(spark, in_order, STATE, time=at(20)).published


def test_an_incremental_read_says_nothing_of_what_it_does_not_bring(spark, lake_namespace):
    table = f"{lake_namespace}.t"
    first = [("s", 1, "a", "", at(9), "upsert"), ("s", 2, "a", "", at(9), "upsert")]
    observed(spark, table, 10, first, full=False)
    # It asked for stamps from 10 on, so it did not see the second key, and saw none that was gone.
    observed(spark, table, 12, [("s", 1, "b", "", at(11), "upsert")], full=False, low=10)
    late = [("s", 1, "c", "", at(10.2), "upsert"), ("s", 2, "c", "", at(10.1), "upsert")]
    observed(spark, table, 10.5, late, full=False, low=9.5)
    told = {(r.id, r.v, r.is_current) for r in spark.table(table).collect()}
    assert told == {
        (1, "a", False), (1, "c", False), (1, "b", True), (2, "a", False), (2, "c", True),
    }  # fmt: skip


def test_a_date_dates_and_a_number_does_not(spark, lake_namespace):
    def load(name, kind, *stamps):
        settings = HistorySettings(key=("id",), sequence="read_at", stamp="s", tracked=("v",))
        for hour, (value, stamp) in zip((10, 36), stamps, strict=True):
            load_changes(
                spark,
                spark.createDataFrame([(1, value, stamp)], f"id int, v string, s {kind}"),
                f"{lake_namespace}.{name}",
                settings,
                batch_id=str(hour),
                batch_time=at(hour),
                read=Read(at=at(hour), full=True),
            )
        rows = spark.table(f"{lake_namespace}.{name}").orderBy("valid_from").collect()
        return [row.valid_from.replace(tzinfo=UTC) for row in rows]

    one, two = date(2024, 1, 1), date(2024, 1, 2)
    assert load("coarse", "date", ("a", one), ("b", one)) == [at(0), at(36)]
    assert load("days", "date", ("a", one), ("b", two)) == [at(0), at(24)]
    assert load("numbers", "bigint", ("a", 1), ("b", 2)) == [at(10), at(36)]


def test_a_read_that_would_close_too_much_stops_until_it_is_accepted(spark, lake_namespace):
    table = f"{lake_namespace}.t"
    rows = [("s", number, "a", "", at(9), "upsert") for number in range(40)]
    limit = ClosingLimit(percent=10, rows=3)
    observed(spark, table, 10, rows, closing=limit)
    observed(spark, table, 11, rows[3:], closing=limit)
    before = current_state(spark, table)
    with pytest.raises(MassClosingError) as caught:
        observed(spark, table, 12, rows[9:], closing=limit)
    assert "6 open keys" in caught.value.found
    assert "--closing-limit 6" in caught.value.next_step
    assert current_state(spark, table).snapshot_id == before.snapshot_id
    kept = spark.table(f"{table}__quarantine").where("reasons[0].check = 'mass_closing'")
    assert kept.count() == 6
    with pytest.raises(MassClosingError):
        observed(spark, table, 12, rows[9:], closing=ClosingLimit(rows=3, at_most=5))
    accepted = observed(spark, table, 13, rows[9:], closing=ClosingLimit(rows=3, at_most=6))
    assert accepted.closed == 6
    # Those that come back are open again.
    assert observed(spark, table, 14, rows, closing=limit).opened == 9


def test_a_table_of_changes_goes_on_as_one_that_is_read(spark, lake_namespace):
    """With what its stamps have done to it mended by the first read."""
    table = f"{lake_namespace}.t"

    def changed(hour, *rows):
        frame = spark.createDataFrame(
            [("s", number, value, "", at(stamp), op) for number, value, stamp, op in rows], FIELDS
        )
        load_changes(spark, frame, table, EVENTS, batch_id=f"c{hour}", batch_time=at(hour))

    changed(
        2,
        *[(1, "a", 1, "upsert"), (2, "a", 1, "upsert"), (3, "a", 1, "upsert")],
        *[(4, "a", 1, "upsert"), (5, "a", 90, "upsert"), (5, "b", 95, "upsert")],
    )
    # Closed by absence at our clock; changed under its stamp, which took the version out.
    changed(3, (2, None, 3, "delete"), (3, "b", 1, "upsert"), (4, "b", 2, "upsert"))
    assert recorded_source_kind(spark, table) == "events"
    observed(
        spark,
        table,
        10,
        [
            ("s", number, value, "", at(stamp), "upsert")
            for number, value, stamp in [
                *[(1, "a", 1), (2, "a", 1), (3, "b", 1), (4, "b", 2), (5, "c", 95)]
            ]
        ],
    )
    assert recorded_source_kind(spark, table) == "state"
    rows = spark.table(table).where("is_current").orderBy("id").collect()
    assert [(row.id, row.v) for row in rows] == [
        (1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c"),
    ]  # fmt: skip
    starts = [row.valid_from.replace(tzinfo=UTC) for row in rows]
    assert starts == [at(1), at(10), at(1), at(2), at(10)]
    assert not rebuild(spark, table, STATE, time=at(20)).published
    with pytest.raises(SchemaDriftError):
        changed(4, (1, "z", 4, "upsert"))


def test_reads_and_changes_are_not_mixed_up(spark, lake_namespace):
    frame = spark.createDataFrame([], FIELDS)
    for settings, read in ((STATE, None), (EVENTS, Read(at=at(1), full=True))):
        with pytest.raises(SettingsError):
            load_changes(
                spark,
                frame,
                f"{lake_namespace}.t",
                settings,
                batch_id="b",
                batch_time=at(1),
                read=read,
            )


def test_events_that_contradict_a_published_version_take_it_back_and_the_report_says_so(
    spark, lake_namespace
):
    table = f"{lake_namespace}.t"
    for hour, value in ((1, "a"), (2, "b")):
        report = load_changes(
            spark,
            spark.createDataFrame([("s", 1, value, "", at(1), "upsert")], FIELDS),
            table,
            EVENTS,
            batch_id=value,
            batch_time=at(hour),
        )
    assert (report.withdrawn, report.closed, report.opened) == (1, 1, 0)
    assert report.refused == {"decided": 2}
    assert spark.table(table).count() == 0
