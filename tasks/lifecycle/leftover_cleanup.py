"""The stage and branches of a run, noted before they are written, for the next run to remove.

A run that is killed leaves its note, its stage and its branch. The next run of the table holds the
lock, so no run is using what is noted then. A note may say until when its stage is kept: that of a
batch that was not published, which a person may still publish.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from pyspark.sql import SparkSession

from blocks.run_settings import RunSettings
from history.iceberg import branches
from history.iceberg.drop_table import drop_with_files
from history.iceberg.history_table import exists, kept_events
from history.model.change_batch import audit_branch_name
from tasks.run.run_context import Run, stage_table

_KEPT_UNTIL = "kept_until"


def note_leftovers(run: Run) -> None:
    """Note the stage and the branches that this run is about to write."""
    path = _note(run.settings, run.target, run.batch_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    if _kept_until(path) is None:
        _write(path, {"batch_id": run.batch_id, "run_id": run.run_id})


def keep_stage(run: Run, *, until: datetime) -> None:
    """Keep the run's stage, which is noted, until a moment; timezone-aware."""
    path = _note(run.settings, run.target, run.batch_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    note = {"batch_id": run.batch_id, "run_id": run.run_id, _KEPT_UNTIL: until.isoformat()}
    _write(path, note)


def clear_leftovers(run: Run, *, published: bool = False) -> None:
    """Remove the stage and the branches of every noted run of this table, this one included.

    A stage whose time is not up is kept; the run's own is not if its batch is `published`.
    """
    for path in _notes(run.settings, run.target):
        until = _kept_until(path)
        done = published and path.stem == run.batch_id
        if until is not None and until > run.started and not done:
            continue
        _clear(run.spark, run.settings, run.name, run.target, path.stem)
        path.unlink(missing_ok=True)


def clear_expired_stages(
    spark: SparkSession, settings: RunSettings, contract: str, target: str, *, now: datetime
) -> int:
    """Remove the stages of a table whose time is up; returns how many. The caller has its lock."""
    expired = [
        path
        for path in _notes(settings, target)
        if (until := _kept_until(path)) is not None and until <= now
    ]
    for path in expired:
        _clear(spark, settings, contract, target, path.stem)
        path.unlink(missing_ok=True)
    return len(expired)


def clear_all_stages(spark: SparkSession, settings: RunSettings, contract: str, target: str) -> int:
    """Remove every stage of a table, also those that are kept, and those that no note tells of.

    Returns how many. The caller has the table's lock.
    """
    catalog, _, namespace = stage_table(settings, contract, "").rpartition(".")[0].partition(".")
    prefix = stage_table(settings, contract, "BATCH_").rpartition(".")[2]
    schemas = spark.sql(f"SHOW NAMESPACES IN {catalog}").collect()
    names = []
    if namespace in {row.namespace for row in schemas}:
        tables = spark.sql(f"SHOW TABLES IN {catalog}.{namespace}").collect()
        names = [row.tableName for row in tables if row.tableName.startswith(prefix)]
    for name in names:
        drop_with_files(spark, f"{catalog}.{namespace}.{name}")
    for path in _notes(settings, target):
        _clear(spark, settings, contract, target, path.stem)
        path.unlink(missing_ok=True)
    return len(names)


def _clear(
    spark: SparkSession, settings: RunSettings, contract: str, target: str, batch_id: str
) -> None:
    stage = stage_table(settings, contract, batch_id)
    drop_with_files(spark, stage)
    branch = audit_branch_name(batch_id)
    for table in (target, kept_events(target)):
        if exists(spark, table):
            branches.drop(spark, table, branch)


def _write(path: Path, note: dict[str, str]) -> None:
    path.write_text(json.dumps(note), encoding="utf-8")


def _kept_until(path: Path) -> datetime | None:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        # A note that was cut off while it was written keeps nothing.
        return None
    text = note.get(_KEPT_UNTIL)
    return None if text is None else datetime.fromisoformat(text)


def _notes(settings: RunSettings, target: str) -> list[Path]:
    folder = _folder(settings, target)
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _folder(settings: RunSettings, target: str) -> Path:
    return settings.state_directory / "in-flight" / target


def _note(settings: RunSettings, target: str, batch_id: str) -> Path:
    return _folder(settings, target) / f"{batch_id}.json"
