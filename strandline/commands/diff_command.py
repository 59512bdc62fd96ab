"""`strandline diff`: how versions changed between two published states or two moments.

Counts first; keys only on request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import types as T
from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import UsageError
from contracts.model import Contract
from history.model.history_settings import HistorySettings
from history.reading.published_snapshots import (
    PublishedState,
    changed_rows,
    published_states,
    read_state,
    state_at,
    state_before,
    state_named,
)
from history.reading.version_diff import CHANGE, CHANGES, difference, held_difference
from history.schema_evolution.evolve_table import settings_of_table
from history.spark.column_quoting_and_comparison import named
from strandline.queries.format_row_values import printable, readable
from strandline.queries.open_lakehouse import Lakehouse, contract_of, open_lakehouse
from strandline.queries.parse_key_argument import moment_of
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import NOTHING, count, moment, second, value
from strandline.terminal.text_table import Heading, facts, text_table
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.run.spark_error_mapping import map_spark_errors

_COUNTS = (Heading("versions", number=True), Heading("what became of them"))
_LABELS = {
    "appeared": "appeared",
    "closed": "were open and are closed",
    "changed": "changed: another end, opened again, or a value overwritten",
    "vanished": "vanished: a later load took them back",
}
_HELD_LABELS = {
    "appeared": "nothing held then, something does now",
    "changed": "another version holds, and says something else",
    "vanished": "something held then, nothing does now",
}


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """The options: two published states, or two moments of the history (`held`)."""

    since: str | None
    until: str | None
    held: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class OnBranch:
    """A state on a branch that is not published."""

    snapshot_id: int
    batch_id: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One version that differs. `key` is as it is stored; `end` is None while it is open."""

    change: str
    key: str
    start: object
    end: object


@dataclass(frozen=True, slots=True)
class Difference:
    """Counts by change, and some of the versions (None: not requested).

    `ends` are the two sides of the comparison.
    """

    contract: str
    table: str
    ends: tuple[object, object]
    counts: dict[str, int]
    versions: tuple[Changed, ...] | None = None


def diff(
    screen: CommandOutput,
    table: str,
    options: DiffOptions,
    *,
    keys: bool,
    limit: int,
    settings: str,
) -> None:
    """What differs between two published states, or between what held at two moments."""
    _check(options)
    run_settings = block_lookup.settings(settings)
    contract = contract_of(table, run_settings)
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(run_settings)
        with map_spark_errors(contract.name, "diff"):
            contract = lake.as_loaded(contract)
            compare = _of_states if options.held is None else _of_moments
            ends, differing = compare(lake, contract, options)
            counts, versions = read_difference(differing, contract, keys=keys, limit=limit)
    answer = Difference(contract.name, lake.target(contract), ends, counts, versions)
    labels = _LABELS if options.held is None else _HELD_LABELS
    screen.answer(answer, *difference_page(answer, labels, width=screen.out.width))


def difference_page(
    result: Difference,
    labels: dict[str, str],
    *,
    width: int,
    options: tuple[str, str] = ("--keys", "--limit"),
) -> list[RenderableType]:
    """The two sides, the counts, then the requested versions.

    `options` are those of the command that name the keys, and more of them.
    """
    sides = [(label, _side(end)) for label, end in zip(("from", "to"), result.ends, strict=True)]
    parts: list[RenderableType] = [Text(result.table, "bold"), facts(sides)]
    if not any(result.counts.values()):
        return [*parts, Text("no version differs")]
    counts = [(count(number), labels[name]) for name, number in result.counts.items() if number]
    parts.append(text_table(_COUNTS, counts, width=width))
    if result.versions is None:
        return [*parts, Text(f"{options[0]} names them", "dim")]
    headings = (Heading("change"), Heading("key"), Heading("from (UTC)"), Heading("to (UTC)"))
    rows = [
        (
            each.change,
            each.key,
            moment(each.start),
            "open" if each.end is None else moment(each.end),
        )
        for each in result.versions
    ]
    parts.append(text_table(headings, rows, width=width))
    if len(rows) < sum(result.counts.values()):
        parts.append(Text(f"{len(rows):,} are shown; {options[1]} shows more", "dim"))
    return parts


