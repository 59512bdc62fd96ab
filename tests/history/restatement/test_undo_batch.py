"""Batches taken back: each of random histories, and the cases that a person would meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

import pytest
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from contracts.errors import NotFoundError
from history import HistorySettings, Read, load_changes
from history.iceberg.current_snapshot import WATERMARK, current_state
from history.restatement.rebuild_from_events import rebuild
from history.restatement.undo_batch import undo
from history.upkeep.purge_states import purge_history
from tests.history import convergence
from tests.history.examples import LOT, SERIAL, Example, Row, drawn, event_of, layout
from tests.history.layouts import RULES
from tests.history.reference import Event
from tests.history.test_reads import FIELDS as READ_COLUMNS
from tests.history.test_reads import READS, at, rows_of, versions_of
from tests.history.test_reads import STATE as READS_STATE
from tests.history.values import STRING, Kind, rank
from tests.night import AT_NIGHT

NOW = datetime(2024, 5, 1, tzinfo=UTC)
BATCHES = 3
BY_BATCH = layout(
    "by_batch",
    {**RULES.kinds, "batch": Kind(STRING.arrow, st.just(""))},
    key=("id",),
    sequence="at",
    tracked=("text", "number", "moment", "labels"),
    tie_breaker=("log",),
    first_valid_from="born",
    carried=("batch",),
)
MINUTES = count()


def load(
    spark: SparkSession, table: str, lots: list[list[list[Row]]], prefix: str, serials: list[Row]
) -> None:
    """Loads batch after batch, of all lots; appends the rows to `serials`."""
    for number, batch in enumerate(zip(*lots, strict=True)):
        rows = [
            {**row, LOT: lot, "batch": f"{prefix}{number}"}
            for lot, b in enumerate(batch)
            for row in b
        ]
        rows = [{**row, SERIAL: at} for at, row in enumerate(rows, len(serials))]
        serials += rows
        load_changes(
            spark,
            convergence.frame(spark, BY_BATCH, rows),
            table,
            BY_BATCH.settings,
            batch_id=f"{prefix}{number}",
            batch_time=NOW,
        )


def in_batches(example: Example, number: int) -> list[list[list[Row]]]:
    """Its events in their order, at random with repetitions, and at random, each once."""
    ways = [[*map(list, example.batches(way))] for way in (1, 3)]
    for again in range(2):
        chosen = Random(2 * number + again)  # noqa: S311
        lot: list[list[Row]] = [[] for _ in range(BATCHES)]
        for event in example.events:
            chosen.choice(lot).append(event)
        ways.append(lot)
    return ways


def first_of(batches: list[list[Row]]) -> dict[Event, int]:
    """The batch that brought each event first."""
    first: dict[Event, int] = {}
    for number, batch in enumerate(batches):
        for row in batch:
            first.setdefault(event_of(BY_BATCH, row), number)
    return first


def is_forgotten(batches: list[list[Row]], undone: int) -> bool:
    """Whether a later batch brought what the table had from the batch, or what lost to that.

    The table does not store it: it comes again only when it is read again.
    """
    first = first_of(batches)
    mine = [event for event, number in first.items() if number == undone and event.accepted]
    later = [event_of(BY_BATCH, row) for batch in batches[undone + 1 :] for row in batch]
    for event in (each for each in later if each.accepted):
        for own in mine:
            if (own.key, own.at) != (event.key, event.at):
                continue
            ties = [[rank(value) for value in each.tie] for each in (event, own)]
            if event == own or ties[0] < ties[1]:
                return True
    return False


def unlike(
    spark: SparkSession,
    table: str,
    lots: list[list[list[Row]]],
    left_out: int,
    serials: list[Row],
    only: set[int],
) -> Iterator[str]:
    """The lots whose versions are not those of the reference without the batch."""
    found = convergence._outcomes(spark, table, BY_BATCH, serials)
    for lot, batches in enumerate(lots):
        rows = [row for number, batch in enumerate(batches) if number != left_out for row in batch]
        example = Example(tuple(rows), ((tuple(range(len(rows))),),))
        expected = convergence._expected(BY_BATCH, example)
        if lot in only and (expected.versions != found[lot].versions or found[lot].wrong):
            seen = replace(found[lot], refused=expected.refused)
            yield (
                str(convergence.Difference(BY_BATCH, example, 0, expected, seen))
                + "\n"
                + "\n".join(f"batch {n}: {b}" for n, b in enumerate(batches))
                + f"\nundone {left_out}"
            )


def test_each_batch_of_random_histories_taken_back_leaves_those_of_the_others(
    spark: SparkSession, lake_namespace: str, record_property
):
    table = f"{lake_namespace}.t"
    examples = drawn(BY_BATCH, 250 if AT_NIGHT else 40, batches=BATCHES)
    lots = [lot for number, each in enumerate(examples) for lot in in_batches(each, number)]
    serials: list[Row] = []
    load(spark, table, lots, "b", serials)
    loaded = current_state(spark, table)
    assert loaded is not None
    compared = 0
    chosen = range(BATCHES) if AT_NIGHT else (1,)
    for undone in chosen:
        exact = {lot for lot, batches in enumerate(lots) if not is_forgotten(batches, undone)}
        compared += len(exact)
        report = undo(
            spark,
            table,
            BY_BATCH.settings,
            undone=f"b{undone}",
            batch_column="batch",
            time=NOW + timedelta(minutes=next(MINUTES)),
        )
        assert min(report.events, report.removed, report.returned) > 0
        assert report.state_before
        bad = [*unlike(spark, table, lots, undone, serials, exact)]
        assert not bad, f"{len(bad)} differ, such as {min(bad, key=len)}"
        others = [[[] if n == undone else b for n, b in enumerate(batches)] for batches in lots]
        load(spark, table, others, f"again{undone}-", serials)
        bad = [*unlike(spark, table, lots, undone, serials, {*range(len(lots))})]
        assert not bad, f"{len(bad)} differ, such as {min(bad, key=len)}"
        catalog, _, name = table.partition(".")
        spark.sql(f"CALL {catalog}.system.rollback_to_snapshot('{name}', {loaded.snapshot_id})")
    assert compared * 2 > len(lots) * len(chosen)
    record_property("examples", len(examples))
    record_property("histories", compared)


SCHEMA = "key int, at int, city string, size int, tie int, batch string, operation string"
SETTINGS = HistorySettings(
    key=("key",),
    sequence="at",
    tracked=("city",),
    carried=("batch",),
    tie_breaker=("tie",),
    operation="operation",
)


def bring(spark: SparkSession, table: str, batch: str, *events: tuple, **more):
    """Loads a batch of (key, at, city[, size[, tie]]); a city of None is a delete."""
    rows = [
        (*(*event, 0, 0)[:5], batch, "upsert" if event[2] is not None else "delete")
        for event in events
    ]
    frame = spark.createDataFrame(rows, SCHEMA)
    return load_changes(spark, frame, table, SETTINGS, batch_id=batch, batch_time=NOW, **more)


def take_back(spark: SparkSession, table: str, batch: str, **more):
    at = NOW + timedelta(minutes=next(MINUTES))
    return undo(spark, table, SETTINGS, undone=batch, batch_column="batch", time=at, **more)


def found(spark: SparkSession, table: str) -> list[tuple]:
    rows = spark.table(table).orderBy("key", "valid_from").collect()
    return [(row.key, row.city, row.size, row.valid_from, row.valid_to, row.batch) for row in rows]


def test_what_a_batch_had_displaced_and_overwritten_comes_back(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    bring(spark, table, "a", (1, 1, "Rome"), (2, 1, "Oslo", 1), (3, 1, "Bern"), (3, 5, "Riga"))
    before = found(spark, table)
    bring(
        spark,
        table,
        "b",
        *[(1, 1, "Lima", 0, 1), (2, 3, "Oslo", 2), (3, 3, None), (3, 5, "Kyiv"), (4, 1, "Nice")],
    )
    assert found(spark, table) == [
        (1, "Lima", 0, 1, None, "b"),
        (2, "Oslo", 2, 1, None, "a"),
        (3, "Bern", 0, 1, 3, "a"),
        (4, "Nice", 0, 1, None, "b"),
    ]

    report = take_back(spark, table, "b", watermark="2024-01-01")

    assert found(spark, table) == before
    assert (report.events, report.deletes, report.returned) == (4, 1, 2)
    state = current_state(spark, table)
    assert state is not None
    assert (state.properties[WATERMARK], state.undone) == ("2024-01-01", {"b"})
    assert not rebuild(spark, table, SETTINGS, time=NOW).published
    # The instant that it had contested is free again, and its own events are none any more.
    assert not bring(spark, table, "c", (3, 5, "Riga")).published
    assert bring(spark, table, "b", (4, 1, "Nice")).replayed
    assert bring(spark, table, "d", (4, 1, "Nice")).opened == 1


@pytest.mark.nightly
def test_batches_are_taken_back_one_after_the_other_in_any_order(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    bring(spark, table, "a", (1, 1, "Rome"), (1, 9, "Oslo"))
    bring(spark, table, "b", (1, 3, "Lima"), (1, 5, "Rome"))
    bring(spark, table, "c", (1, 3, "Kyiv"), (1, 7, "Riga"))
    assert [row[1] for row in found(spark, table)] == ["Rome", "Riga", "Oslo"]

    take_back(spark, table, "b")
    assert [row[1:4:2] for row in found(spark, table)] == [
        *[("Rome", 1), ("Kyiv", 3), ("Riga", 7), ("Oslo", 9)]
    ]
    take_back(spark, table, "c")
    assert [row[1:5:1] for row in found(spark, table)] == [
        *[("Rome", 0, 1, 9), ("Oslo", 0, 9, None)]
    ]
    take_back(spark, table, "a")
    assert found(spark, table) == []
    for batch, said in (("a", "undone already"), ("x", "none of that name"), ("undo-1", "anew")):
        with pytest.raises(NotFoundError, match=said):
            take_back(spark, table, batch)


@pytest.mark.nightly
def test_without_older_states_what_is_stored_leaves_and_the_report_says_what_is_not_known(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    bring(spark, table, "a", (1, 1, "Rome"), (2, 1, "Oslo"))
    bring(spark, table, "b", (1, 1, "Lima", 0, 1), (2, 2, None))
    bring(spark, table, "c", (3, 1, "Bern"), (2, 2, None))
    purge_history(spark, table)

    report = take_back(spark, table, "b")

    assert (report.state_before, report.events, report.returned) == (False, 2, 0)
    assert [row[:2] for row in found(spark, table)] == [(2, "Oslo"), (3, "Bern")]
    assert bring(spark, table, "d", (1, 1, "Rome"), (2, 2, None)).opened == 1
    assert [row[:2] for row in found(spark, table)] == [(1, "Rome"), (2, "Oslo"), (3, "Bern")]


READ_SETTINGS = replace(READS_STATE, carried=("batch",))
READ_FIELDS = f"{READ_COLUMNS}, batch string"


def read_in(spark: SparkSession, table: str, hours: tuple[int, ...]) -> None:
    """Loads the reads of `tests.history.test_reads`, each as a batch named by its hour."""
    for hour in hours:
        load_changes(
            spark,
            spark.createDataFrame([(*row, str(hour)) for row in rows_of(hour)], READ_FIELDS),
            table,
            READ_SETTINGS,
            batch_id=str(hour),
            batch_time=NOW,
            read=Read(at=at(hour), full=True),
        )


@pytest.mark.parametrize("undone", READS if AT_NIGHT else (11,))
def test_a_read_that_is_taken_back_found_nothing_and_later_ones_did(
    spark: SparkSession, lake_namespace: str, undone: int
):
    tables = [f"{lake_namespace}.{name}" for name in ("all", "others", "again")]
    others = tuple(hour for hour in READS if hour != undone)
    read_in(spark, tables[0], READS)
    read_in(spark, tables[1], others)

    report = undo(
        spark, tables[0], READ_SETTINGS, undone=str(undone), batch_column="batch", time=NOW
    )

    have, expected = (versions_of(spark.table(table)) for table in tables[:2])
    assert have == expected
    assert str(undone) not in {row.batch for row in spark.table(tables[0]).collect()}
    state = current_state(spark, tables[0])
    assert state is not None
    assert [read.at for read in state.reads] == [at(hour) for hour in others]
    assert undone == READS[-1] or report.observed_again > 0
    assert not rebuild(spark, tables[0], READ_SETTINGS, time=NOW).published
