"""The legal holds, for the command line: who is under which, by shortened digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from strandline.queries.dates_beyond_python_range import FarMoment, moment_at

_SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class LegalHold:
    """One hold.

    Attributes:
        table: The table.
        hold_id: The hold.
        matter: What it is for.
        placed_at: Since when.
        placed_by: Who placed it.
        held: How many persons are under it.
        released: How many were, and are not any more.
        digests: The first digits of the digests of those who are.
    """

    table: str
    hold_id: str
    matter: str
    placed_at: datetime | FarMoment | None
    placed_by: str
    held: int
    released: int
    digests: tuple[str, ...]


def read_legal_holds(
    ledger: DataFrame, *, tables: Sequence[str], also_released: bool
) -> list[LegalHold]:
    """The holds, the newest first.

    Args:
        ledger: The ledger `legal_holds`.
        tables: Of these tables; none for all.
        also_released: Those that nobody is under any more, too.
    """
    if tables:
        ledger = ledger.where(F.col("target_table").isin(*tables))
    is_held = F.col("released_at").isNull()
    digests = F.collect_set(F.when(is_held, F.substring("subject_digest", 1, _SHOWN_DIGITS)))
    rows = (
        ledger.groupBy("target_table", "hold_id", "matter", "placed_by")
        .agg(
            F.min(F.unix_micros("placed_at")).alias("placed_at"),
            F.count_if(is_held).alias("held"),
            F.count_if(~is_held).alias("released"),
            F.sort_array(digests).alias("digests"),
        )
        .orderBy(F.col("placed_at").desc(), "hold_id")
        .collect()
    )
    return [
        LegalHold(
            row.target_table,
            row.hold_id,
            row.matter,
            moment_at(row.placed_at),
            row.placed_by,
            row.held,
            row.released,
            tuple(row.digests),
        )
        for row in rows
        if row.held or also_released
    ]
