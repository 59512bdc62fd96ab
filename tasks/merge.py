"""Merge: plan the batch against the published history and write it on a branch of the target.

Promise: readers see nothing of it yet, and a batch that was published before changes nothing.
"""

from __future__ import annotations

import json

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.schemas.spark_schemas import comment, event_schema
from contracts.schemas.target_ddl import create_table
from history import Batch, ClosingLimit, Written, write_changes
from history.iceberg.history_table import exists
from history.model.expected_open_versions import OpenState
from history.spark.column_quoting_and_comparison import named
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.run.run_context import PIPELINE, Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import StagedBatch, Verdict
from tasks.transforms import stage_rows


def _figures(written: Written) -> Figures:
    return {
        "opened": written.report.opened,
        "closed": written.report.closed,
        "late": written.report.late,
    }


@step("merge", figures=_figures)
def merge(run: Run, staged: StagedBatch, verdict: Verdict) -> Written:
    """Write the batch's changes of the history on its branch.

    Raises:
        SchemaDriftError: The target can't come to have the contract's columns.
        MassClosingError: A full read lacks more of the open keys than the contract allows.
    """
    if not exists(run.spark, run.target):
        run.spark.sql(create_table(run.contract, run.target))
    stage = run.spark.table(staged.table)
    seen = stage.select(*[named(name) for name in run.contract.key])
    return write_changes(run.spark, changes_of(run, stage), batch_of(run, staged, verdict), seen)


def batch_of(run: Run, staged: StagedBatch, verdict: Verdict) -> Batch:
    """The staged batch as the history engine knows it."""
    counts = {
        "run_id": run.run_id,
        "started": run.started.isoformat(),
        "rows_read": staged.rows_read,
        "rows_staged": staged.staged,
        "rows_refused": staged.refused,
        "rows_ignored": staged.ignored,
        "rows_repeated": staged.repeated,
        "score": verdict.score,
        "judged_until": staged.judged_until.isoformat() if staged.judged_until else None,
    }
    return Batch(
        table=run.target,
        settings=history_settings(run.contract),
        id=run.batch_id,
        time=run.started,
        quarantine=run.ledger("quarantine"),
        source=run.contract.source.relation,
        read=staged.read,
        opened=_opened(run, staged),
        closing=ClosingLimit(
            percent=run.contract.source.closing_limit.percent,
            rows=run.contract.source.closing_limit.rows,
            at_most=run.closes_at_most,
        ),
        watermark=staged.watermark.isoformat() if staged.watermark else None,
        properties={
            "strandline.contract": f"{run.contract.name} {run.contract.version}",
            PIPELINE: json.dumps(counts, separators=(",", ":")),
        },
    )


def changes_of(run: Run, stage: DataFrame) -> DataFrame:
    """What the staged rows say of their keys, as the history engine takes it."""
    # What the catalog says of a column comes along, for one that is yet to be added.
    columns = [
        named(column.name).alias(column.name, metadata={"comment": comment(column)})
        for name in event_schema(run.contract).fieldNames()
        for column in [run.contract.column(name)]
    ]
    events = stage.where(F.col(stage_rows.KIND) == stage_rows.EVENT)
    return events.select(*columns, F.col(stage_rows.OPERATION))


def _opened(run: Run, staged: StagedBatch) -> OpenState | None:
    """What a full read has found, for the audit of what becomes of it."""
    if staged.there is None:
        return None
    told = run.contract.generated("fingerprint")
    apart = None
    if staged.refused or staged.ignored:
        stage = run.spark.table(staged.table)
        said_nothing = F.col(stage_rows.KIND).isin(stage_rows.REFUSED, stage_rows.IGNORED)
        apart = stage.where(said_nothing).select(*[named(name) for name in run.contract.key])
    return OpenState(
        rows=staged.there,
        digest=staged.there_digest,
        column=None if told is None else told.name,
        apart=apart,
    )
