"""Extract: determine what a load has to read, before reading any of it.

Promise: a source that is unavailable, refuses access or no longer fits the contract is reported
here, in one message, with nothing written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from prefect.logging import get_run_logger

from blocks.source_dialects.consistent_read import SourceReading
from contracts.errors import EmptyBatchError
from contracts.model import Contract
from contracts.model.source_relation import Relation
from history.iceberg.current_snapshot import WATERMARK, CurrentState
from history.iceberg.history_table import exists, find_state
from history.iceberg.table_properties import recorded_source_kind
from history.model.recorded_source_reads import Read, next_read_instant
from tasks.compiler.compile_contract import CompiledContract, compile_contract
from tasks.run.run_context import PIPELINE, Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import Extraction
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.jdbc_partitions import source_slices

ROWS_A_SLICE = 100_000
"""A slice of fewer rows is not worth a connection of its own."""


@dataclass(frozen=True, slots=True)
class _Previous:
    """What earlier batches recorded, without a watermark that can't be trusted.

    `judged_until` is the greatest watermark that one of them checked, `last_read` their last read.
    """

    state: CurrentState | None
    watermark: datetime | None = None
    judged_until: datetime | None = None
    last_read: datetime | None = None


def _figures(extraction: Extraction) -> Figures:
    return {"rows": extraction.rows}


@step("extract", figures=_figures)
def extract(run: Run, contract: Contract, reading: SourceReading) -> Extraction:
    """Check the source against the contract and query the bounds of what is to be read.

    Raises:
        SourceUnavailableError: The database does not answer.
        SourceAccessError: It refuses the credentials or the table.
        SchemaDriftError: The table is missing, lacks a column or changed a type.
        EmptyBatchError: There are no rows where the contract promises some.
    """
    relation = reading.relation(contract.source.schema, contract.source.table)
    compiled = _compiled(run, contract, relation)
    previous = _previous(run, reading)
    from_watermark = compiled.incremental and not run.full
    after = previous.watermark if from_watermark else None
    most = run.settings.slices
    bounds = compiled.query.bounds(after=after, slices=most)
    low, high, count, cuts = reading.query_row(bounds)
    rows = int(str(count))
    _refuse_empty(compiled, rows, first_load=previous.state is None)
    pruned = (low, high) if compiled.partitioned and low is not None else None
    read_at = next_read_instant(reading.now, previous.last_read)
    return Extraction(
        contract=compiled,
        query=compiled.query.rows(after=after, within=pruned),
        slices=source_slices(
            reading.widened(min(most, rows // ROWS_A_SLICE + 1)),
            pages=compiled.query.pages,
            cuts=cuts if isinstance(cuts, list) else (),
            dialect=compiled.query.dialect,
        ),
        rows=rows,
        first_load=previous.state is None,
        full=after is None,
        after=after,
        watermark=previous.watermark,
        read_at=read_at,
        watermark_limit=min(reading.now, reading.oldest_open or reading.now),
        judged_until=previous.judged_until if after is not None else None,
        read=_read(compiled, read_at, after) if compiled.is_state else None,
    )


def _compiled(run: Run, contract: Contract, relation: Relation) -> CompiledContract:
    """The contract, compiled; a source kind that it does not state is logged."""
    may_be_recorded = contract.source.kind is None and exists(run.spark, run.target)
    recorded = recorded_source_kind(run.spark, run.target) if may_be_recorded else None
    compiled = compile_contract(
        contract, relation, target=run.target, recorded=recorded, dialect=sql_dialect_of(run.source)
    )
    if compiled.kind_reason:
        get_run_logger().warning(
            "%s does not say what its source is; it is read as %s: %s",
            compiled.name,
            compiled.kind,
            compiled.kind_reason,
        )
    return compiled


def _previous(run: Run, reading: SourceReading) -> _Previous:
    state = find_state(run.spark, run.target)
    if state is None:
        return _Previous(None)
    watermark = _moment(state.properties.get(WATERMARK))
    judged_until = _moment(json.loads(state.properties.get(PIPELINE, "{}")).get("judged_until"))
    last_read = state.last_read.at if state.last_read is not None else None
    if watermark is not None and watermark > reading.now:
        # An earlier release accepted a stamp from the future, and skipped all rows since then.
        return _Previous(state, last_read=last_read)
    watermarks = [moment for moment in (watermark, judged_until) if moment is not None]
    return _Previous(state, watermark, max(watermarks, default=None), last_read)


def _read(contract: CompiledContract, at: datetime, after: datetime | None) -> Read:
    """The read as the history records it: what it means for rows that it lacks."""
    if after is None:
        return Read(at=at, full=contract.closes_absent)
    # Another column than the stamp chose the rows: which stamps were read is unknown.
    low = after - contract.overlap if contract.sequence_is_watermark else at
    return Read(at=at, full=False, low=low)


def _refuse_empty(contract: CompiledContract, rows: int, *, first_load: bool) -> None:
    """Refuse a read without rows where the contract does, and where it would close every key."""
    if rows:
        return
    closes_all = contract.closes_absent and not first_load
    if not contract.may_be_empty or closes_all:
        raise EmptyBatchError(
            where=f"{contract.name}, source {contract.relation}",
            expected="at least one row",
            found="none",
            next_step="Check that the source was filled. Nothing was changed.",
        )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
