"""Protect: the one pass over the source, in which rows are judged and protected, then staged.

Promise: nothing that the contract calls sensitive is written in the clear, here or later, and no
row leaves the source a second time in this run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from blocks.postgres.consistent_read import SourceReading
from contracts.model import Absence, Contract
from history.iceberg.history_table import exists
from history.spark.column_quoting_and_comparison import named
from tasks.compiler.fingerprint_columns import fingerprinted
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import Extraction, StagedBatch
from tasks.source.jdbc_reader import references, source_rows
from tasks.transforms import stage_rows
from tasks.transforms.checks.row_checks import findings

_PROPERTIES = {
    "format-version": "3",
    "write.spark.fanout.enabled": "true",
    "write.distribution-mode": "none",
    "write.parquet.compression-codec": "zstd",
}


def _figures(batch: StagedBatch) -> Figures:
    return {
        "rows read": batch.rows_read,
        "refused": batch.refused,
        "ignored": batch.ignored,
        "staged": batch.staged,
    }


@step("protect", figures=_figures)
def protect(run: Run, extraction: Extraction, reading: SourceReading) -> StagedBatch:
    """Read, judge, map, fingerprint and protect the rows, and write them to the stage once.

    The run's contract is that of the extraction.

    Raises:
        KeyUnavailableError: The table has a history, and its keys are not in the key ring.
        SourceUnavailableError: The database went away meanwhile.
        FixableError: The target can't become what the contract says (`tasks.compiler.fingerprint_columns`).
    """
    contract = run.contract
    made_of = fingerprinted(run)
    keys = run.settings.key_ring.keys_for(contract.target, create=extraction.first_load)
    observation = Observation(f"{contract.name}-{run.batch_id}")
    frame = stage_rows.staged(
        source_rows(run, extraction, reading),
        contract,
        keys,
        _origin(run, extraction, made_of),
        references=references(run, reading),
        known=_known(run, extraction, made_of),
        observation=observation,
    )
    _write(run, frame)
    seen = observation.get
    return _batch(run, contract, seen, extraction)


def _origin(run: Run, extraction: Extraction, made_of: tuple[str, ...]) -> stage_rows.Origin:
    closes = run.contract.history.absent is Absence.CLOSE
    return stage_rows.Origin(
        batch_id=run.batch_id,
        taken_at=run.started,
        target=run.contract.target,
        read_at=extraction.read_at,
        watermark_limit=extraction.watermark_limit,
        read_until=extraction.judged_until,
        fingerprinted=made_of,
        one_row_a_key=extraction.one_row_a_key,
        sees=run.contract.source.is_state and extraction.full and (closes or run.full),
    )


def _known(run: Run, extraction: Extraction, made_of: tuple[str, ...]) -> DataFrame | None:
    """The open versions that a full load compares with; an incremental one reads few repeats."""
    contract = run.contract
    columns = stage_rows.compared_when_known(contract, made_of)
    if not (extraction.full and columns and exists(run.spark, run.target)):
        return None
    current = contract.generated("is_current")
    if current is None:
        return None
    versions = run.spark.table(run.target)
    if not {*columns} <= {*versions.columns}:
        # A column is about to be added: what it says is news of every row.
        return None
    open_versions = versions.where(named(current.name))
    return open_versions.select(*[named(name) for name in columns])


def _write(run: Run, frame: DataFrame) -> None:
    writer = frame.writeTo(run.stage).using("iceberg").partitionedBy(F.col(stage_rows.KIND))
    for name, text in _PROPERTIES.items():
        writer = writer.tableProperty(name, text)
    writer.createOrReplace()


def _batch(
    run: Run, contract: Contract, seen: Mapping[str, object], extraction: Extraction
) -> StagedBatch:
    def count(kind: str) -> int:
        return int(str(seen[f"kind_{kind}"]))

    judged = {name: value for name, value in seen.items() if isinstance(value, int)}
    return StagedBatch(
        table=run.stage,
        rows_read=sum(count(kind) for kind in stage_rows.KINDS),
        staged=count(stage_rows.EVENT),
        refused=count(stage_rows.REFUSED),
        ignored=count(stage_rows.IGNORED),
        repeated=count(stage_rows.REPEATED),
        watermark=_latest(_moment(seen[stage_rows.WATERMARK]), extraction.watermark),
        findings=findings(contract, judged),
        read=extraction.read,
        there=int(str(seen[stage_rows.THERE])) if _asks_all(extraction) else None,
        there_digest=int(str(seen[stage_rows.THERE_DIGEST])),
        judged_until=_latest(_moment(seen[stage_rows.JUDGED_UNTIL]), extraction.judged_until),
    )


def _asks_all(extraction: Extraction) -> bool:
    """Whether the read speaks for every key, also for those that it did not find."""
    return extraction.read is not None and extraction.read.full


def _latest(newest: datetime | None, before: datetime | None) -> datetime | None:
    """What never moves back: an overlap alone may hold older rows only."""
    known = [moment for moment in (newest, before) if moment is not None]
    return max(known, default=None)


def _moment(micros: object) -> datetime | None:
    """The moment so many microseconds after 1970; None where Python has no value for it."""
    if not isinstance(micros, int):
        return None
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
    except OverflowError:
        return None
