"""From where the next load reads once a batch is taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import functions as F

from contracts.errors import NotFoundError
from contracts.model import Contract, LoadKind
from history.iceberg.current_snapshot import WATERMARK, CurrentState, state_of_snapshot
from history.iceberg.history_table import exists
from history.reading.published_snapshots import published_states, state_before, state_named
from tasks.observability.run_metrics import PUBLISHED, UNCHANGED
from tasks.run.run_context import Run


@dataclass(frozen=True, slots=True)
class WatermarkAfter:
    """Where the watermark is once the batch is taken back.

    Attributes:
        watermark: As text; None: the next load reads the source from its beginning.
        was: Where it is now.
        reads_again: The next load reads again what the source has from the batch on.
        published_before: When the state before the batch was published; None: it has expired.
    """

    watermark: str | None
    was: str | None
    reads_again: bool
    published_before: datetime | None = None


def watermark_after(
    run: Run, contract: Contract, state: CurrentState | None, undone: str, *, keep: bool
) -> WatermarkAfter:
    """Where the watermark is to be: where it was before the batch, or as it is with `keep`.

    What was taken back earlier is not passed over: a watermark that lies further back stays.

    Raises:
        NotFoundError: Neither the table's snapshots nor the ledger of runs know it any more.
    """
    was = None if state is None else state.properties.get(WATERMARK)
    states = published_states(run.spark, run.target)
    own = state_named(states, undone)
    before = None if own is None else state_before(states, own)
    at = None if before is None else before.published_at
    incremental = contract.source.load is LoadKind.INCREMENTAL
    if keep or not incremental or state is None:
        return WatermarkAfter(was, was, reads_again=not keep, published_before=at)
    if before is not None:
        properties = state_of_snapshot(run.spark, run.target, before.snapshot_id).properties
        earlier = properties.get(WATERMARK)
    else:
        earlier = _recorded_before(run, undone)
    return WatermarkAfter(_least(was, earlier), was, reads_again=True, published_before=at)


def _least(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return None
    return min(one, other, key=datetime.fromisoformat)


def _recorded_before(run: Run, undone: str) -> str | None:
    """The watermark of the run before the batch's, from the ledger of runs."""
    ledger = run.ledger("run_metrics")
    if exists(run.spark, ledger):
        ended = F.col("state").isin(PUBLISHED, UNCHANGED)
        rows = run.spark.table(ledger).where((F.col("target_table") == run.target) & ended)
        micros = F.unix_micros("watermark").alias("micros")
        runs = rows.select("batch_id", micros).orderBy("end_time").collect()
        names = [row.batch_id for row in runs]
        if undone in names:
            at = names.index(undone)
            before = runs[at - 1].micros if at else None
            return None if before is None else _text(before)
    raise NotFoundError(
        where=f"{run.target}, batch {undone}",
        expected="how far the source had been read before the batch",
        found="that neither the table's snapshots nor the ledger of runs know it",
        next_step="Add --keep-watermark, and then `strandline verify --repair`, which loads what "
        "the source has. Nothing was changed.",
    )


def _text(micros: int) -> str:
    return (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)).isoformat()
