"""What a load would find and do, asked of the source, the table and the ledgers; changes nothing.

Promise: what would stop the load is told in the load's own words, and it is all told at once: a
source that does not fit does not hide what is wrong with the table.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from pyspark.sql import functions as F

from blocks.source_database import SourceDatabase
from contracts.alerts import alert_time_windows
from contracts.errors import SourceUnavailableError, StrandlineError
from contracts.model import Contract
from contracts.model.source_relation import RelationDetails
from history.iceberg.current_snapshot import WATERMARK, current_state
from history.iceberg.history_table import exists
from history.iceberg.table_properties import (
    SOURCE_KIND,
    TableProperties,
    strandline_properties,
)
from history.schema_evolution.evolve_table import SchemaChange, preview_schema_change
from strandline.queries.ledger_queries import RunMetrics, read_runs
from strandline.queries.open_lakehouse import Lakehouse
from tasks.compiler.compile_contract import CompiledContract, compile_contract
from tasks.compiler.fingerprint_columns import fingerprint_columns, loaded_events
from tasks.observability.quality_ledger import CHECK, QUALITY_FINDINGS
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.source_schema_drift import refuse_unreadable
from tasks.transforms.checks.batch_checks import ALL_ROWS_READ, FRESHNESS, PAST_RUNS
from tasks.transforms.checks.implicit_checks import IMPLICIT

__all__ = ["Estimate", "PlannedLoad", "TableChange", "planned_load"]

Answer = TypeVar("Answer")

_COUNT_SECONDS, _CATALOG_SECONDS = 60, 30
_RUNS_COMPARED = 10


@dataclass(frozen=True, slots=True)
class TableChange:
    """What the load would change of the target before it writes rows.

    Attributes:
        made: The table is not there yet.
        added: Columns that it gets, each with its type.
        widened: Columns that get a wider type, each with that type.
        dropped: Columns that the contract does not have any more; their values stay.
        settings: How it is kept: what, before, from now on.
    """

    made: bool = False
    added: tuple[tuple[str, str], ...] = ()
    widened: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()
    settings: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a load of so many rows took before.

    Attributes:
        runs: How many loads it is taken from.
        seconds: How long this one may take.
        written: How many octets it may write.
    """

    runs: int
    seconds: float
    written: int | None


@dataclass(frozen=True, slots=True)
class PlannedLoad:
    """A load that has not begun.

    Attributes:
        contract: The contract's name.
        target: The table, with its catalog.
        source: The source's table.
        read: 'all rows' or 'rows since the watermark'.
        watermark: The watermark of the last load; None: there is none, or it is not asked for.
        rows: How many rows would be read; None: not counted, and `rows_note` says why.
        rows_note: What there is to say of that number.
        kind_note: Why the source is read as a state or a log, where the contract does not say.
        unread: Columns of the source that the contract does not name.
        table: What would change of the table.
        new_checks: Checks that no load has made yet.
        gone_checks: Checks that the last load made, and that the contract has no more.
        estimate: What it may cost; None: no load of it is recorded.
        problems: What would stop it.
    """

    contract: str
    target: str
    source: str
    read: str
    watermark: datetime | None = None
    rows: int | None = None
    rows_note: str = ""
    kind_note: str = ""
    unread: tuple[str, ...] = ()
    table: TableChange = field(default_factory=TableChange)
    new_checks: tuple[str, ...] = ()
    gone_checks: tuple[str, ...] = ()
    estimate: Estimate | None = None
    problems: tuple[StrandlineError, ...] = ()


def planned_load(
    contract: Contract, source: SourceDatabase, lake: Lakehouse, *, full: bool
) -> PlannedLoad:
    """Plan the load of a contract.

    Args:
        contract: As it was loaded.
        source: Its database.
        lake: The lakehouse, open.
        full: Read the whole source, whatever the contract says.
    """
    planning = _Planning(contract, source, lake, full=full)
    return planning.planned()


