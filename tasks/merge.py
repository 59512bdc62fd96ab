"""Merge: plan the batch against the published history and write it on a branch of the target.

Promise: readers see nothing of it yet, and a batch that was published before changes nothing.
"""

from __future__ import annotations

import json

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.schema import comment, create_table, event_schema
from history import Batch, ClosingLimit, Written, write_changes
from history.columns import named
from history.open_state import OpenState
from history.table import exists
from tasks.handoff import StagedBatch, Verdict
from tasks.history_settings import history_settings
from tasks.run import Run
from tasks.step import Figures, step
from tasks.transforms import staging

PIPELINE = "strandline.pipeline"
"""The entry of the snapshot summary that holds the run's own counts, as JSON."""


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
    events = stage.where(F.col(staging.KIND) == staging.EVENT)
    return events.select(*columns, F.col(staging.OPERATION))


def _opened(run: Run, staged: StagedBatch) -> OpenState | None:
    """What a full read has found, for the audit of what becomes of it."""
    if staged.there is None:
        return None
    told = run.contract.generated("fingerprint")
    apart = None
    if staged.refused or staged.ignored:
        stage = run.spark.table(staged.table)
        said_nothing = F.col(staging.KIND).isin(staging.REFUSED, staging.IGNORED)
        apart = stage.where(said_nothing).select(*[named(name) for name in run.contract.key])
    return OpenState(
        rows=staged.there,
        digest=staged.there_digest,
        column=None if told is None else told.name,
        apart=apart,
    )
