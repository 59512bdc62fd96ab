"""Protect: the one pass over the source, in which rows are checked and protected, then staged.

Promise: nothing that the contract calls sensitive is written in the clear, here or later, and no
row leaves the source a second time in this run, but those that a model of unusual rows is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, Observation

from blocks.source_dialects.consistent_read import SourceReading
from contracts.model.reserved_column_names import UNFIT
from history.iceberg.history_table import exists
from history.spark.column_quoting_and_comparison import named, storable
from tasks.compiler.compile_contract import CompiledContract
from tasks.compiler.fingerprint_columns import fingerprint_columns
from tasks.erasure.erased_subjects import erased_digests
from tasks.erasure.subject_key_ledger import record_made_keys, subject_keys
from tasks.judging.anomaly_model_of_batch import model_of_batch
from tasks.judging.referenced_values import referenced_values
from tasks.retention.retired_records import retired_records
from tasks.run.protection_keys import ids_of, protection_keys
from tasks.run.quarantine_decision import has_unsettled_rows
from tasks.run.run_context import Run
from tasks.run.stage_table import write_stage
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import Extraction, StagedBatch
from tasks.source.jdbc_reader import source_rows
from tasks.transforms import stage_plan, stage_rows
from tasks.transforms.anomalies.anomaly_model import AnomalyModel, NotEvaluated
from tasks.transforms.checks.batch_checks import BatchFacts
from tasks.transforms.checks.batch_measures import measure
from tasks.transforms.checks.pandera_schema import refuse_mismatches
from tasks.transforms.checks.row_checks import findings, judged
from tasks.transforms.stage_input import Known, Origin


def _figures(batch: StagedBatch) -> Figures:
    return {
        "rows read": batch.rows_read,
        "refused": batch.refused,
        "ignored": batch.ignored,
        **({"erased or retired": batch.erased} if batch.erased else {}),
        "staged": batch.staged,
    }


@step("protect", figures=_figures)
def protect(
    run: Run, extraction: Extraction, reading: SourceReading, rows: DataFrame | None = None
) -> StagedBatch:
    """Read, check, map, fingerprint and protect the rows, and write them to the stage once.

    `rows` are those of the extraction, where something was made of what its query selects: the
    contract's columns, those that the stage carries, and `UNFIT`. How many there are is then not
    known before.

    Raises:
        KeyUnavailableError: The table has a history, and its keys are not in the key ring; or the
            rows are too many for one key.
        KeyServiceUnavailableError: A place of the keys does not answer.
        SourceUnavailableError: The database became unavailable meanwhile.
        SchemaDriftError: The rows read, or those to be staged, are not as the contract promises.
        FixableError: The target can't take the contract's schema
            (`tasks.compiler.fingerprint_columns`).
    """
    contract = extraction.contract
    fingerprinted = fingerprint_columns(run.spark, contract, run.target)
    keys = protection_keys(run, contract, rows=extraction.rows, create=extraction.first_load)
    observation = Observation(f"{run.name}-{run.batch_id}")
    is_made = rows is not None
    if rows is None:
        rows = source_rows(
            run.spark,
            reading,
            contract.rows,
            contract.fetch,
            query=extraction.query,
            slices=extraction.slices,
        )
    refuse_mismatches(
        rows.drop(UNFIT, *contract.stage.carried),
        contract.rows,
        where=f"{run.name}, rows of {contract.relation}",
        cause="The source changed while it was read: load again.",
    )
    referenced = referenced_values(run, contract, reading)
    anomalies = model_of_batch(run, extraction, reading)
    named_by = contract.stage.protection.subject
    frame = stage_rows.stage_rows(
        rows,
        contract.stage,
        keys,
        _origin(run, extraction, fingerprinted),
        known=Known(
            references=referenced.frames,
            open_versions=_open_versions(run, extraction, fingerprinted),
            erased=erased_digests(run.spark, run.settings, run.governed_target),
            retired=retired_records(run.spark, run.settings, run.governed_target),
            subject_keys=subject_keys(run, contract.table, named_by, keys),
        ),
        observation=observation,
        anomalies=anomalies if isinstance(anomalies, AnomalyModel) else None,
    )
    refuse_mismatches(
        _as_stored(frame.drop(*contract.stage.own_columns)),
        contract.events,
        where=f"{run.name}, stage of batch {run.batch_id}",
        cause="Report this: mapping or protection made other types than the contract states.",
    )
    write_stage(run, frame)
    observed = observation.get
    if observed.get(stage_plan.NEW_PERSONS):
        record_made_keys(run, named_by, run.spark.table(run.stage))
    counts = {name: value for name, value in observed.items() if isinstance(value, int)}
    no_model = anomalies.reason if isinstance(anomalies, NotEvaluated) else ""
    batch = _batch(run, observed, extraction)
    return replace(
        batch,
        facts=None if is_made else batch.facts,
        judged=judged(counts),
        findings=findings(contract.stage.checks, counts, referenced.unavailable, no_model),
        anomalies=_kept(contract, anomalies),
        key_ids=ids_of(keys),
    )


def _as_stored(frame: DataFrame) -> DataFrame:
    """The frame in the types that a table of Iceberg has for its own."""
    return frame.select(
        *[
            named(field.name).cast(storable(field.dataType)).alias(field.name)
            for field in frame.schema.fields
        ]
    )


def _origin(run: Run, extraction: Extraction, fingerprinted: tuple[str, ...]) -> Origin:
    contract = extraction.contract
    closes = contract.closes_absent
    return Origin(
        batch_id=run.batch_id,
        taken_at=run.started,
        target=contract.table,
        read_at=extraction.read_at,
        watermark_limit=extraction.watermark_limit,
        read_until=extraction.judged_until,
        fingerprinted=fingerprinted,
        one_row_a_key=contract.one_row_a_key,
        carried=contract.stage.carried,
        # A refused row is settled when its key's row passes, also when that is a repeat.
        stages_all_keys=contract.is_state
        and extraction.full
        and (closes or run.full or has_unsettled_rows(run)),
    )


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


def _batch(run: Run, observed: Mapping[str, object], extraction: Extraction) -> StagedBatch:
    def count(kind: str) -> int:
        return int(str(observed[f"kind_{kind}"]))

    rows_read = sum(count(kind) for kind in stage_plan.KINDS)
    return StagedBatch(
        table=run.stage,
        rows_read=rows_read,
        staged=count(stage_plan.EVENT),
        refused=count(stage_plan.REFUSED),
        ignored=count(stage_plan.IGNORED),
        repeated=count(stage_plan.REPEATED),
        erased=count(stage_plan.ERASED),
        watermark=_latest(_moment(observed[stage_plan.WATERMARK]), extraction.watermark),
        facts=_facts(observed, extraction, rows_read),
        read=extraction.read,
        open_rows=int(str(observed[stage_plan.THERE])) if _covers_all_keys(extraction) else None,
        open_rows_digest=int(str(observed[stage_plan.THERE_DIGEST])),
        judged_until=_latest(_moment(observed[stage_plan.JUDGED_UNTIL]), extraction.judged_until),
    )


def _kept(contract: CompiledContract, anomalies: AnomalyModel | NotEvaluated | None) -> str:
    """The model as it may be kept; empty if there is none."""
    if not isinstance(anomalies, AnomalyModel) or contract.anomalies is None:
        return ""
    return anomalies.public_json(contract.anomalies.hidden)


def _facts(observed: Mapping[str, object], extraction: Extraction, rows_read: int) -> BatchFacts:
    return BatchFacts(
        rows_read=rows_read,
        rows_in_source=extraction.rows,
        rows_counted=int(str(observed["rows"])),
        full=extraction.full,
        read_at=extraction.read_at,
        newest=_latest(_moment(observed[stage_plan.JUDGED_UNTIL]), extraction.watermark),
        observed={name: value for name, value in observed.items() if name.startswith(measure(""))},
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
