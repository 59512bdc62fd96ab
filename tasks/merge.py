"""Merge: plan the batch against the published history and write it on a branch of the target.

Promise: readers see nothing of it yet, and a batch that was published before changes nothing.
"""

from __future__ import annotations

import json

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.model import Absence
from contracts.schema import comment, create_table, event_schema
from history import Batch, Written, write_changes
from history.columns import named, same
from history.events import DELETE
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
    """
    if not exists(run.spark, run.target):
        run.spark.sql(create_table(run.contract, run.target))
    return write_changes(run.spark, _changes(run, staged), batch_of(run, staged, verdict))


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
    }
    return Batch(
        table=run.target,
        settings=history_settings(run.contract),
        id=run.batch_id,
        time=run.started,
        quarantine=run.ledger("quarantine"),
        source=run.contract.source.relation,
        watermark=staged.watermark.isoformat() if staged.watermark else None,
        properties={
            "strandline.contract": f"{run.contract.name} {run.contract.version}",
            PIPELINE: json.dumps(counts, separators=(",", ":")),
        },
    )


def _changes(run: Run, staged: StagedBatch) -> DataFrame:
    stage = run.spark.table(staged.table)
    # What the catalog says of a column comes along, for one that is yet to be added.
    columns = [
        named(column.name).alias(column.name, metadata={"comment": comment(column)})
        for name in event_schema(run.contract).fieldNames()
        for column in [run.contract.column(name)]
    ]
    events = stage.where(F.col(staging.KIND) == staging.EVENT)
    events = events.select(*columns, F.col(staging.OPERATION))
    if run.contract.history.absent is not Absence.CLOSE:
        return events
    return events.unionByName(_absent(run, stage), allowMissingColumns=True)


def _absent(run: Run, stage: DataFrame) -> DataFrame:
    """A delete, at the time of the batch, for each open key that the full load did not carry."""
    settings = history_settings(run.contract)
    keys = [named(name) for name in settings.key]
    open_keys = run.spark.table(run.target).where(named(settings.is_current)).select(*keys)
    seen = stage.select(*keys)
    gone = open_keys.alias("o").join(seen.alias("s"), same("o", "s", settings.key), "left_anti")
    kind = event_schema(run.contract)[settings.sequence].dataType
    return gone.withColumns(
        {
            settings.sequence: F.lit(run.started).cast(kind),
            staging.OPERATION: F.lit(DELETE),
        }
    )
