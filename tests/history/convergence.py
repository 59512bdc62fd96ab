"""Loads many event sets into one table, each in several ways, and compares with the reference."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from history import load_changes
from history.spark.column_quoting_and_comparison import named
from tests.history.examples import LOT, SERIAL, Batches, Example, Layout, Row, event_of, shuffled
from tests.history.reference import Event, Version, history
from tests.history.values import meaning, rank

NOW = datetime(2024, 5, 1, tzinfo=UTC)
_NAMES = count()


@dataclass(frozen=True)
class Outcome:
    """The versions, the refused events, and what is wrong with single rows.

    `open_to` are events that may be refused or not: they contradicted each other until one with a
    greater tie-breaker came.
    """

    versions: frozenset[Version]
    refused: frozenset[Event]
    open_to: frozenset[Event] = frozenset()
    wrong: frozenset[str] = frozenset()

    def fits(self, found: Outcome) -> bool:
        """Whether what was found is what is expected here."""
        between = self.refused <= found.refused <= self.refused | self.open_to
        return between and self.versions == found.versions and not found.wrong


@dataclass(frozen=True)
class Difference:
    """An example that, loaded one way, has another history than the reference's."""

    layout: Layout
    example: Example
    way: int
    expected: Outcome
    found: Outcome

    def __str__(self) -> str:
        lines = [f"Layout {self.layout.name}, way {self.way}; its batches:"]
        for number, batch in enumerate(self.example.batches(self.way)):
            lines += [f"  batch {number}:", *(f"    {event!r}" for event in batch)]
        for title, one, other in (
            ("expected, not found", self.expected, self.found),
            ("found, not expected", self.found, self.expected),
        ):
            lines.append(f"{title}:")
            lines += [f"  {version!r}" for version in one.versions - other.versions]
            lines += [f"  refused {event!r}" for event in one.refused - other.refused]
            lines += [f"  {text}" for text in sorted(one.wrong - other.wrong)]
        return "\n".join(lines)


def differences(
    spark: SparkSession, namespace: str, layout: Layout, examples: list[Example]
) -> list[Difference]:
    """Every way of every example whose history or refused events are not the reference's."""
    table = f"{namespace}.t{next(_NAMES)}"
    lots = [(each, way) for each in examples for way in range(len(each.ways))]
    with session_settings(spark, layout.session):
        events = _load(spark, table, layout, [each.batches(way) for each, way in lots])
        found = _outcomes(spark, table, layout, events)
    told = []
    for lot, (example, way) in enumerate(lots):
        expected = _expected(layout, example)
        if not expected.fits(found[lot]):
            told.append(Difference(layout, example, way, expected, found[lot]))
    return told


def assert_converges(
    spark: SparkSession, namespace: str, layout: Layout, examples: list[Example]
) -> None:
    """No difference, or an error with the smallest one that a few more loads can find.

    All examples that are smaller than a failing one by one step are loaded together.
    """
    failing = differences(spark, namespace, layout, examples)
    if not failing:
        return
    smallest = min(failing, key=_size)
    for _ in range(8):
        only = Example(smallest.example.events, (smallest.example.ways[smallest.way],))
        smaller = differences(spark, namespace, layout, list(only.smaller()))
        if not smaller:
            break
        smallest = min(smaller, key=_size)
    total = sum(len(example.ways) for example in examples)
    raise AssertionError(f"{len(failing)} of {total} histories differ. The smallest: {smallest}")


def _size(difference: Difference) -> tuple[int, int]:
    example = difference.example
    return len(example.events), sum(map(len, example.ways[difference.way]))


@contextmanager
def session_settings(spark: SparkSession, wanted: Mapping[str, str]) -> Iterator[None]:
    """The session with other settings for a while."""
    before = {name: spark.conf.get(name) for name in wanted}
    for name, value in wanted.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


