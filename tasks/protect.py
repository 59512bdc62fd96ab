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
from history.iceberg.history_table import exists
from history.spark.column_quoting_and_comparison import named
from tasks.compiler.compile_contract import CompiledContract
from tasks.compiler.fingerprint_columns import fingerprint_columns
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import Extraction, StagedBatch
from tasks.source.jdbc_reader import reference_values, source_rows
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

    Raises:
        KeyUnavailableError: The table has a history, and its keys are not in the key ring.
        SourceUnavailableError: The database went away meanwhile.
        FixableError: The target can't become what the contract says
            (`tasks.compiler.fingerprint_columns`).
    """
    contract = extraction.contract
    made_of = fingerprint_columns(run.spark, contract, run.target)
    keys = run.settings.key_ring.keys_for(contract.table, create=extraction.first_load)
    observation = Observation(f"{run.name}-{run.batch_id}")
    rows = source_rows(
        run.spark,
        reading,
        contract.rows,
        contract.fetch,
        query=extraction.query,
        slices=extraction.slices,
    )
    frame = stage_rows.stage_rows(
        rows,
        contract.stage,
        keys,
        _origin(run, extraction, made_of),
        references=_references(run, contract, reading),
        known=_known(run, extraction, made_of),
        observation=observation,
    )
    _write(run, frame)
    return _batch(run, contract, observation.get, extraction)


def _origin(run: Run, extraction: Extraction, made_of: tuple[str, ...]) -> stage_rows.Origin:
    contract = extraction.contract
    closes = contract.closes_absent
    return stage_rows.Origin(
        batch_id=run.batch_id,
        taken_at=run.started,
        target=contract.table,
        read_at=extraction.read_at,
        watermark_limit=extraction.watermark_limit,
        read_until=extraction.judged_until,
        fingerprinted=made_of,
        one_row_a_key=contract.one_row_a_key,
        sees=contract.is_state and extraction.full and (closes or run.full),
    )


def _references(
    run: Run, contract: CompiledContract, reading: SourceReading
) -> Mapping[str, DataFrame]:
    """The relations that the contract's checks refer to, with the columns that they need."""
    found = {}
    for name, columns in contract.references.items():
        schema, _, table = name.partition(".")
        found[name] = reference_values(
            run.spark,
            reading,
            reading.relation(schema, table),
            columns,
            contract.fetch,
            dialect=run.source.dialect,
            where=run.name,
        )
    return found


def _known(run: Run, extraction: Extraction, made_of: tuple[str, ...]) -> DataFrame | None:
    """The open versions that a full load compares with; an incremental one reads few repeats."""
    contract = extraction.contract
    columns = contract.stage.compared_with_known(made_of)
    if not (extraction.full and columns and exists(run.spark, run.target)):
        return None
    versions = run.spark.table(run.target)
    if not {*columns} <= {*versions.columns}:
        # A column is about to be added: what it says is news of every row.
        return None
    open_versions = versions.where(named(contract.history.is_current))
    return open_versions.select(*[named(name) for name in columns])


def _write(run: Run, frame: DataFrame) -> None:
    writer = frame.writeTo(run.stage).using("iceberg").partitionedBy(F.col(stage_rows.KIND))
    for name, text in _PROPERTIES.items():
        writer = writer.tableProperty(name, text)
    writer.createOrReplace()


def _batch(
    run: Run, contract: CompiledContract, seen: Mapping[str, object], extraction: Extraction
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
        findings=findings(contract.stage.checks, judged),
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
