"""Blue and green of a release compared: rows, columns, verdicts, speed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import functions as F

from history.iceberg.current_snapshot import current_state
from history.iceberg.history_table import exists
from history.release.compare_histories import HistoryComparison, compare_histories
from history.release.release_record import Release, write_record
from history.writing.quarantine_table import is_unsettled
from tasks.release.begin_release import SOURCE
from tasks.release.release_contract import contract_of_release, random_columns
from tasks.release.release_place import ReleasePlace
from tasks.run.run_context import ledger_table

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_HOW_LOADED = ("batch_id", "row_score", "retention_date")


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """How the last load of one of the tables went; None: the ledger of runs does not say.

    Attributes:
        batch_id: The batch.
        state: How it ended.
        score: The quality score.
        rows_read: Rows that it read.
        rows_refused: Rows that it refused.
        seconds: How long it took.
        held: Rows of the table that the quarantine holds.
        watermark: How far the source was read, in ISO 8601.
    """

    batch_id: str | None = None
    state: str | None = None
    score: float | None = None
    rows_read: int | None = None
    rows_refused: int | None = None
    seconds: float | None = None
    held: int = 0
    watermark: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseComparison:
    """What a comparison of a release found."""

    release: Release
    rows: HistoryComparison
    blue: LoadFigures
    green: LoadFigures


def compare(place: ReleasePlace) -> ReleaseComparison:
    """Compare the tables of the release as they are, and keep the counts in its record.

    Raises:
        NotFoundError: There is no release.
    """
    release = place.release
    green = contract_of_release(release)
    generated = [
        column.name
        for contract in (place.contract, green)
        for kind in _HOW_LOADED
        if (column := contract.generated(kind)) is not None
    ]
    rows = compare_histories(
        place.spark,
        release.table,
        release.green,
        place.history,
        random=sorted(random_columns(place.contract, green)),
        ignored=generated,
        started=_EVER if release.seed == SOURCE else datetime.fromisoformat(release.started_at),
    )
    if release.is_open:
        compared = {
            "versions": rows.blue.versions,
            "only_in_blue": rows.only_in_blue,
            "only_in_green": rows.only_in_green,
            "differing": rows.differing,
            "left_out": rows.left_out,
        }
        release = write_record(place.spark, release, compared=compared)
    sides = [_figures(place, table) for table in (release.table, release.green)]
    return ReleaseComparison(release, rows, *sides)


def _figures(place: ReleasePlace, table: str) -> LoadFigures:
    spark, settings = place.spark, place.settings
    held, row = 0, None
    quarantine, runs = (ledger_table(settings, name) for name in ("quarantine", "run_metrics"))
    if exists(spark, quarantine):
        ledger = spark.table(quarantine).where(F.col("target_table") == table)
        held = ledger.where(is_unsettled(ledger)).count()
    if exists(spark, runs):
        seconds = (F.unix_micros("end_time") - F.unix_micros("start_time")) / 1_000_000
        last = spark.table(runs).where(F.col("target_table") == table)
        found = last.orderBy(F.col("end_time").desc()).limit(1)
        rows = found.select(
            "batch_id", "state", "data_quality_score", "rows_read", "rows_refused",
            seconds.alias("seconds"),
        ).collect()  # fmt: skip
        row = rows[0] if rows else None
    state = current_state(spark, table)
    watermark = None if state is None else state.properties.get("strandline.watermark")
    if row is None:
        return LoadFigures(held=held, watermark=watermark)
    return LoadFigures(
        batch_id=row.batch_id,
        state=row.state,
        score=None if row.data_quality_score is None else float(row.data_quality_score),
        rows_read=row.rows_read,
        rows_refused=row.rows_refused,
        seconds=None if row.seconds is None else round(float(row.seconds), 1),
        held=held,
        watermark=watermark,
    )
