"""A history whose columns, types, tracked columns or partitioning change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest
from pyspark.sql import DataFrame, SparkSession

from contracts.errors import SchemaDriftError, SettingsError
from history import HistorySettings, LoadReport, load_changes
from history.audit.history_invariants import broken_rules
from history.iceberg.current_snapshot import current_state
from history.iceberg.history_table import kept_events
from history.iceberg.table_properties import strandline_properties
from history.model.added_and_dropped_columns import EvolvedColumn
from history.planning.event_timeline import EventTimeline
from history.planning.merge_plan import plan_timeline
from history.reading.published_snapshots import changed_rows, published_states
from history.reading.version_diff import CHANGE, difference
from history.schema_evolution.evolve_table import (
    evolve_table,
    preview_schema_change,
    record_tracked,
    settings_of_table,
)
from history.spark.column_quoting_and_comparison import named
from history.upkeep.compaction import CompactionLimits
from history.upkeep.table_upkeep import UpkeepSettings, upkeep
from tests.history.reference import Event, Known, Version, history
from tests.history.values import rank
from tests.night import AT_NIGHT

NOW = datetime(2024, 5, 1, tzinfo=UTC)
BEFORE = "key int, at int, text string, note int, op string"
AFTER = "key int, at int, text string, note int, size int, hint int, op string"
PLAIN = HistorySettings(key=("key",), sequence="at", tracked=("text",), operation="op")
LATER = replace(PLAIN, tracked=("text", "size"))


def load(
    spark: SparkSession,
    table: str,
    rows: list[tuple[object, ...]] | DataFrame,
    schema: str,
    settings: HistorySettings,
    batch: str,
) -> LoadReport:
    changes = rows if isinstance(rows, DataFrame) else spark.createDataFrame(rows, schema)
    return load_changes(spark, changes, table, settings, batch_id=batch, batch_time=NOW)


def found(spark: SparkSession, table: str, *columns: str) -> list[tuple[object, ...]]:
    names = columns or ("key", "text", "size", "hint", "valid_from", "valid_to")
    rows = spark.table(table).orderBy("key", "valid_from").select(*[named(n) for n in names])
    return [tuple(row) for row in rows.collect()]


def state_of(spark: SparkSession, table: str) -> tuple[object, ...]:
    """What a refusal must not change: snapshots, columns, properties and partitions."""
    told = []
    for name in (table, kept_events(table)):
        if spark.catalog.tableExists(name):
            told += [
                spark.table(f"{name}.snapshots").count(),
                spark.table(name).schema.simpleString(),
                strandline_properties(spark, name),
                [tuple(row) for row in spark.sql(f"DESCRIBE TABLE {name}").collect()],
            ]
    return tuple(told)


# --- new columns -----------------------------------------------------------------------------


def test_a_new_column_opens_no_version_and_is_filled_in_place(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None), (2, 2, "b", 0, None)], BEFORE, PLAIN, "b0")
    keys = found(spark, table, "key", "surrogate_key")

    again = [(1, 1, "a", 0, 5, 7, None), (2, 2, "b", 0, None, None, None)]
    report = load(spark, table, again, AFTER, LATER, "b1")

    assert (report.opened, report.closed, report.refused) == (0, 0, {})
    assert found(spark, table) == [(1, "a", 5, 7, 1, None), (2, "b", None, None, 2, None)]
    assert found(spark, table, "key", "surrogate_key") == keys


def test_a_late_event_that_says_what_a_filled_version_shows_is_loaded(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 3, "b", 2, None), (2, 5, "x", 0, None)], BEFORE, PLAIN, "b0")
    load(spark, table, [(1, 4, "b", 1, 5, 2, None)], AFTER, LATER, "b1")
    load(spark, table, [(1, 9, "b", 1, 5, 2, None)], AFTER, LATER, "b2")

    report = load(spark, table, [(1, 5, "b", 1, 5, 2, None)], AFTER, LATER, "b3")

    assert (report.late, report.unchanged, report.opened) == (1, 1, 0)
    assert found(spark, table)[:1] == [(1, "b", 5, 2, 3, None)]


@pytest.mark.nightly
def test_a_later_event_that_knows_more_fills_the_open_version(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None), (2, 2, "b", 0, None)], BEFORE, PLAIN, "b0")

    load(spark, table, [(1, 3, "a", 0, 5, 7, None)], AFTER, LATER, "b1")
    filled = found(spark, table)
    report = load(spark, table, [(1, 4, "a", 0, 6, 7, None)], AFTER, LATER, "b2")

    assert filled == [(1, "a", 5, 7, 1, None), (2, "b", None, None, 2, None)]
    assert (report.opened, report.closed) == (1, 1)
    assert found(spark, table)[:2] == [(1, "a", 5, 7, 1, 4), (1, "a", 6, 7, 4, None)]


@pytest.mark.nightly
def test_versions_from_before_show_null_and_keep_their_files(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    rows = [(1, 1, "a", 0, None), (1, 2, "b", 0, None), (2, 1, "a", 0, None), (2, 3, "a", 0, None)]
    load(spark, table, rows, BEFORE, PLAIN, "b0")
    files = {row.file_path for row in spark.table(f"{table}.files").collect()}

    load(spark, table, [(3, 9, "c", 0, 1, 1, None)], AFTER, LATER, "b1")

    assert found(spark, table)[:3] == [
        (1, "a", None, None, 1, 2),
        (1, "b", None, None, 2, None),
        (2, "a", None, None, 1, None),
    ]
    assert files < {row.file_path for row in spark.table(f"{table}.files").collect()}
    assert {"size", "hint"} < {*spark.table(kept_events(table)).columns}


@pytest.mark.nightly
def test_null_is_a_value_for_an_event_after_the_bound(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None)], BEFORE, PLAIN, "b0")
    load(spark, table, [(1, 2, "a", 0, None, 1, None)], AFTER, LATER, "b1")

    load(spark, table, [(1, 3, "a", 0, 5, None, None)], AFTER, LATER, "b2")

    assert found(spark, table) == [(1, "a", None, 1, 1, 3), (1, "a", 5, None, 3, None)]


@pytest.mark.nightly
def test_what_was_last_known_counts_though_the_open_version_does_not_know_it(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    before = [(key, at, text, 0, None) for key in (1, 2) for at, text in ((1, "a"), (2, "b"))]
    before += [(3, 1, "a", 0, None), (3, 2, None, None, "delete"), (3, 3, "a", 0, None)]
    load(spark, table, before, BEFORE, PLAIN, "b0")
    load(spark, table, [(key, 1, "a", 0, 5, 1, None) for key in (1, 2, 3)], AFTER, LATER, "b1")

    news = [(1, 4, "b", 0, 6, 1, None), (2, 4, "b", 0, 5, 1, None), (3, 4, "a", 0, 6, 1, None)]
    report = load(spark, table, news, AFTER, LATER, "b2")

    assert (report.opened, report.closed, report.late) == (1, 1, 0)
    assert found(spark, table) == [
        *[(1, "a", 5, 1, 1, 2), (1, "b", None, None, 2, 4), (1, "b", 6, 1, 4, None)],
        *[(2, "a", 5, 1, 1, 2), (2, "b", 5, 1, 2, None)],
        *[(3, "a", 5, 1, 1, 2), (3, "a", 6, 1, 3, None)],
    ]


@pytest.mark.nightly
def test_the_bound_is_recorded_exactly_whatever_type_the_sequence_has(
    spark: SparkSession, lake_namespace: str
):
    moment = "TIMESTAMP '2024-03-31 01:02:03.000001+00:00'"
    for number, (kind, value, text) in enumerate(
        (
            ("timestamp", moment, "2024-03-31T01:02:03.000001Z"),
            ("timestamp_ntz", f"{moment}::timestamp_ntz", "2024-03-31T01:02:03.000001"),
            ("date", "DATE '2024-03-31'", "2024-03-31"),
            ("bigint", "9007199254740993L", "9007199254740993"),
            ("decimal(38,10)", "1234567890123456789012345678.0000000001BD", None),
            ("double", "0.1D", "0.1"),
            ("double", "double('NaN')", "NaN"),
        )
    ):
        table = f"{lake_namespace}.t{number}"
        one = spark.sql(f"SELECT 1 AS key, CAST({value} AS {kind}) AS at, 'a' AS text")
        two = spark.sql(f"SELECT 1 AS key, CAST({value} AS {kind}) AS at, 'a' AS text, 5 AS size")
        plain = HistorySettings(key=("key",), sequence="at")
        load(spark, table, one, "", plain, "b0")

        report = load(spark, table, two, "", plain, "b1")

        told = strandline_properties(spark, table)["strandline.added.size"]
        expected = text or "1234567890123456789012345678.0000000001"
        assert told == f'{{"type": "{kind}", "value": "{expected}"}}'
        assert report.opened == 0
        assert found(spark, table, "text", "size") == [("a", 5)]


@pytest.mark.nightly
def test_two_events_of_one_instant_that_know_otherwise_contest_it(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None)], BEFORE, PLAIN, "b0")

    rows = [(1, 1, "a", 0, 5, None, None), (1, 1, "a", 0, 6, None, None)]
    report = load(spark, table, rows, AFTER, LATER, "b1")

    assert report.refused == {"decided": 3}
    assert found(spark, table) == []


@pytest.mark.nightly
def test_columns_of_odd_names_and_nested_types_are_added(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    settings = HistorySettings(key=("key",), sequence="at")
    load(spark, table, [(1, 1)], "key int, at int", settings, "b0")
    odd = "key int, at int, `a.b` string, `te``x't` struct<`p q`: int, m: map<string, double>>"
    # Spark hides properties that look like secrets, by their name or by their value.
    odd += ", `URL 100%` string, api_token string"
    told = [(1, 1, "x", {"p q": 1, "m": {"k": 0.5}}, "y", "z")]

    load(spark, table, told, odd, settings, "b1")
    again = load(spark, table, told, odd, settings, "b2")

    (row,) = spark.table(table).collect()
    assert (row["a.b"], row["te`x't"]["p q"], row["te`x't"]["m"]) == ("x", 1, {"k": 0.5})
    assert (row["URL 100%"], row["api_token"], again.published) == ("y", "z", False)
    assert "strandline.added.a.b" in strandline_properties(spark, table)


@pytest.mark.nightly
def test_states_from_before_and_after_a_change_can_be_compared(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    rows = [(1, 1, "a", 0, None), (2, 2, "b", 0, None), (3, 2, "b", 0, None)]
    load(spark, table, rows, BEFORE, PLAIN, "b0")
    wider = AFTER.replace("at int", "at bigint")
    load(spark, table, [(1, 1, "a", 0, 5, 7, None), (2, 3, "c", 0, 1, 1, None)], wider, LATER, "b1")
    first, last = (
        next(state for state in published_states(spark, table) if state.batch_id == name)
        for name in ("b0", "b1")
    )

    frames = changed_rows(spark, table, first.snapshot_id, last.snapshot_id)
    told = difference(*frames, LATER).orderBy("key", "valid_from").collect()

    assert [(row.key, row.valid_from, row[CHANGE]) for row in told] == [
        *[(1, 1, "changed"), (2, 2, "closed"), (2, 3, "appeared")]
    ]


# --- convergence over two phases ---------------------------------------------------------------

Row = tuple[object, ...]


def told(random: Random, lot: int, last: int, *, after: bool, first: int = 1) -> Row:
    """One event: lot, key, at, text, note, tie, [size, hint,] op."""
    known = (random.choice((None, 5, 5, 6)), random.choice((None, 1, 2))) if after else ()
    operation = random.choice(("upsert", "upsert", "upsert", "upsert", "delete"))
    return (
        *(lot, random.randint(1, 2), random.randint(first, last)),
        *(random.choice("ab"), random.randint(1, 2), random.choice((1, 1, 1, 2))),
        *known,
        operation,
    )


def split(random: Random, rows: list[Row], batches: int) -> list[list[Row]]:
    """The rows in so many batches, some of them twice."""
    parts: list[list[Row]] = [[] for _ in range(batches)]
    for row in rows:
        for part in random.sample(parts, min(batches, random.choice((1, 1, 2)))):
            part.append(row)
    return parts


def event_of(row: Row, bound: int) -> Event:
    _, key, at, text, note, tie, *known, operation = row
    size, hint = known or (None, None)
    if at <= bound:
        size, hint = (Known.NOT if value is None else value for value in (size, hint))
    if operation == "delete":
        return Event((key,), at, (), (), operation, (tie,))
    return Event((key,), at, (text, size), (note, hint), operation, (tie,))


def shown(row: dict[str, object]) -> Version:
    return Version(
        key=(row["key"],),
        at=row["at"],
        tracked=(row["text"], row["size"]),
        tie=(row["tie"],),
        first=None,
        rest=(row["note"], row["hint"]),
        start=row["valid_from"],
        end=row["valid_to"],
    )


PHASED = HistorySettings(
    key=("lot", "key"),
    sequence="at",
    tracked=("text",),
    operation="op",
    tie_breaker=("tie",),
)


def phases(seed: int, *, in_order: bool) -> Iterator[tuple[list[list[Row]], list[list[Row]]]]:
    """For many lots: the batches from before the columns were added, and those after."""
    random = Random(seed)  # noqa: S311
    for number in range(60):
        lot = 4 * number
        before = [told(random, 0, 5, after=False) for _ in range(random.randint(0, 4))]
        after = [told(random, 0, 9, after=True) for _ in range(random.randint(1, 5))]
        if in_order:
            latest = max((row[2] for row in before), default=0)
            after = [(*row[:2], row[2] + latest, *row[3:]) for row in after]
            for way, parts in enumerate((1, 3)):
                yield (
                    _cut(_of_lot(before, lot + way), parts),
                    _cut(_of_lot(after, lot + way), parts),
                )
            continue
        for way in range(4):
            one, other = _of_lot(before, lot + way), _of_lot(after, lot + way)
            yield split(random, one, 1 + way % 2), split(random, other, 1 + way)


def _of_lot(rows: list[Row], lot: int) -> list[Row]:
    return [(lot, *row[1:]) for row in rows]


def _cut(rows: list[Row], parts: int) -> list[list[Row]]:
    """In the order of time; events of one instant stay together."""
    instants = sorted({row[2] for row in rows})
    where = {instant: place * parts // len(instants) for place, instant in enumerate(instants)}
    return [[row for row in rows if where[row[2]] == part] for part in range(parts)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("remember", [True, False])
@pytest.mark.nightly
def test_any_order_before_and_after_a_column_was_added_gives_the_history_of_the_reference(
    spark: SparkSession, lake_namespace: str, seed: int, remember: bool
):
    table = f"{lake_namespace}.t"
    settings = replace(PHASED, remember_unchanged=remember)
    later = replace(settings, tracked=("text", "size"))
    schema = "lot int, key int, at int, text string, note int, tie int, op string"
    wider = schema.replace("op string", "size int, hint int, op string")
    lots = list(phases(seed, in_order=not remember))
    events: dict[int, list[Row]] = defaultdict(list)
    for phase, columns, kept_as in ((0, schema, settings), (1, wider, later)):
        most = max(len(lot[phase]) for lot in lots)
        for number in range(most):
            rows = [row for lot in lots if number < len(lot[phase]) for row in lot[phase][number]]
            for row in rows:
                events[row[0]].append(row)
            load(spark, table, rows, columns, kept_as, f"p{phase} b{number}")
    bound = max(row[2] for lot in lots for batch in lot[0] for row in batch)

    versions = defaultdict(set)
    for row in spark.table(table).collect():
        versions[row.lot].add(shown(row.asDict()))

    expected = {
        lot: history([event_of(row, bound) for row in rows], rank)[0]
        for lot, rows in events.items()
    }
    wrong = [lot for lot, wanted in expected.items() if versions[lot] != wanted]
    assert not wrong, "\n".join(
        [
            f"{len(wrong)} of {len(expected)}",
            *map(str, events[wrong[0]]),
            f"missing {expected[wrong[0]] - versions[wrong[0]]}",
            f"surplus {versions[wrong[0]] - expected[wrong[0]]}",
        ]
    )
    known = settings_of_table(spark, table, later)
    names = ("lot", "key", "at", "text", "note", "tie", "size", "hint")
    told = broken_rules(spark.table(table), known, names).collect()[0].asDict()
    assert set(told.values()) == {0}


# --- fingerprints ------------------------------------------------------------------------------

PRINTED = HistorySettings(key=("key",), sequence="at", tracked=("token",), fingerprint="print")


@pytest.mark.nightly
def test_a_column_added_later_is_compared_beside_the_fingerprint(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    later = replace(PRINTED, tracked=("token", "size"))
    schema = "key int, at int, token string, print string, size int"
    load(spark, table, [(1, 1, "x1", "p")], schema.removesuffix(", size int"), PRINTED, "b0")
    report = load(spark, table, [(1, 2, "x2", "p", 5)], schema, later, "b1")
    other = load(spark, table, [(1, 3, "x3", "p", 6), (1, 4, "x4", "p", 6)], schema, later, "b2")

    shape = spark.createDataFrame([], schema).schema
    assert preview_schema_change(spark, table, shape, later).recorded.covered == ("token",)
    assert (report.opened, other.opened) == (0, 1)
    names = ("token", "size", "valid_from", "valid_to")
    assert found(spark, table, *names) == [("x1", 5, 1, 3), ("x3", 6, 3, None)]


def test_a_column_that_the_fingerprint_covers_is_not_dropped(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    schema = "key int, at int, token string, size int, print string"
    both = replace(PRINTED, tracked=("token", "size"))
    load(spark, table, [(1, 1, "x", 5, "p")], schema, both, "b0")
    before = state_of(spark, table)

    with pytest.raises(SchemaDriftError, match=r"size.*fingerprint"):
        load(spark, table, [(1, 2, "y", "p")], schema.replace("size int, ", ""), PRINTED, "b1")

    assert state_of(spark, table) == before


# --- types -------------------------------------------------------------------------------------


def test_types_are_widened_and_narrower_events_are_cast_up(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    narrow = "key int, at int, ratio float, price decimal(5,2), note int, op string"
    wide = "key bigint, at bigint, ratio double, price decimal(9,2), note bigint, op string"
    settings = replace(PLAIN, tracked=("ratio", "price"))
    some = [(1, 1, 0.5, Decimal("1.10"), 1, None), (1, 2, 0.5, Decimal("1.10"), 2, None)]
    load(spark, table, some, narrow, settings, "b0")

    far = 2**40
    equal = (1, 3, 0.5, Decimal("1.10"), far, None)
    report = load(spark, table, [equal, (far, far, 1.0, None, 1, None)], wide, settings, "b1")
    late = load(spark, table, [(1, 0, 0.5, Decimal("1.10"), 1, None)], narrow, settings, "b2")

    kinds = dict(spark.table(table).dtypes)
    kept = dict(spark.table(kept_events(table)).dtypes)
    assert (kinds["price"], kinds["ratio"]) == ("decimal(9,2)", "double")
    for name in ("key", "at", "note", "valid_from", "valid_to"):
        assert kinds[name] == "bigint"
        assert kept.get(name, "bigint") == "bigint"
    assert (report.opened, late.opened) == (1, 1)
    rows = found(spark, table, "key", "price", "note", "valid_from", "valid_to")
    assert rows == [(1, Decimal("1.10"), far, 0, None), (far, None, 1, far, None)]


OTHER_TYPES = [
    *[("price", "decimal(7,3)"), ("pair", "struct<a: int, b: int>"), ("key", "string")],
    *[("note", "string"), ("price", "double"), ("text", "binary"), ("at", "timestamp")],
]


@pytest.mark.parametrize(("column", "kind"), OTHER_TYPES if AT_NIGHT else OTHER_TYPES[:3])
def test_any_other_type_is_refused_with_both_types_and_nothing_is_written(
    spark: SparkSession, lake_namespace: str, column: str, kind: str
):
    table = f"{lake_namespace}.t"
    kinds = {
        "key": "int",
        "at": "int",
        "text": "string",
        "note": "int",
        "price": "decimal(5,2)",
        "pair": "struct<a: int>",
    }
    load(spark, table, _one(spark, kinds), "", replace(PLAIN, operation=None), "b0")
    before = state_of(spark, table)

    # A new column comes along: it must not be added either.
    other = _one(spark, {**kinds, column: kind, "size": "int"})
    with pytest.raises(SchemaDriftError) as caught:
        load(spark, table, other, "", replace(PLAIN, operation=None), "b1")

    plain = kind.replace(": ", ":").replace(", ", ",")
    was = kinds[column].replace(": ", ":")
    assert f"{column}: {was} in the table, {plain} in the events" in caught.value.found
    assert state_of(spark, table) == before


def _one(spark: SparkSession, kinds: dict[str, str]) -> DataFrame:
    values = {"timestamp": "TIMESTAMP '2024-01-01 00:00:00'", "int": "1", "string": "'1'"}
    return spark.sql(
        "SELECT "
        + ", ".join(
            f"CAST({values.get(kind, 'NULL')} AS {kind}) AS {name}" for name, kind in kinds.items()
        )
    )


# --- dropped columns ---------------------------------------------------------------------------


def test_a_dropped_column_stays_and_its_removal_opens_no_version(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    rows = [(1, 1, "a", 0, 5, 7, None), (1, 2, "a", 0, 6, 7, None), (2, 2, "b", 0, 5, 8, None)]
    load(spark, table, rows, AFTER, LATER, "b0")

    gone = [(1, 3, "a", 0, None), (2, 2, "b", 0, None), (2, 4, "c", 0, None)]
    report = load(spark, table, gone, BEFORE, PLAIN, "b1")
    late = load(spark, table, [(1, 0, "z", 0, None)], BEFORE, PLAIN, "b2")

    assert (report.opened, late.opened) == (1, 1)
    assert found(spark, table) == [
        *[(1, "z", None, None, 0, 1), (1, "a", 5, 7, 1, 2), (1, "a", 6, 7, 2, None)],
        *[(2, "b", 5, 8, 2, 4), (2, "c", None, None, 4, None)],
    ]
    assert "strandline.dropped.size" in strandline_properties(spark, table)


@pytest.mark.nightly
def test_a_column_that_comes_back_is_an_added_one_again(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    rows = [(1, 1, "a", 0, 5, 7, None), (2, 1, "b", 0, 5, 8, None)]
    load(spark, table, rows, AFTER, LATER, "b0")
    gone = [(1, 3, "a", 0, None), (2, 3, "c", 0, None)]
    load(spark, table, gone, BEFORE, PLAIN, "b1")

    back = [(1, 4, "a", 0, 6, 9, None), (2, 4, "c", 0, 5, 9, None)]
    report = load(spark, table, back, AFTER, LATER, "b2")

    assert (report.opened, report.closed) == (1, 1)
    assert found(spark, table) == [
        *[(1, "a", 5, 7, 1, 4), (1, "a", 6, 9, 4, None)],
        *[(2, "b", 5, 8, 1, 3), (2, "c", 5, 9, 3, None)],
    ]
    told = strandline_properties(spark, table)
    assert "strandline.dropped.size" not in told
    assert told["strandline.added.size"] == '{"type": "int", "value": "3"}'


@pytest.mark.nightly
def test_a_required_column_may_be_dropped(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    spark.sql(
        f"CREATE TABLE {table} (surrogate_key bigint, key int NOT NULL, at int NOT NULL, "
        "text string, note int NOT NULL, valid_from int, valid_to int, is_current boolean) "
        "USING iceberg TBLPROPERTIES ('format-version'='3', 'write.merge.mode'='merge-on-read')"
    )
    load(spark, table, [(1, 1, "a", 0, None)], BEFORE, PLAIN, "b0")

    load(spark, table, [(1, 2, "b", None)], BEFORE.replace("note int, ", ""), PLAIN, "b1")

    assert found(spark, table, "text", "note") == [("a", 0), ("b", None)]


@pytest.mark.parametrize("column", ["key", "at", "tie"] if AT_NIGHT else ["at"])
def test_columns_that_order_or_identify_are_not_dropped_nor_added(
    spark: SparkSession, lake_namespace: str, column: str
):
    table = f"{lake_namespace}.t"
    full = HistorySettings(
        key=("key", "key2"), sequence="at", tracked=("text",), tie_breaker=("tie",)
    )
    less = {
        "key": replace(full, key=("key2",)),
        "at": replace(full, sequence="tie", tie_breaker=()),
        "tie": replace(full, tie_breaker=()),
    }[column]
    schema = "key int, key2 int, at int, tie int, text string"
    short = schema.replace(f"{column} int, ", "")
    load(spark, table, [(1, 1, 1, 1, "a")], schema, full, "b0")
    load(spark, f"{table}2", [(1, 1, 1, "a")], short, less, "b0")
    before = state_of(spark, table), state_of(spark, f"{table}2")

    with pytest.raises(SchemaDriftError, match=f"{column}: the events lack it"):
        load(spark, table, [(1, 1, 2, "b")], short, less, "b1")
    with pytest.raises(SchemaDriftError, match=f"{column}: new"):
        load(spark, f"{table}2", [(1, 1, 2, 2, "b")], schema, full, "b1")

    assert (state_of(spark, table), state_of(spark, f"{table}2")) == before


@pytest.mark.nightly
def test_a_batch_that_was_published_is_known_though_its_columns_are_old(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None)], BEFORE, PLAIN, "b0")
    load(spark, table, [(1, 1, "a", 0, 5, 7, None)], AFTER, LATER, "b1")
    before = state_of(spark, table)

    load(spark, table, [(1, 1, "a", 0, None)], BEFORE, PLAIN, "b0")

    assert state_of(spark, table) == before


# --- tracked columns ---------------------------------------------------------------------------


def test_another_set_of_tracked_columns_asks_for_a_rebuild(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None)], BEFORE, PLAIN, "b0")
    before = state_of(spark, table)
    both = replace(PLAIN, tracked=("text", "note"))

    with pytest.raises(SettingsError, match=f"strandline rebuild {table}") as caught:
        load(spark, table, [(1, 2, "a", 1, None)], BEFORE, both, "b1")

    assert "note" in caught.value.found
    assert state_of(spark, table) == before

    record_tracked(spark, table, both, ("key", "at", "text", "note"))
    assert load(spark, table, [(1, 2, "a", 1, None)], BEFORE, both, "b1").opened == 1


def test_a_table_from_before_takes_the_present_set(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None)], BEFORE, PLAIN, "b0")
    names = ", ".join(f"'{name}'" for name in strandline_properties(spark, table))
    spark.sql(f"ALTER TABLE {table} UNSET TBLPROPERTIES ({names})")
    both = replace(PLAIN, tracked=("text", "note"))

    load(spark, table, [(1, 2, "a", 1, None)], BEFORE, both, "b1")

    assert strandline_properties(spark, table)["strandline.tracked"] == '["text", "note"]'
    with pytest.raises(SettingsError):
        load(spark, table, [(1, 3, "a", 1, None)], BEFORE, PLAIN, "b2")


# --- partitioning ------------------------------------------------------------------------------


@pytest.mark.nightly
def test_new_files_follow_a_changed_partitioning_and_upkeep_moves_the_old_ones(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    by_key = replace(PLAIN, partitioning=("bucket(key, 4)", "is_current"))
    by_text = replace(PLAIN, partitioning=("bucket(key, 8)",))
    rows = [(key, 1, "a", 0, None) for key in range(8)]
    load(spark, table, rows, BEFORE, by_key, "b0")
    load(spark, table, [(key, 2, "b", 0, None) for key in range(8)], BEFORE, by_key, "b1")

    report = load(spark, table, [(0, 3, "c", 0, None)], BEFORE, by_text, "b2")
    care = UpkeepSettings(
        compaction=CompactionLimits(small_files=2, delete_ratio=0.01), orphans=False
    )
    upkeep(spark, table, by_text, now=NOW, care=care)
    load(spark, table, [(1, 3, "c", 0, None), (1, 1, "z", 0, None)], BEFORE, by_text, "b3")

    terms = [row.data_type for row in spark.sql(f"DESCRIBE TABLE {table}").collect()]
    assert terms[-1:] == ["bucket(8, key)"]
    assert report.files_read > 0
    assert found(spark, table, "key", "text", "valid_from", "valid_to")[:5] == [
        *[(0, "a", 1, 2), (0, "b", 2, 3), (0, "c", 3, None)],
        *[(1, "b", 2, 3), (1, "c", 3, None)],
    ]
    specs = spark.table(f"{table}.data_files").select("spec_id").distinct().count()
    assert specs == 1


@pytest.mark.nightly
def test_terms_that_are_columns_alone_can_change_too(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None)], BEFORE, PLAIN, "b0")

    load(spark, table, [(1, 2, "b", 0, None)], BEFORE, replace(PLAIN, partitioning=()), "b1")
    load(spark, table, [(1, 3, "c", 0, None)], BEFORE, PLAIN, "b2")

    assert found(spark, table, "text", "valid_from") == [("a", 1), ("b", 2), ("c", 3)]
    newest = spark.table(f"{table}.data_files").orderBy("spec_id").collect()
    assert {row.partition["is_current"] for row in newest} >= {True, False}


# --- two at once, and half done ----------------------------------------------------------------


@pytest.mark.nightly
def test_two_writers_that_add_a_column_at_once_both_succeed(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None), (2, 1, "a", 0, None)], BEFORE, PLAIN, "b0")

    def add(key: int) -> LoadReport:
        session = spark.newSession()
        changes = session.createDataFrame([(key, 2, "a", 0, key, key, None)], AFTER)
        return load_changes(
            session, changes, table, LATER, batch_id=f"w{key}", batch_time=NOW, attempts=20
        )

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(add, (1, 2)))

    assert [report.opened for report in reports] == [0, 0]
    assert found(spark, table) == [(1, "a", 1, 1, 1, None), (2, "a", 2, 2, 1, None)]


@pytest.mark.nightly
def test_a_load_that_was_planned_without_a_new_column_is_planned_anew(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None)], BEFORE, PLAIN, "b0")
    seen = []

    def meanwhile(step: str) -> None:
        if step == "audited" and not seen:
            seen.append(step)
            spark.sql(f"ALTER TABLE {table} ADD COLUMN size int")

    report = load_changes(
        spark,
        spark.createDataFrame([(1, 2, "b", 0, None)], BEFORE),
        table,
        PLAIN,
        batch_id="b1",
        batch_time=NOW,
        announce=meanwhile,
    )

    assert (report.attempts, report.opened) == (2, 1)


@pytest.mark.nightly
def test_a_load_that_breaks_off_after_the_change_harms_nobody(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None)], BEFORE, PLAIN, "b0")
    schema = spark.createDataFrame([], AFTER).drop("op").schema
    state = current_state(spark, table)
    assert state is not None

    evolve_table(spark, table, schema, LATER, state)
    halfway = found(spark, table)
    report = load(spark, table, [(1, 2, "a", 0, 5, 7, None)], AFTER, LATER, "b1")

    assert halfway == [(1, "a", None, None, 1, None)]
    assert report.opened == 0
    assert found(spark, table) == [(1, "a", 5, 7, 1, None)]


@pytest.mark.nightly
def test_a_load_that_breaks_off_before_the_column_is_there_leaves_no_false_bound(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    load(spark, table, [(1, 1, "a", 0, None), (1, 2, "a", 0, None)], BEFORE, PLAIN, "b0")
    bound = '{"type": "int", "value": "2"}'
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('strandline.added.size' = '{bound}')")
    load(spark, table, [(1, 3, "a", 1, None)], BEFORE, PLAIN, "b1")

    load(spark, table, [(1, 4, "a", 1, 5, 7, None)], AFTER, LATER, "b2")

    assert strandline_properties(spark, table)["strandline.added.size"] == bound.replace("2", "3")
    assert found(spark, table) == [(1, "a", 5, 7, 1, None)]


def test_a_table_without_learned_columns_is_planned_as_if_there_were_none(
    spark: SparkSession, capsys: pytest.CaptureFixture[str]
):
    shape = (
        "key int, at int, text string, note int, __op string, __origin int, __key_has_late boolean"
    )
    version = "valid_from int, valid_to int, is_current boolean, rest struct<c0: int>"
    main = f"{shape}, __arrives_late boolean, __unique_instant boolean, __version struct<{version}>"
    line = EventTimeline(spark.createDataFrame([], main), crowded=True)
    columns = ("key", "at", "text", "note")

    def plan(settings: HistorySettings) -> str:
        made = plan_timeline(line, settings, columns)
        made.explain(extended=True)
        text: str = capsys.readouterr().out
        return text.split("== Optimized", maxsplit=1)[0]

    plain, learned = plan(PLAIN), plan(replace(PLAIN, evolved=(EvolvedColumn("note", "int", "1"),)))

    assert "__prior0" in learned
    assert not [name for name in ("__prior", "__known") if name in plain]
    assert plain.count("Window [") < learned.count("Window [")