def frame(spark: SparkSession, layout: Layout, rows: list[Row]) -> DataFrame:
    """The rows as a DataFrame of exactly the layout's types."""
    arrays = {
        name: pa.array([row[name] for row in rows], kind.arrow)
        for name, kind in layout.columns.items()
    }
    table = pa.table(arrays)
    return spark.createDataFrame(table, from_arrow_schema(table.schema, prefer_timestamp_ntz=True))


def _load(spark: SparkSession, table: str, layout: Layout, lots: list[Batches]) -> list[Row]:
    """Loads batch after batch, of all lots; returns the rows by their serial number."""
    rows: list[Row] = []
    for number, batch in enumerate(zip(*lots, strict=True)):
        fresh = [{**row, LOT: lot} for lot, events in enumerate(batch) for row in events]
        fresh = [{**row, SERIAL: serial} for serial, row in enumerate(fresh, len(rows))]
        rows += fresh
        if fresh:
            load_changes(
                spark,
                frame(spark, layout, shuffled(fresh, number)),
                table,
                layout.settings,
                batch_id=f"b{number}",
                batch_time=NOW,
            )
    return rows


def _expected(layout: Layout, example: Example) -> Outcome:
    told = history((event_of(layout, row) for row in example.events), rank)
    return Outcome(*map(frozenset, told))


def _outcomes(
    spark: SparkSession, table: str, layout: Layout, events: list[Row]
) -> Mapping[int, Outcome]:
    versions, refused = defaultdict(set), defaultdict(set)
    wrong: dict[int, set[str]] = defaultdict(set)
    settings = layout.settings
    rows = spark.table(table).toArrow().to_pylist()
    for row in rows:
        version = _version(layout, row)
        versions[row[LOT]].add(version)
        if row[settings.is_current] != (version.end is None):
            wrong[row[LOT]].add(f"{version!r} has the flag {row[settings.is_current]}")
        opener = event_of(layout, events[row[SERIAL]])
        if (opener.key, opener.at, opener.tie) != (version.key, version.at, version.tie):
            wrong[row[LOT]].add(f"{version!r} carries the values of {opener!r}")
    number = settings.surrogate_key
    assert number is None or len({row[number] for row in rows}) == len(rows)
    told = _refused(spark, f"{table}__quarantine")
    for lot, serial, _text in told:
        refused[lot].add(event_of(layout, events[serial]))
    for (lot, text), times in Counter((lot, text) for lot, _serial, text in told).items():
        if times > 1:
            wrong[lot].add(f"{text} was refused {times} times")
    return defaultdict(
        lambda: Outcome(frozenset(), frozenset()),
        {
            lot: Outcome(
                frozenset(versions[lot]), frozenset(refused[lot]), wrong=frozenset(wrong[lot])
            )
            for lot in {*versions, *refused, *wrong}
        },
    )


def _version(layout: Layout, row: Mapping[str, Any]) -> Version:
    settings = layout.settings
    told = {name: meaning(value) for name, value in row.items()}
    end = told[settings.valid_to]
    return Version(
        key=tuple(told[name] for name in settings.key if name != LOT),
        at=told[settings.sequence],
        tracked=tuple(told[name] for name in layout.compared),
        tie=tuple(told[name] for name in settings.tie_breaker),
        first=told.get(settings.first_valid_from or ""),
        rest=tuple(told[name] for name in layout.overwritten),
        start=told[settings.valid_from],
        end=None if end == meaning(settings.open_end) else end,
    )


def _refused(spark: SparkSession, table: str) -> list[tuple[int, int, str]]:
    """The lot and serial of each refused row, and the rest of it as text."""
    if not spark.catalog.tableExists(table):
        return []
    found = []
    for row in spark.table(table).select(named("row")).toArrow().to_pylist():
        told = json.loads(row["row"])
        lot, serial = told[LOT], told.pop(SERIAL)
        found.append((lot, serial, json.dumps(told, sort_keys=True)))
    return found
