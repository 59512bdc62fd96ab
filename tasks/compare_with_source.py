"""Verify: compare a whole table with a full read of its source, by what loading it would change.

Promise: readers see no change, and nothing that is written stays behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.errors import NotFoundError, SettingsError
from contracts.model import SourceKind
from history import WriteResult
from history.iceberg import branches
from history.iceberg.history_table import exists
from history.model.change_batch import audit_branch_name
from history.model.history_settings import HistorySettings
from history.reading.point_in_time import current
from history.reading.published_snapshots import changed_rows
from history.reading.version_diff import difference
from history.spark.checkpoint import unpersist
from history.spark.column_quoting_and_comparison import as_json, named, same
from history.writing.write_result import AuditEvidence
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import DifferingKey, MergedBatch, SourceRead, VerifyResult

ONLY_IN_SOURCE, ONLY_IN_TABLE, DIFFERS = "only in source", "only in table", "differs"


def _figures(result: VerifyResult) -> Figures:
    return {"rows read": result.rows_read, "not equal": result.unequal}


def refuse_incomparable(run: Run, kind: SourceKind | None) -> None:
    """Refuse a table that was never loaded, or whose source is not one row per key.

    Raises:
        NotFoundError: It was never loaded.
        SettingsError: Its source is a log of changes.
    """
    if not exists(run.spark, run.target):
        raise NotFoundError(
            where=run.target,
            expected="a table that was loaded at least once",
            found="no such table",
            next_step=f"strandline run {run.name}",
        )
    if kind is SourceKind.EVENTS:
        raise SettingsError(
            where=f"{run.name}, source {run.relation}",
            expected="a source of kind state, which shows each key as it is now",
            found="a log of changes, in which a key has many rows",
            next_step="Load it; strandline rebuild compares versions with the changes known.",
        )


@step("compare", figures=_figures)
def compare(run: Run, read: SourceRead, merged: MergedBatch, limit: int) -> VerifyResult:
    """Compare the open versions with what the read makes of them; drop the branch it is on.

    Args:
        run: The run that has read.
        read: The full read.
        merged: What loading it would do, on its branch.
        limit: Name so many keys at most.
    """
    versions = run.spark.table(run.target)
    settings = read.contract.history
    open_keys = current(versions, settings).select(*[named(name) for name in settings.key])
    with _dropped(run, merged.written):
        counts, keys = _unequal(run, merged.written.evidence, limit)
    return VerifyResult(
        contract=run.name,
        target=run.target,
        read_at=read.extraction.read_at,
        rows_read=read.staged.rows_read,
        open_versions=open_keys.count(),
        only_in_source=counts.get(ONLY_IN_SOURCE, 0),
        only_in_table=counts.get(ONLY_IN_TABLE, 0),
        differing=counts.get(DIFFERS, 0),
        kept=_kept(run, read, open_keys),
        refused=read.staged.refused,
        keys=keys,
    )


@contextmanager
def _dropped(run: Run, written: WriteResult) -> Iterator[None]:
    try:
        yield
    finally:
        branches.drop(run.spark, run.target, audit_branch_name(run.batch_id))
        if written.evidence is not None:
            unpersist(written.evidence.planned.rows)


def _unequal(
    run: Run, evidence: AuditEvidence | None, limit: int
) -> tuple[dict[str, int], tuple[DifferingKey, ...]]:
    """How many keys are unequal in which way, and some of them."""
    if evidence is None:
        return {}, ()
    settings = evidence.planned.settings
    base = run.spark.table(f"{run.target}.refs").where("name = 'main'").collect()[0].snapshot_id
    before, after = changed_rows(run.spark, run.target, base, evidence.changes.head)
    unequal = _by_key(before, after, settings).localCheckpoint()
    counted = {row.found: row["count"] for row in unequal.groupBy("found").count().collect()}
    key = as_json(named(name) for name in settings.key).alias("key")
    rows = unequal.orderBy(*[named(name) for name in settings.key]).limit(limit)
    keys = tuple(DifferingKey(*row) for row in rows.select("found", key).collect())
    return counted, keys


def _by_key(before: DataFrame, after: DataFrame, settings: HistorySettings) -> DataFrame:
    """The keys whose open version differs between the two states, with how in `found`."""
    names = [named(name) for name in settings.key]
    changed = difference(before, after, settings).select(*names).distinct()
    open_before = current(before, settings).select(*names)
    open_after = current(after, settings).select(*names)
    joined = (
        changed.alias("d")
        .join(open_before.alias("b"), same("d", "b", settings.key), "left")
        .join(open_after.alias("a"), same("d", "a", settings.key), "left")
    )
    in_before, in_after = (F.col(f"{side}.`{settings.key[0]}`").isNotNull() for side in ("b", "a"))
    kind = (
        F.when(in_before & in_after, DIFFERS)
        .when(in_after, ONLY_IN_SOURCE)
        .when(in_before, ONLY_IN_TABLE)
        .alias("found")
    )
    return joined.select("d.*", kind).where("found IS NOT NULL")


def _kept(run: Run, read: SourceRead, open_keys: DataFrame) -> int:
    """The open keys without a row that the contract keeps."""
    if read.contract.closes_absent:
        return 0
    keys = read.contract.key
    staged_keys = run.spark.table(read.staged.table).select(*[named(name) for name in keys])
    return (
        open_keys.alias("o").join(staged_keys.alias("s"), same("o", "s", keys), "left_anti").count()
    )
