"""Proof that no row about some persons is left: what is in the files, and which files there are."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from history.iceberg.current_snapshot import current_state
from history.iceberg.history_table import exists, kept_events
from history.upkeep.purge_states import left_files, physical_rows
from tasks.erasure.data_subjects import DataSubjects
from tasks.erasure.quarantined_subjects import quarantined_subjects
from tasks.erasure.subject_key_ledger import count_subject_keys


@dataclass(frozen=True, slots=True)
class ErasureProof:
    """What was looked at after an erasure, and what was found.

    Attributes:
        states: Snapshots of the history that are left.
        rows_left: Rows about the persons in any data file of it or of its kept events, and in the
            quarantine.
        files_left: Data files and manifests without a snapshot that may have such rows: those of
            writes that were broken off.
        keys_left: Keys of the persons in the ledger of such keys.
    """

    states: int
    rows_left: int
    files_left: tuple[str, ...] = ()
    keys_left: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing is left."""
        return not self.rows_left and not self.files_left and not self.keys_left


def verify_erasure(
    spark: SparkSession, subjects: DataSubjects, target: str, quarantine: str
) -> ErasureProof:
    """Look for the persons in every file of the history, in the quarantine, and for their keys.

    Rows that deletes hide from readers count, and so do files that no snapshot references. Reads
    the subject columns of all files, and lists the tables' directories.

    Args:
        spark: A session with the lakehouse's catalog.
        subjects: The persons.
        target: The history table.
        quarantine: The quarantine's table.
    """
    state = current_state(spark, target)
    states = spark.table(f"{target}.snapshots").count()
    rows, files = 0, []
    tables = {target: None if state is None else state.snapshot_id}
    if state is not None and state.kept_snapshot is not None:
        tables[kept_events(target)] = state.kept_snapshot
    for table, snapshot in tables.items():
        if snapshot is None:
            continue
        rows += subjects.rows_about(physical_rows(spark, table, snapshot)).count()
        files += _suspicious_files(spark, subjects, table)
    if exists(spark, quarantine):
        rows += quarantined_subjects(spark, subjects, quarantine, target).count()
    keys = count_subject_keys(spark, subjects.settings, target, subjects.frame)
    return ErasureProof(states, rows, tuple(files), keys)


def _suspicious_files(spark: SparkSession, subjects: DataSubjects, table: str) -> list[str]:
    left = left_files(spark, table)
    unread = [path for path in left.data if _may_hold(spark, subjects, path)]
    return [*unread, *left.manifests]


def _may_hold(spark: SparkSession, subjects: DataSubjects, path: str) -> bool:
    """Whether a file has a row about the persons; true too where that can't be told."""
    if not path.endswith(".parquet"):
        # Deletion vectors have positions, and no value.
        return False
    try:
        return _has_rows(subjects.rows_about(spark.read.parquet(path)))
    except PySparkException:
        # It was broken off within the file, or is older than a subject column.
        return True


def _has_rows(rows: DataFrame) -> bool:
    return bool(rows.limit(1).collect())
