"""Protect: the one pass over the source, in which rows are checked and protected, then staged.

Promise: nothing that the contract calls sensitive is written in the clear, here or later, and no
row leaves the source a second time in this run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from blocks.postgres.consistent_read import SourceReading
from contracts.model.reserved_column_names import UNFIT
from history.iceberg.history_table import exists
from history.spark.column_quoting_and_comparison import named
from tasks.compiler.compile_contract import CompiledContract
from tasks.compiler.fingerprint_columns import fingerprint_columns
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import Extraction, StagedBatch
from tasks.source.jdbc_reader import reference_values, source_rows
from tasks.transforms import stage_rows
from tasks.transforms.checks.pandera_schema import refuse_mismatches
from tasks.transforms.checks.row_checks import findings, judged

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
    """Read, check, map, fingerprint and protect the rows, and write them to the stage once.

    Raises:
        KeyUnavailableError: The table has a history, and its keys are not in the key ring.
        SourceUnavailableError: The database became unavailable meanwhile.
        SchemaDriftError: The rows read, or those to be staged, are not as the contract promises.
        FixableError: The target can't take the contract's schema
            (`tasks.compiler.fingerprint_columns`).
    """
    contract = extraction.contract
    fingerprinted = fingerprint_columns(run.spark, contract, run.target)
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
    refuse_mismatches(
        rows.drop(UNFIT),
        contract.rows,
        where=f"{run.name}, rows of {contract.relation}",
        cause="The source changed while it was read: load again.",
    )
    frame = stage_rows.stage_rows(
        rows,
        contract.stage,
        keys,
        _origin(run, extraction, fingerprinted),
        references=_references(run, contract, reading),
        open_versions=_open_versions(run, extraction, fingerprinted),
        observation=observation,
    )
    refuse_mismatches(
        frame.drop(*contract.stage.own_columns),
        contract.events,
        where=f"{run.name}, stage of batch {run.batch_id}",
        cause="Report this: mapping or protection made other types than the contract states.",
    )
    _write(run, frame)
    return _batch(run, contract, observation.get, extraction)


def _origin(run: Run, extraction: Extraction, fingerprinted: tuple[str, ...]) -> stage_rows.Origin:
    contract = extraction.contract
    closes = contract.closes_absent
    return stage_rows.Origin(
        batch_id=run.batch_id,
        taken_at=run.started,
        target=contract.table,
        read_at=extraction.read_at,
        watermark_limit=extraction.watermark_limit,
        read_until=extraction.judged_until,
        fingerprinted=fingerprinted,
        one_row_a_key=contract.one_row_a_key,
        stages_all_keys=contract.is_state and extraction.full and (closes or run.full),
    )


def _references(
    run: Run, contract: CompiledContract, reading: SourceReading
) -> Mapping[str, DataFrame]:
    """The relations that the contract's checks refer to, with the columns that they need."""
    frames = {}
    for name, columns in contract.references.items():
        schema, _, table = name.partition(".")
        frames[name] = reference_values(
            run.spark,
            reading,
            reading.relation(schema, table),
            columns,
            contract.fetch,
            dialect=run.source.dialect,
            where=run.name,
        )
    return frames


def _open_versions(
    run: Run, extraction: Extraction, fingerprinted: tuple[str, ...]
) -> DataFrame | None:
    """The open versions that a full load compares with; an incremental one reads few repeats."""
    contract = extraction.contract
    columns = contract.stage.compared_with_known(fingerprinted)
    if not (extraction.full and columns and exists(run.spark, run.target)):
        return None
    table = run.spark.table(run.target)
    if not {*columns} <= {*table.columns}:
        # A column is about to be added: its values are new for every row.
        return None
    rows = table.where(named(contract.history.is_current))
    return rows.select(*[named(name) for name in columns])


def _write(run: Run, frame: DataFrame) -> None:
    writer = frame.writeTo(run.stage).using("iceberg").partitionedBy(F.col(stage_rows.KIND))
    for name, text in _PROPERTIES.items():
        writer = writer.tableProperty(name, text)
    writer.createOrReplace()


def _batch(
    run: Run, contract: CompiledContract, observed: Mapping[str, object], extraction: Extraction
) -> StagedBatch:
    def count(kind: str) -> int:
        return int(str(observed[f"kind_{kind}"]))

    counts = {name: value for name, value in observed.items() if isinstance(value, int)}
    return StagedBatch(
        table=run.stage,
        rows_read=sum(count(kind) for kind in stage_rows.KINDS),
        staged=count(stage_rows.EVENT),
        refused=count(stage_rows.REFUSED),
        ignored=count(stage_rows.IGNORED),
        repeated=count(stage_rows.REPEATED),
        watermark=_latest(_moment(observed[stage_rows.WATERMARK]), extraction.watermark),
        findings=findings(contract.stage.checks, counts),
        judged=judged(counts),
        read=extraction.read,
        open_rows=int(str(observed[stage_rows.THERE])) if _covers_all_keys(extraction) else None,
        open_rows_digest=int(str(observed[stage_rows.THERE_DIGEST])),
        judged_until=_latest(_moment(observed[stage_rows.JUDGED_UNTIL]), extraction.judged_until),
    )


def _covers_all_keys(extraction: Extraction) -> bool:
    """Whether the read decides about every key, also about those without a row in it."""
    return extraction.read is not None and extraction.read.full


def _latest(newest: datetime | None, before: datetime | None) -> datetime | None:
    """The later of the two: a read of the overlap alone may have older rows only."""
    moments = [moment for moment in (newest, before) if moment is not None]
    return max(moments, default=None)


def _moment(micros: object) -> datetime | None:
    """The moment so many microseconds after 1970; None where Python has no value for it."""
    if not isinstance(micros, int):
        return None
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
    except OverflowError:
        return None
