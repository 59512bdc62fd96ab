"""What the ledgers have of a green table: kept where green is promoted, and forgotten at the end.

Promise: nothing about a person is left under the name of a table that is gone, where an erasure
would not look for it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from history.iceberg.history_table import exists
from history.release.release_record import Release
from tasks.lifecycle.leftover_cleanup import clear_expired_stages
from tasks.release.release_place import ReleasePlace
from tasks.run.run_context import ledger_table

_ALL = datetime.max.replace(tzinfo=UTC)
_LEDGERS = ("quarantine", "unusual_rows", "data_lineage", "held_batches")


def keep_green_refused(place: ReleasePlace, release: Release) -> int:
    """Keep the refused rows that green holds and the published table does not, as the latter's.

    Returns:
        How many there are.
    """
    quarantine = ledger_table(place.settings, "quarantine")
    if not exists(place.spark, quarantine):
        return 0
    held = "settled_at IS NULL AND released_at IS NULL"
    names = {"green": release.green, "table": release.table}
    rows = place.spark.sql(
        f"SELECT 1 FROM {quarantine} WHERE target_table = :green AND {held}",  # noqa: S608
        names,
    ).count()
    if rows:
        place.spark.sql(
            f"MERGE INTO {quarantine} g USING (SELECT DISTINCT row_digest FROM {quarantine} "  # noqa: S608
            f"WHERE target_table = :table AND {held}) b "
            "ON g.target_table = :green AND g.row_digest = b.row_digest "
            "WHEN MATCHED THEN DELETE",
            names,
        )
        place.spark.sql(
            f"UPDATE {quarantine} SET target_table = :table "  # noqa: S608
            f"WHERE target_table = :green AND {held}",
            names,
        )
    return rows


def forget_green(place: ReleasePlace, release: Release) -> None:
    """Delete what the ledgers have of the green table's rows, and its stages; runs are kept."""
    spark = place.spark
    for name in _LEDGERS:
        table = ledger_table(place.settings, name)
        if exists(spark, table) and "target_table" in spark.table(table).columns:
            spark.sql(
                f"DELETE FROM {table} WHERE target_table = :green",  # noqa: S608
                {"green": release.green},
            )
    clear_expired_stages(spark, place.settings, release.contract, release.green, now=_ALL)