class _Planning:
    """The questions in their order; what stops a load is kept, and the next one is asked."""

    def __init__(
        self, contract: Contract, source: SourceDatabase, lake: Lakehouse, *, full: bool
    ) -> None:
        self._contract, self._source, self._lake = contract, source, lake
        self._target = lake.target(contract)
        self._exists = exists(lake.spark, self._target)
        self._full = full
        self._problems: list[StrandlineError] = []

    def planned(self) -> PlannedLoad:
        contract = self._contract
        plan = PlannedLoad(contract.name, self._target, contract.source.relation, read="all rows")
        details = self._tried(self._details)
        compiled = None
        if details is not None:
            plan = replace(plan, unread=_unread(contract, details))
            compiled = self._tried(lambda: self._compiled(details))
        if compiled is not None:
            plan = replace(plan, kind_note=compiled.kind_reason)
            plan = replace(plan, table=self._tried(lambda: self._change(compiled)) or plan.table)
            plan = self._with_rows(plan, compiled)
        plan = self._with_checks(plan)
        return replace(
            plan,
            estimate=None if plan.rows is None else self._estimate(plan.rows),
            problems=tuple(self._problems),
        )

    def _tried(self, ask: Callable[[], Answer]) -> Answer | None:
        try:
            return ask()
        except StrandlineError as error:
            if str(error) not in map(str, self._problems):
                self._problems.append(error)
            return None

    def _details(self) -> RelationDetails:
        source = self._contract.source
        with self._source.reading(_CATALOG_SECONDS) as reading:
            details = reading.details(source.schema, source.table)
        self._tried(lambda: refuse_unreadable(details, self._contract))
        return details

    def _compiled(self, details: RelationDetails) -> CompiledContract:
        spark = self._lake.spark
        recorded = (
            strandline_properties(spark, self._target).get(SOURCE_KIND) if self._exists else None
        )
        return compile_contract(
            self._contract,
            details.relation,
            target=self._target,
            recorded=recorded,
            dialect=sql_dialect_of(self._source),
        )

    def _change(self, compiled: CompiledContract) -> TableChange:
        spark, events = self._lake.spark, loaded_events(compiled)
        if not self._exists:
            columns = tuple((each.name, each.dataType.simpleString()) for each in events.fields)
            return TableChange(made=True, added=columns)
        wanted = TableProperties.from_settings(compiled.history, events.fieldNames())
        stored = strandline_properties(spark, self._target)
        settings = _differing(TableProperties.from_properties(stored, wanted), wanted)
        self._tried(lambda: fingerprint_columns(spark, compiled, self._target))
        found = self._tried(
            lambda: preview_schema_change(spark, self._target, events, compiled.history)
        )
        return _table_change(found, settings)

    def _with_rows(self, plan: PlannedLoad, compiled: CompiledContract) -> PlannedLoad:
        state = current_state(self._lake.spark, self._target) if self._exists else None
        text = state.properties.get(WATERMARK) if state is not None else None
        watermark = datetime.fromisoformat(text) if text else None
        after = watermark if compiled.incremental and not self._full else None
        if after is not None:
            plan = replace(plan, read="rows since the watermark", watermark=watermark)
        rows, note = self._counted(compiled, after)
        return replace(plan, rows=rows, rows_note=note)

    def _counted(
        self, compiled: CompiledContract, after: datetime | None
    ) -> tuple[int | None, str]:
        query = compiled.query.bounds(after=after)
        try:
            with self._source.reading(_COUNT_SECONDS) as reading:
                ((_, _, count, _),) = reading.rows(query, seconds=_COUNT_SECONDS, most=1)
        except SourceUnavailableError:
            return None, f"not counted within {_COUNT_SECONDS} s"
        except StrandlineError as error:
            self._problems.append(error)
            return None, "not counted"
        note = ""
        if after is not None and compiled.overlap:
            overlap = alert_time_windows.words(compiled.overlap)
            note = f"with the overlap of {overlap}, which reads known rows again"
        return int(str(count)), note

    def _with_checks(self, plan: PlannedLoad) -> PlannedLoad:
        has = {each.id for each in self._contract.checks}
        made = self._checks_made()
        if made is None:
            return replace(plan, new_checks=tuple(sorted(has)))
        names, stated = made
        return replace(
            plan, new_checks=tuple(sorted(has - names)), gone_checks=tuple(sorted(stated - has))
        )

    def _checks_made(self) -> tuple[set[str], set[str]] | None:
        """The checks of the last judged batch, and those of them that a contract states.

        The others are those that every load makes by itself.
        """
        ledger = self._lake.ledger(QUALITY_FINDINGS)
        if ledger is None:
            return None
        own = ledger.where((F.col("target_table") == self._target) & (F.col("grain") == CHECK))
        last = own.agg(F.max("judged_at").alias("at")).collect()[0].at
        if last is None:
            return None
        rows = own.where(F.col("judged_at") == last).select("check", "rule").collect()
        names = {row.check for row in rows}
        of_loads = {row.check for row in rows if row.rule == PAST_RUNS}
        return names, names - of_loads - IMPLICIT - {ALL_ROWS_READ, FRESHNESS}

    def _estimate(self, rows: int) -> Estimate | None:
        ledger = self._lake.ledger("run_metrics")
        if ledger is None:
            return None
        runs = [
            each
            for each in read_runs(ledger, contract=self._contract.name, limit=_RUNS_COMPARED)
            if each.state in ("published", "unchanged") and each.seconds is not None
        ]
        return _estimated(runs, rows)


