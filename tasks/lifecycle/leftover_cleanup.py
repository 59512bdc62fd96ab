"""The stage and branches of a run, noted before they are written, for the next run to remove.

A run that is killed leaves its note, its stage and its branch. The next run of the table holds the
lock, so no run is using what is noted then.
"""

from __future__ import annotations

import json
from pathlib import Path

from pyspark.sql import SparkSession

from blocks.run_settings import RunSettings
from history.iceberg import branches
from history.iceberg.history_table import exists, kept_events
from history.model.change_batch import audit_branch_name
from tasks.run.run_context import Run, stage_table


def note_leftovers(run: Run) -> None:
    """Note the stage and the branches that this run is about to write."""
    path = _note(run.settings, run.target, run.batch_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"batch_id": run.batch_id, "run_id": run.run_id}), encoding="utf-8")


def clear_leftovers(run: Run) -> None:
    """Remove the stage and the branches of every noted run of this table, this one included."""
    folder = _folder(run.settings, run.target)
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        _clear(run.spark, run.settings, run.name, run.target, path.stem)
        path.unlink(missing_ok=True)


def _clear(
    spark: SparkSession, settings: RunSettings, contract: str, target: str, batch_id: str
) -> None:
    stage = stage_table(settings, contract, batch_id)
    if exists(spark, stage):
        spark.sql(f"DROP TABLE {stage} PURGE")
    branch = audit_branch_name(batch_id)
    for table in (target, kept_events(target)):
        if exists(spark, table):
            branches.drop(spark, table, branch)


def _folder(settings: RunSettings, target: str) -> Path:
    return settings.state_directory / "in-flight" / target


def _note(settings: RunSettings, target: str, batch_id: str) -> Path:
    return _folder(settings, target) / f"{batch_id}.json"