def _check(options: DiffOptions) -> None:
    if options.held is not None and (options.since, options.until) != (None, None):
        raise UsageError(
            where="strandline diff",
            expected="--from and --to (published states), or --held (moments the history tells of)",
            found="both",
            next_step="strandline diff --help",
        )


def _of_states(
    lake: Lakehouse, contract: Contract, options: DiffOptions
) -> tuple[tuple[object, object], DataFrame]:
    lake.versions(contract)
    table = lake.target(contract)
    states = published_states(lake.spark, table)
    later = states[-1] if options.until is None else _state(states, options.until, table)
    earlier = (
        state_before(states, later)
        if options.since is None
        else _state(states, options.since, table)
    )
    settings = history_settings(contract)
    if earlier is None:
        after = read_state(lake.spark, table, later.snapshot_id)
        return (None, later), difference(after.limit(0), after, settings)
    frames = changed_rows(lake.spark, table, earlier.snapshot_id, later.snapshot_id)
    return (earlier, later), difference(*frames, settings)


def _state(states: Sequence[PublishedState], text: str, table: str) -> PublishedState:
    return state_named(states, text) or state_at(states, moment_of(text), where=table)


def _of_moments(
    lake: Lakehouse, contract: Contract, options: DiffOptions
) -> tuple[tuple[object, object], DataFrame]:
    versions = lake.versions(contract)
    settings = settings_of_table(lake.spark, lake.target(contract), history_settings(contract))
    kind = versions.schema[settings.valid_from].dataType
    if not isinstance(kind, T.TimestampType | T.DateType):
        raise UsageError(
            where=f"--held of {contract.name}",
            expected="a table whose versions are ordered by time",
            found="one whose versions are ordered by numbers",
            next_step="Compare published states: --from and --to.",
        )
    earlier, later = (_parsed(text, kind) for text in options.held or ())
    return (earlier, later), held_difference(versions, settings, earlier, later)


def _parsed(text: str, kind: T.DataType) -> date:
    parsed = moment_of(text)
    return parsed.date() if isinstance(kind, T.DateType) else parsed


def read_difference(
    differing: DataFrame, contract: Contract, *, keys: bool, limit: int
) -> tuple[dict[str, int], tuple[Changed, ...] | None]:
    """Of the rows of `history.reading.version_diff.difference` the counts and some rows."""
    settings = history_settings(contract)
    # Compared once, for the counts and the keys.
    checkpoint = differing.localCheckpoint(eager=True)
    counted = {row[CHANGE]: row["count"] for row in checkpoint.groupBy(CHANGE).count().collect()}
    counts = {name: counted.get(name, 0) for name in CHANGES}
    if not keys:
        return counts, None
    rows = (
        checkpoint.orderBy(*[named(name) for name in settings.key], named(settings.valid_from))
        .limit(limit)
        .select(CHANGE, *_columns(settings, checkpoint.schema))
        .collect()
    )
    return counts, tuple(_changed(row, settings, checkpoint.schema) for row in rows)


def _columns(settings: HistorySettings, schema: T.StructType) -> list[Column]:
    names = (*settings.key, settings.valid_from, settings.valid_to)
    shown = [readable(named(name), schema[name].dataType) for name in names]
    return [*shown, named(settings.is_current)]


def _changed(row: Any, settings: HistorySettings, schema: T.StructType) -> Changed:
    names = (*settings.key, settings.valid_from, settings.valid_to)
    cells = [
        printable(cell, schema[name].dataType) for name, cell in zip(names, row[1:-1], strict=True)
    ]
    *keys, start, end = cells
    shown = [value(cell) for cell in keys]
    key = shown[0]
    if len(keys) > 1:
        key = ",".join(f"{name}={cell}" for name, cell in zip(settings.key, shown, strict=True))
    return Changed(row[0], key, start, None if row[-1] else end)


def _side(end: object) -> str:
    if end is None:
        return "the empty table"
    if isinstance(end, OnBranch):
        return f"not published yet, batch {end.batch_id}, snapshot {end.snapshot_id}"
    if not isinstance(end, PublishedState):
        return f"what held at {moment(end)}"
    batch = end.batch_id or NOTHING
    return f"published {second(end.published_at)}, batch {batch}, snapshot {end.snapshot_id}"
