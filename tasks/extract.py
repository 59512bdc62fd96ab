"""Extract: find out what a load has to read, before reading any of it.

Promise: a source that is away, that refuses us or that no longer fits the contract is told of
here, in one message, with nothing written.
"""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches

from contracts.errors import EmptyBatchError, SchemaDriftError
from contracts.model import Absence, LoadKind
from contracts.schema import source_schema
from contracts.source_query import bounds_query, source_query
from contracts.source_slices import source_slices
from history.table import WATERMARK, exists, published
from tasks.handoff import Extraction
from tasks.run import Run
from tasks.source_rows import relation_schema
from tasks.step import Figures, step
from tasks.transforms.drift import drift

ROWS_A_SLICE = 100_000
"""A slice of fewer rows is not worth a connection of its own."""


def _figures(extraction: Extraction) -> Figures:
    return {"rows": extraction.rows}


@step("extract", figures=_figures)
def extract(run: Run) -> Extraction:
    """Check the source against the contract and find the bounds of what is to be read.

    Raises:
        SourceUnavailableError: The database does not answer.
        SourceAccessError: It refuses the credentials or the table.
        SchemaDriftError: The table is gone, lacks a column or changed a type.
        EmptyBatchError: There are no rows where the contract promises some.
    """
    contract = run.contract
    run.source.check()
    _refuse_drift(run)
    state = published(run.spark, run.target) if exists(run.spark, run.target) else None
    incremental = contract.source.load is LoadKind.INCREMENTAL
    mark = state.properties.get(WATERMARK) if state is not None and incremental else None
    after = datetime.fromisoformat(mark) if mark else None
    dialect = run.source.dialect
    bounds = bounds_query(contract, after=after, dialect=dialect)
    low, high, newest, count = run.source.query_row(bounds)
    rows = int(str(count))
    _refuse_nothing(run, rows, first_load=state is None)
    until = _moment(newest) if incremental else None
    pruned = (low, high) if contract.source.partition_column and low is not None else None
    return Extraction(
        query=source_query(contract, after=after, until=until, within=pruned, dialect=dialect),
        slices=_slices(run, low, high, rows),
        after=after,
        until=until,
        rows=rows,
        first_load=state is None,
    )


def _slices(run: Run, low: object, high: object, rows: int) -> tuple[str, ...]:
    count = min(run.settings.slices, rows // ROWS_A_SLICE + 1)
    column = run.contract.source.partition_column or ""
    return source_slices(column, low, high, count, dialect=run.source.dialect)


def _refuse_drift(run: Run) -> None:
    contract = run.contract
    have = run.source.columns(contract.source.schema, contract.source.table)
    promised = source_schema(contract)
    missing = [name for name in promised.fieldNames() if name not in have]
    said = [f"no column {name}{_perhaps(name, tuple(have))}" for name in missing]
    if not missing:
        found = relation_schema(run, contract.source.schema, contract.source.table)
        said = list(drift(promised, found))
    if said:
        raise SchemaDriftError(
            where=f"{contract.name}, source {contract.source.relation}",
            expected="the columns and types that the contract promises",
            found="; ".join(said),
            next_step="Correct the contract, or have the source changed back. Nothing was read.",
        )


def _perhaps(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (but {near[0]})" if near else ""


def _refuse_nothing(run: Run, rows: int, *, first_load: bool) -> None:
    """No rows are refused where the contract says so, and where they would close everything."""
    if rows:
        return
    contract = run.contract
    closes_all = contract.history.absent is Absence.CLOSE and not first_load
    if not contract.source.may_be_empty or closes_all:
        raise EmptyBatchError(
            where=f"{contract.name}, source {contract.source.relation}",
            expected="at least one row",
            found="none",
            next_step="Check that the source was filled. Nothing was changed.",
        )


def _moment(value: object) -> datetime | None:
    """The source's newest watermark; sources without a zone are read in UTC."""
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