def _unread(contract: Contract, details: RelationDetails) -> tuple[str, ...]:
    named = {each.name for each in contract.source.columns}
    return tuple(each.name for each in details.relation.columns if each.name not in named)


def _differing(before: TableProperties, after: TableProperties) -> tuple[tuple[str, str, str], ...]:
    """What of a table's settings is another than the contract wants, in the contract's words."""
    names = {
        "tracked": "tracked columns",
        "order": "key, sequence and tie-breakers",
        "carried": "carried columns",
        "fingerprint": "fingerprint",
        "partitioning": "partitioning",
        "kind": "kind of source",
    }
    found = []
    for name, words in names.items():
        old, new = _worded(getattr(before, name)), _worded(getattr(after, name))
        if old != new:
            found.append((words, old, new))
    return tuple(found)


def _worded(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(sorted(map(str, value))) or "none"
    return "none" if value is None else str(value)


def _table_change(
    found: SchemaChange | None, settings: tuple[tuple[str, str, str], ...]
) -> TableChange:
    if found is None:
        return TableChange(settings=settings)
    changes = found.alteration
    return TableChange(
        added=tuple((each.name, each.dataType.simpleString()) for each in changes.added),
        widened=tuple((each.name, each.dataType.simpleString()) for each in changes.wider),
        dropped=found.drops,
        settings=settings,
    )


def _estimated(runs: Sequence[RunMetrics], rows: int) -> Estimate | None:
    """By the loads before: their time for each row, and no less than the quickest of them took."""
    timed = [each for each in runs if each.rows_read and each.seconds is not None]
    if not timed:
        return None
    shortest = min(each.seconds or 0.0 for each in timed)
    by_row = statistics.median((each.seconds or 0.0) / (each.rows_read or 1) for each in timed)
    # A small load is mostly start and commit, so that its time for each row says little of many.
    largest = max(timed, key=lambda each: each.rows_read or 0)
    by_row = min(by_row, (largest.seconds or 0.0) / (largest.rows_read or 1))
    written = [
        (each.bytes_written or 0) / (each.rows_read or 1) for each in timed if each.bytes_written
    ]
    return Estimate(
        runs=len(timed),
        seconds=max(shortest, by_row * rows),
        written=round(statistics.median(written) * rows) if written else None,
    )
