"""Batches taken back: each of random histories, and the cases that a person would meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from hypothesis import strategies as st
from pyspark.sql import SparkSession

from history import load_changes
from history.iceberg.current_snapshot import current_state
from history.restatement.undo_batch import undo
from tests.history import convergence
from tests.history.examples import LOT, SERIAL, Example, Row, drawn, event_of, layout
from tests.history.layouts import RULES
from tests.history.reference import Event
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
    for at in range(2):
        chosen = Random(2 * number + at)  # noqa: S311
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
    examples = drawn(BY_BATCH, 250 if AT_NIGHT else 60, batches=BATCHES)
    lots = [lot for number, each in enumerate(examples) for lot in in_batches(each, number)]
    serials: list[Row] = []
    load(spark, table, lots, "b", serials)
    loaded = current_state(spark, table)
    assert loaded is not None
    compared = 0
    for undone in range(BATCHES):
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
        bad = [*unlike(spark, table, lots, undone, serials, exact)]
        assert not bad, f"{len(bad)} differ, such as {min(bad, key=len)}"
        others = [[[] if n == undone else b for n, b in enumerate(batches)] for batches in lots]
        load(spark, table, others, f"again{undone}-", serials)
        bad = [*unlike(spark, table, lots, undone, serials, {*range(len(lots))})]
        assert not bad, f"{len(bad)} differ, such as {min(bad, key=len)}"
        catalog, _, name = table.partition(".")
        spark.sql(f"CALL {catalog}.system.rollback_to_snapshot('{name}', {loaded.snapshot_id})")
    assert compared > len(lots)
    record_property("examples", len(examples))
    record_property("histories", compared)
