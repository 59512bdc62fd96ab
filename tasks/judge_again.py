"""Judge again: quarantined rows go through the pass of a load once more, by today's contract.

Promise: a row that passes is staged as it would have been, had it not been refused. Nothing leaves
the quarantine here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pyspark.sql import Column, DataFrame, Observation, Window
from pyspark.sql import functions as F

from blocks.source_dialects.consistent_read import SourceReading
from contracts.model import Contract
from contracts.model.encryption_keys import ProtectionKeys
from contracts.model.reserved_column_names import UNFIT
from history.planning.event_validation import VALIDATION_REASONS
from history.planning.hard_deletes import MASS_CLOSING
from history.spark.column_quoting_and_comparison import named
from history.writing.quarantine_table import EVENT_FORM, SOURCE_FORM
from tasks.compiler.compile_contract import CompiledContract, compile_contract
from tasks.compiler.fingerprint_columns import fingerprint_columns
from tasks.compiler.source_kind_in_history_table import with_recorded_source_kind
from tasks.erasure.erased_subjects import erased_digests
from tasks.erasure.subject_key_ledger import key_records, record_made_keys, subject_keys
from tasks.judging.referenced_values import referenced_values
from tasks.judging.refuse_repeats_of_release import refuse_repeats_of_release
from tasks.lifecycle.settle_rows import repair_claims
from tasks.retention.retired_records import retired_records
from tasks.run.protection_keys import ids_of, protection_keys
from tasks.run.quarantine_decision import Selection, unsettled_rows
from tasks.run.run_context import Run
from tasks.run.stage_table import write_stage
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import StagedBatch
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.transforms import stage_plan, stage_rows
from tasks.transforms.record_digests import without_retired
from tasks.transforms.rows_from_quarantine import READ_AT, ROW_ID, events, form, rows_of_source
from tasks.transforms.stage_input import Known, Origin

TWIN = "another row of the same key and instant is kept, and was not selected"
NO_INSTANT = "an earlier release kept it, without the instant at which it was read"
ABOUT_NO_ROW = "it says that too many keys were absent, or that a key is missing in an event"
"""Why a row can't be judged again."""


@dataclass(frozen=True, slots=True)
class JudgedAgain:
    """Quarantined rows on the stage of a release.

    Attributes:
        contract: The contract they were judged by.
        staged: The batch; `refused` are those that it refuses again.
        selected: How many rows were selected.
        left: How many could not be judged, by reason.
    """

    contract: CompiledContract
    staged: StagedBatch
    selected: int
    left: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


def _figures(judged: JudgedAgain) -> Figures:
    staged = judged.staged
    return {"rows": judged.selected, "refused again": staged.refused, "staged": staged.staged}


@step("judge again", figures=_figures)
def judge_again(
    run: Run, contract: Contract, reading: SourceReading, selection: Selection
) -> JudgedAgain:
    """Judge the selected rows that are kept of the run's table, and stage them.

    Raises:
        KeyUnavailableError: The keys that encrypted their values are not in the key ring.
        SchemaDriftError: The source does not fit the contract any more.
    """
    compiled = compiled_contract(run, contract, reading)
    repair_claims(run)
    wanted = selection.condition(run.spark, run.settings)
    rows = _selected(unsettled_rows(run), compiled, wanted)
    left = {row["__left"]: row["count"] for row in rows.groupBy("__left").count().collect()}
    selected = sum(left.values())
    if not selected:
        return JudgedAgain(compiled, _staged(run, {}), 0)
    left.pop(None, None)
    rows = rows.where(F.col("__left").isNull())
    keys = protection_keys(run, compiled, rows=selected, create=False)
    from_source = _staged_from_source(run, compiled, reading, keys, rows)
    staged_events = _staged_events(compiled, run, rows, keys)
    write_stage(run, from_source.unionByName(staged_events, allowMissingColumns=True))
    if compiled.stage.protection.subject:
        record_made_keys(run, compiled.stage.protection.subject, run.spark.table(run.stage))
    counts = run.spark.table(run.stage).groupBy(stage_plan.KIND).count().collect()
    kinds = {row[stage_plan.KIND]: row["count"] for row in counts}
    staged = replace(_staged(run, kinds), key_ids=ids_of(keys))
    staged = refuse_repeats_of_release(run, compiled, staged)
    return JudgedAgain(compiled, staged, selected, left)


def _staged(run: Run, kinds: Mapping[str, int]) -> StagedBatch:
    """The stage of the release, by how many rows of each kind it has."""
    return StagedBatch(
        table=run.stage,
        rows_read=sum(kinds.values()),
        staged=kinds.get(stage_plan.EVENT, 0),
        refused=kinds.get(stage_plan.REFUSED, 0),
        ignored=kinds.get(stage_plan.IGNORED, 0),
        repeated=0,
        watermark=None,
    )


def compiled_contract(run: Run, contract: Contract, reading: SourceReading) -> CompiledContract:
    """The contract, compiled on the source's catalog, without reading any of its rows."""
    relation = reading.relation(contract.source.schema, contract.source.table)
    known = with_recorded_source_kind(run.spark, contract, run.target)
    return compile_contract(
        known, relation, target=run.target, recorded=None, dialect=sql_dialect_of(run.source)
    )


def _selected(kept: DataFrame, contract: CompiledContract, selected: Column) -> DataFrame:
    """The selected rows with `__form`, and `__left`: why one can't be judged, or null."""
    sources = contract.stage.protection.sources
    kept = kept.withColumns({"__form": form(sources), "__selected": selected})
    instant = F.coalesce(F.unix_micros("read_at").cast("string"), "event_position")
    twins = Window.partitionBy("record_key", instant)
    has_twin = F.max(~F.col("__selected")).over(twins) & instant.isNotNull()
    if not contract.is_state:
        # Of a log, only the history itself refuses events for what others of their instant say.
        kept = kept.withColumn("__apart", F.col("__form") == EVENT_FORM)
        twins = Window.partitionBy("record_key", instant, "__apart")
        has_twin = F.max(~F.col("__selected")).over(twins) & F.col("__apart")
    why = F.when(_failed(MASS_CLOSING, *VALIDATION_REASONS), ABOUT_NO_ROW).when(has_twin, TWIN)
    if contract.is_state:
        why = why.when(F.col("read_at").isNull(), NO_INSTANT)
    return kept.withColumn("__left", why).where("__selected")


def _failed(*checks: str) -> Column:
    is_event = F.col("__form") == EVENT_FORM
    return is_event & F.exists("reasons", lambda reason: reason["check"].isin(*checks))


def _staged_from_source(
    run: Run,
    contract: CompiledContract,
    reading: SourceReading,
    keys: ProtectionKeys,
    rows: DataFrame,
) -> DataFrame:
    frame = rows_of_source(
        rows.where(F.col("__form") == SOURCE_FORM),
        contract.stage.protection,
        run.settings.key_ring.decryption_keys(contract.table),
        key_records(run.spark, run.settings, run.target),
        table=contract.table,
    )
    origin = Origin(
        batch_id=run.batch_id,
        taken_at=run.started,
        target=contract.table,
        read_at=run.started,
        watermark_limit=run.started,
        fingerprinted=fingerprint_columns(run.spark, contract, run.target),
        # Rows of one key come from different reads here.
        one_row_a_key=True,
        stages_all_keys=True,
        carried=(ROW_ID, READ_AT),
        read_column=READ_AT,
    )
    return stage_rows.stage_rows(
        frame,
        contract.stage,
        keys,
        origin,
        known=Known(
            references=referenced_values(run, contract, reading).frames,
            erased=erased_digests(run.spark, run.settings, run.target),
            retired=retired_records(run.spark, run.settings, run.target),
            subject_keys=subject_keys(run, contract.table, contract.stage.protection.subject, keys),
        ),
        observation=Observation(f"{run.name}-{run.batch_id}"),
    )


def _staged_events(
    contract: CompiledContract, run: Run, rows: DataFrame, keys: ProtectionKeys
) -> DataFrame:
    """The rows in event form: they passed the checks once, and the history judges them again."""
    frame = events(rows.where(F.col("__form") == EVENT_FORM), contract.events)
    retired = retired_records(run.spark, run.settings, run.target)
    true_at = READ_AT if contract.is_state else contract.stage.stamp
    if retired is not None and true_at is not None:
        frame = without_retired(
            frame,
            retired,
            contract.stage.key,
            keys.fingerprint.material,
            table=contract.table,
            stamp=named(true_at),
        )
    own = contract.stage.from_run.get("batch_id")
    if own is not None:
        frame = frame.withColumn(own[0], F.lit(run.batch_id))
    fits = F.col(UNFIT).isNull()
    return frame.withColumns(
        {
            stage_plan.KIND: F.when(fits, stage_plan.EVENT).otherwise(stage_plan.REFUSED),
            stage_plan.UNFIT_COLUMNS: F.col(UNFIT),
        }
    ).drop(UNFIT)
